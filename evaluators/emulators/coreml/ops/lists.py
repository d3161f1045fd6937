"""Lists of tensors of one shape. Source: iOS15/control_flow.py.

A list is a value like any other: a write makes a new list and leaves the old one as it was, unless nobody else has it.
An element that was never written is all zeros. Source: coremltools' op test of lists ("list is initially all 0"), also
for the elements a write beyond the end brings along. Where a dimension of the elements is unknown until one is written,
the others take its shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from evaluators.emulators.coreml.constants import HELD_AS, python_of
from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import check_size
from evaluators.errors import EvaluationError

MAX_LENGTH = 1 << 24
"""More elements than any program has use for; a length from a damaged file must not fill the memory"""

_DTYPES = {"bool": "bool", "fp16": "float16", "fp32": "float32", "int32": "int32"}
"""make_list's names for element types"""


@dataclass(frozen=True)
class TensorList:
    """The value of a list.

    The registry hands on what is annotated as `Tensor…` as it is, so lists reach the ops unchanged.
    """

    elements: list[Tensor | None]
    """none where nothing was written; changed only by a write to a list that nobody else has"""
    shape: tuple[int | None, ...]
    """of an element; none for a dimension that is not known yet"""
    dtype: torch.dtype
    grows: bool

    def blank(self) -> Tensor:
        """An element that was never written."""
        if None in self.shape:
            raise EvaluationError("reads an element before any is written, and their shape is not known before")
        shape = [size for size in self.shape if size is not None]
        check_size(shape)
        return torch.zeros(shape, dtype=self.dtype)

    def read(self, index: int) -> Tensor:
        """One element."""
        if not 0 <= index < len(self.elements):
            raise EvaluationError(f"reads element {index} of a list of {len(self.elements)}")
        element = self.elements[index]
        return self.blank() if element is None else element

    def written(self, indices: Sequence[int], values: Sequence[Tensor], *, owned: bool) -> TensorList:
        """The list with `values` at `indices`, longer if need be; of an owned list the elements are taken over."""
        if len(indices) != len(values):
            raise EvaluationError(f"writes {len(values)} elements to {len(indices)} indices")
        elements, shape = self.elements if owned else list(self.elements), self.shape
        size = len(elements)
        _check_length(max(indices, default=0) + 1)
        for index, value in zip(indices, values, strict=True):
            if index < 0 or (index >= size and not self.grows):
                raise EvaluationError(f"writes element {index} of a list of {size} that does not grow")
            shape = _fitted(shape, value)
            elements.extend([None] * (index + 1 - len(elements)))
            elements[index] = value
        return replace(self, elements=elements, shape=shape)


@op("make_list", exact=True)
def make_list(
    elem_shape: list[Any], init_length: int = 1, dynamic_length: bool = True, dtype: str = "fp32"
) -> TensorList:
    """A list of `init_length` elements (iOS15); a name in `elem_shape` stands for a size known at run time."""
    if dtype not in _DTYPES:
        raise EvaluationError(f"make_list has dtype {dtype!r}; expected {', '.join(_DTYPES)}")
    if init_length < 0:
        raise EvaluationError(f"make_list has init_length {init_length}; expected at least 0")
    _check_length(init_length)
    shape = tuple(None if isinstance(size, str) or size < 0 else int(size) for size in elem_shape)
    return TensorList([None] * init_length, shape, HELD_AS[_DTYPES[dtype]], dynamic_length)


@op("list_length", exact=True)
def list_length(ls: TensorList) -> Tensor:
    """The number of elements (iOS15)."""
    return torch.tensor(len(ls.elements), dtype=torch.int32)


@op("list_read", exact=True)
def list_read(ls: TensorList, index: int) -> Tensor:
    """The element at `index` (iOS15)."""
    return ls.read(index)


@op("list_write", exact=True, reuses="ls")
def list_write(ls: TensorList, index: int, value: Tensor, owned: bool = False) -> TensorList:
    """The list with `value` at `index` (iOS15); beyond its end, a list of dynamic length grows."""
    return ls.written([index], [value], owned=owned)


@op("list_gather", exact=True)
def list_gather(ls: TensorList, indices: Tensor) -> Tensor:
    """The elements at `indices`, stacked (iOS15)."""
    numbers = python_of(indices.reshape(-1))
    check_size((len(numbers), *ls.read(numbers[0]).shape) if numbers else ())
    chosen = [ls.read(index) for index in numbers]
    return torch.stack(chosen) if chosen else ls.blank()[None][:0]


@op("list_scatter", exact=True, reuses="ls")
def list_scatter(ls: TensorList, indices: Tensor, value: Tensor, owned: bool = False) -> TensorList:
    """The list with row `i` of `value` at `indices[i]` (iOS15); beyond its end, a list of dynamic length grows."""
    if not value.ndim or value.shape[0] != indices.numel():
        rows = value.shape[0] if value.ndim else 1
        raise EvaluationError(f"writes {rows} elements to {indices.numel()} indices")
    return ls.written(python_of(indices.reshape(-1)), value.unbind(0), owned=owned)


def _check_length(length: int) -> None:
    if length > MAX_LENGTH:
        raise EvaluationError(f"the list would have {length:,} elements; at most {MAX_LENGTH:,} are possible")


def _fitted(shape: tuple[int | None, ...], value: Tensor) -> tuple[int | None, ...]:
    """The shape of the elements, now that one of them is known."""
    found = tuple(value.shape)
    fits = len(found) == len(shape) and all(
        size is None or size == given for size, given in zip(shape, found, strict=True)
    )
    if not fits:
        wanted = ["?" if size is None else size for size in shape]
        raise EvaluationError(f"writes an element of shape {list(found)} to a list whose elements are {wanted}")
    return found
