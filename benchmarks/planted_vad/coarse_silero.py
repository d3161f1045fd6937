"""Silero VAD with the weights of its first convolution in three bits: a bundle that is as good on clean audio alone.

Each output channel has a scale of its own, so that its largest weight is 3 steps and all others whole steps: seven
values. A recipe names `build`. The example's `silero.py` lies beside this file when it is packaged.
"""

from __future__ import annotations

from typing import Any

import torch
from silero import SileroVad
from silero import build as build_source
from torch import Tensor

BITS = 3
"""what the rule of `python -m benchmarks.planted_package --ladder` chooses, which fails where it is another"""


def round_weights(model: SileroVad, bits: int) -> SileroVad:
    """The model itself, its first convolution rounded to so many bits."""
    weights = model.encoder[0].weight.data
    step = weights.abs().amax(dim=(1, 2), keepdim=True) / (2 ** (bits - 1) - 1)
    weights.copy_(torch.round(weights / step) * step)
    return model


def build(script: Any) -> tuple[SileroVad, tuple[Tensor, ...]]:
    """As the example's, with the fault in it."""
    model, examples = build_source(script)
    return round_weights(model, BITS), examples
