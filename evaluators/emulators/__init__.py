"""Running a bundle as the phone would: what every emulator offers. Which of them opens a file is its target's part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt


@dataclass(frozen=True)
class Tensor:
    """Shape (open dimensions fixed to 1) and dtype of an emulated model's input or output."""

    shape: tuple[int, ...]
    dtype: str
    open_axes: tuple[int, ...] = ()
    """dimensions whose size a caller may choose"""
    scale: float | None = None
    """of quantised values: value = scale × (integer − zero_point); none where they are what they are"""
    zero_point: int = 0
    absent: float | None = None
    """of an optional input: what fills it where it is not given; none where it must be given"""


class Emulator(Protocol):
    """A model file that can be called."""

    @property
    def runtime(self) -> str:
        """Name and version of what executes it."""

    @property
    def inputs(self) -> Mapping[str, Tensor]: ...

    @property
    def outputs(self) -> Mapping[str, Tensor]: ...

    @property
    def states(self) -> Mapping[str, Tensor]:
        """What the model itself keeps from call to call; none where an app hands its states in and out."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]: ...

    def close(self) -> None:
        """Give back what the model holds; nothing can be run afterwards."""

    def reset(self) -> None:
        """Begin anew: whatever the model keeps is as it was after loading."""

    def read_state(self, name: str) -> npt.NDArray[Any]:
        """A copy of one of `states`."""

    def write_state(self, name: str, value: npt.NDArray[Any], /) -> None:
        """Set one of `states`."""


def distinct_names(names: Sequence[str], role: str) -> tuple[str, ...]:
    """Names to bind by, of tensors that may have none or share one: those get their place, for example `input_0`."""
    return tuple(name if name and names.count(name) == 1 else f"{role}_{place}" for place, name in enumerate(names))
