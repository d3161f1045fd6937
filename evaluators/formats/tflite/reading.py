"""What an op of a TFLite file reads and is told, as far as the sizes of what it makes follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Shape = tuple[int, ...]

Number = npt.NDArray[Any]

CUSTOM_OPTIONS = "custom"
"""the name by which a custom op's options go, which are a dictionary"""


@dataclass(frozen=True)
class Reading:
    """What an op reads and is told.

    Attributes:
        kind: The builtin operator's name.
        inputs: Sizes of what it reads, in order.
        values: The same, where they are small known numbers.
        declared: Sizes of what it makes as the file states them, 1 in place of open ones.
        options: The op's table of options by the schema's name for it; none where there is none.
    """

    kind: str
    inputs: Sequence[Shape]
    values: Sequence[Number | None]
    declared: Sequence[Shape]
    options: Callable[[str], Any | None]

    def told(self, name: str) -> Any:
        """The op's options.

        Raises:
            ValueError: The file has none for it.
        """
        found = self.options(name)
        if found is None:
            raise ValueError(f"{self.kind} without {name}")
        return found

    def numbers(self, place: int) -> list[int]:
        """A small whole-numbered operand, for example a list of axes.

        Raises:
            ValueError: It is not known.
        """
        value = self.values[place] if place < len(self.values) else None
        if value is None or value.dtype.kind not in "iu":
            raise ValueError(f"operand {place} of {self.kind} is not known")
        return [int(number) for number in np.ravel(value)]


Rule = Callable[[Reading], "Shape | list[Shape]"]


def count_axis(axis: int, rank: int) -> int:
    """An axis counted from the front.

    Raises:
        IndexError: There is none of this number.
    """
    if not -rank <= axis < rank:
        raise IndexError(f"axis {axis} of {rank}")
    return axis % rank if rank else 0
