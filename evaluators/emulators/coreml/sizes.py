"""How large a value may be: held against its shape before memory is taken for it.

A file of a kilobyte can ask for any size: a number to fill with, two vectors to add as column and row, a list of
repetitions. Every op whose result can be larger than what it is given asks here first.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from evaluators.errors import EvaluationError

if TYPE_CHECKING:
    from torch import Tensor

MAX_ELEMENTS = 1 << 27
"""Of one value, 512 MiB in float32. What an op needs at once are some of these: its inputs, its result, and what lies
between. Eight fit in the 4 GiB that a process of a machine with little memory has, and no app on a phone gets more"""


MAX_RANK = 32
"""dimensions of one value: Core ML has 5, numpy stops at 32 or 64, torch, which walks over them, at its stack's end"""

MAX_LISTED = 1 << 20
"""elements of one value as Python numbers, which take tens of bytes each: shapes, axes, indices into lists"""


def check_rank(rank: int) -> None:
    """Refuse a value with so many dimensions.

    Raises:
        EvaluationError: They are more than `MAX_RANK`.
    """
    if rank > MAX_RANK:
        raise EvaluationError(f"would need a value of {rank:,} dimensions; at most {MAX_RANK} are possible")


def check_size(shape: Iterable[int], times: int = 1) -> None:
    """Refuse a value of this shape if it is too large.

    Args:
        shape: Its sizes.
        times: How many values as large the op needs on its way; what it can make is smaller by as much.

    Raises:
        EvaluationError: It would have more than `MAX_ELEMENTS` elements, or more than `MAX_RANK` dimensions.
    """
    sizes = tuple(shape)
    check_rank(len(sizes))
    if math.prod(sizes) * times > MAX_ELEMENTS:
        raise EvaluationError(
            f"would need a value of shape {list(sizes)}, {math.prod(sizes):,} elements; at most"
            f" {MAX_ELEMENTS // times:,} are possible here"
        )


def check_total(values: Iterable[Tensor]) -> None:
    """Refuse what these give when they are joined, if it is too large; one value may come many times.

    Raises:
        EvaluationError: As `check_size`.
    """
    count = 0
    for value in values:
        count += value.numel()
    if count > MAX_ELEMENTS:
        check_size((count,))


def check_broadcast(x: Tensor, y: Tensor) -> None:
    """Refuse what two values give when each is stretched to the shape of both, if it is too large.

    Raises:
        EvaluationError: As `check_size`, or the shapes of large values do not fit each other; of others torch says so.
    """
    # The product is never less than the result has, and quickly told: this runs at each op.
    if x.numel() * y.numel() > MAX_ELEMENTS and x.shape != y.shape:
        _check_pair(x.shape, y.shape)


@functools.lru_cache(maxsize=1024)
def _check_pair(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    """What was let pass is not looked at again: an op meets the same shapes at each call."""
    check_size(broadcast_shape(x, y))


def broadcast_shape(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that all of these can be stretched to.

    Raises:
        EvaluationError: There is none.
    """
    rank = max(map(len, shapes))
    columns = zip(*((1,) * (rank - len(shape)) + tuple(shape) for shape in shapes), strict=True)
    found = [set(column) - {1} or {1} for column in columns]
    if any(len(sizes) > 1 for sizes in found):
        raise EvaluationError(f"shapes {', '.join(str(list(shape)) for shape in shapes)} do not fit each other")
    return tuple(size for (size,) in found)
