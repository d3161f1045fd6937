"""What the test of the Keras wake word has a worker do: TensorFlow stays out of the tests."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.specimens import ROOT

os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"})


def compare_twins(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Both models with the same random weights through a stream; of each call and output the largest difference.

    Each carries its own states, the memory with channels last here and first there.
    """
    import torch

    sys.path.insert(0, str(ROOT / "examples" / "wake_word"))
    wake_word, twin = (importlib.import_module(name) for name in ("wake_word", "keras_wake_word"))
    torch.manual_seed(request["seed"])
    source, model = wake_word.WakeWord().eval(), twin.make_model()
    for block in source.blocks:  # as training leaves them: no longer 0 and 1
        for values in (block.norm.running_mean, block.norm.weight.data, block.norm.bias.data):
            values.normal_()
        block.norm.running_var.uniform_(0.5, 2)
    twin.carry_weights(source, model)
    audio = 0.1 * torch.randn(request["calls"], 1, wake_word.WINDOW)
    theirs = dict(zip(("context", "memory"), wake_word.start(1), strict=True))
    ours: dict[str, Any] = {"context": theirs["context"].numpy(), "memory": theirs["memory"].numpy().transpose(0, 2, 1)}
    for call in audio:
        with torch.no_grad():
            reference = source(call, **theirs)
        estimate = {name: np.asarray(value) for name, value in model({"audio": call.numpy(), **ours}).items()}
        theirs = {name: reference[f"{name}_next"] for name in theirs}
        ours = {name: estimate[f"{name}_next"] for name in ours}
        expected = {name: value.numpy() for name, value in reference.items()}
        expected["memory_next"] = expected["memory_next"].transpose(0, 2, 1)
        differences = {name: float(np.abs(estimate[name] - expected[name]).max()) for name in expected}
        yield {"differences": differences, "spread": float(expected["keyword"].std())}
