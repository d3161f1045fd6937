"""Constants as the ops want them: torch tensors or plain Python values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evaluators.emulators.coreml.dtypes import DType
from evaluators.emulators.coreml.program import Value
from evaluators.emulators.coreml.sizes import MAX_LISTED
from evaluators.errors import EvaluationError

HELD_AS: dict[str, torch.dtype] = {
    "bool": torch.bool,
    "float16": torch.float32,
    "float32": torch.float32,
    "float64": torch.float64,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "int4": torch.int8,
    "uint8": torch.uint8,
    "uint16": torch.int32,
    "uint32": torch.int64,
    "uint64": torch.int64,
    "uint1": torch.uint8,
    "uint2": torch.uint8,
    "uint3": torch.uint8,
    "uint4": torch.uint8,
    "uint6": torch.uint8,
}
"""element type of a program → the torch type that holds it. float16 is held wider so that sums accumulate in float32;
unsigned types torch has few kernels for are held in the next wider signed type"""


def to_tensor(array: np.ndarray, dtype: DType) -> Tensor:
    """A tensor of an array's elements, held as `HELD_AS` says; memory is shared where the type stays."""
    if dtype.name in ("uint16", "uint32", "uint64"):
        array = array.astype(np.int32 if dtype.name == "uint16" else np.int64)
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()  # torch shares memory only with arrays it may write to and walk forwards
    return torch.from_numpy(array).to(HELD_AS[dtype.name])


def tensor_of(value: Value) -> Any:
    """A constant as a tensor; a text stays a text, and a tuple becomes a list."""
    if isinstance(value.data, tuple):
        return [tensor_of(item) for item in value.data]
    if value.type.dtype is None or value.type.dtype.stored is None:
        return python_of(value)
    return to_tensor(value.data, value.type.dtype)


def round_to_half(value: Tensor) -> Tensor:
    """The values rounded to float16 (ties to even, overflow to infinity), held as float32."""
    return value.half().float()


def python_of(value: Any) -> Any:
    """A constant or a tensor as plain Python: a number, truth value or text, or nested lists of them.

    Raises:
        EvaluationError: It has more than `MAX_LISTED` elements.
    """
    if isinstance(value, Value):
        value = value.data
    if isinstance(value, tuple | list):
        return [python_of(item) for item in value]
    if isinstance(value, np.ndarray | Tensor):
        if math.prod(value.shape) > MAX_LISTED:
            raise EvaluationError(
                f"takes numbers one by one, but is given shape {list(value.shape)}; at most {MAX_LISTED:,} are possible"
            )
        return value.tolist()
    return value
