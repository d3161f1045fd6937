"""Audio and outputs of models that take and give integers, converted as an app converts them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.emulators import Tensor
from evaluators.errors import EvaluationError

_PCM = "int16"
"""without a scale these are samples as sound cards and WAV files have them, full scale 32768"""
_PCM_SCALE = 1 / 32768


def to_integers(samples: npt.NDArray[np.float32], tensor: Tensor, *, where: str) -> npt.NDArray[Any]:
    """Samples of full scale 1 in the type of a model's input; floats as they are.

    Args:
        samples: Of any shape.
        tensor: The input: integers have a scale and a zero point, and are clipped to their range.
        where: How messages name the input.

    Raises:
        EvaluationError: The input holds integers without a scale, which no sample is.
    """
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f":
        return samples.astype(dtype, copy=False)
    scale = tensor.scale or (_PCM_SCALE if tensor.dtype == _PCM else None)
    if scale is None or dtype.kind not in "iu":
        raise EvaluationError(
            f"{where} is {tensor.dtype} without a scale; audio is float32, int16, or integers with a scale"
        )
    limits = np.iinfo(dtype)
    return np.clip(np.round(samples / scale) + tensor.zero_point, limits.min, limits.max).astype(dtype)


def from_integers(values: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[Any]:
    """What a model's output means: integers with a scale as float32, all else as it is."""
    if tensor.scale is None or np.asarray(values).dtype.kind not in "iu":
        return np.asarray(values)
    return ((values.astype(np.float32) - tensor.zero_point) * np.float32(tensor.scale)).astype(np.float32)


def describe_conversion(name: str, tensor: Tensor) -> str | None:
    """How an input's samples become integers, in one sentence; none where they stay what they are."""
    if tensor.scale is not None:
        return (
            f"{name} is {tensor.dtype}: samples are divided by {tensor.scale:.6g} and {tensor.zero_point} is added, "
            "as the file says; outputs with a scale are shown as what they mean"
        )
    return f"{name} is int16 without a scale: taken for samples of full scale 32768" if tensor.dtype == _PCM else None
