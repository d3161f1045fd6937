"""Runs a quantized model in a process of its own: some that the quantizer makes end the process that loads them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from packager.compression.calibration import Tensors
from packager.errors import PackagingError
from packager.jobs.workers import Job, run_job
from packager.snr import snr_db
from packager.storage import temporary_folder

_TARGET = "packager.formats.tflite.compression.trial:try_model"


def open_signature(model: bytes) -> tuple[Any, str]:
    """The runtime's runner of a model's first signature, and that signature's name.

    Raises:
        PackagingError: The runtime refuses the model.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=model, num_threads=1)
        signature = next(iter(interpreter.get_signature_list()))
        return interpreter.get_signature_runner(signature), signature
    except (RuntimeError, StopIteration, ValueError) as fault:
        raise PackagingError(f"the runtime refuses the model: {fault or 'it has no signature'}") from fault


class Trial:
    """What a quantized model is tried on: calls, and the outputs it should give."""

    def __init__(self, calls: Sequence[Tensors], expected: Sequence[Tensors]) -> None:
        self._calls, self._expected = calls, expected

    def run(self, model: bytes) -> float:
        """The signal-to-noise ratio of the model's worst output over all calls, in dB; infinite where all are right.

        Raises:
            PackagingError: The runtime refuses the model or crashes, on any call, or outputs are of other types or not
                finite where they should be.
        """
        with temporary_folder() as folder:
            (folder / "model.tflite").write_bytes(model)
            request = {"folder": str(folder), "calls": len(self._calls)}
            for what, tensors in (("inputs", self._calls), ("outputs", self._expected)):
                request[what] = sorted(tensors[0])
                for index, one in enumerate(tensors):
                    np.savez(folder / f"{what}{index}.npz", *(one[key] for key in sorted(one)))
            (event,) = run_job(Job(_TARGET, request, folder / "log.txt"))
        return math.inf if event["snr_db"] is None else float(event["snr_db"])


def try_model(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The worker's part of `Trial.run`; yields `{"snr_db": …}`, none where all outputs are right."""
    folder = Path(request["folder"])
    runner, _ = open_signature((folder / "model.tflite").read_bytes())
    signal: dict[str, float] = defaultdict(float)
    noise: dict[str, float] = defaultdict(float)
    for index in range(request["calls"]):
        call, right = (_load(folder / f"{what}{index}.npz", request[what]) for what in ("inputs", "outputs"))
        try:
            found = runner(**call)
        except (RuntimeError, ValueError) as fault:
            raise PackagingError(f"the runtime refuses the quantized model: {fault}") from fault
        for name, value in right.items():
            if found[name].dtype != value.dtype:
                raise PackagingError(f"the quantizer changes the type of output {name!r} to {found[name].dtype}")
            if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
                continue
            if not np.isfinite(found[name]).all():
                raise PackagingError(f"the quantized model's output {name!r} is not finite")
            signal[name] += float(np.sum(value.astype(np.float64) ** 2))
            noise[name] += float(np.sum((found[name].astype(np.float64) - value) ** 2))
    ratios = (snr_db(signal[name], noise[name]) for name in signal)
    yield {"snr_db": min((ratio for ratio in ratios if ratio is not None and ratio != math.inf), default=None)}


def _load(path: Path, names: Sequence[str]) -> dict[str, Any]:
    with np.load(path) as stored:
        return {name: stored[f"arr_{position}"] for position, name in enumerate(names)}
