"""How large the numbers of manifests, recipes and evaluations may be, and which of their names must differ.

Files come from strangers. A number beyond these bounds is a mistake or an attack, and is refused where it is read: no
code behind it meets a size that overflows, that no memory holds, or that another JSON parser reads as another number.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import pydantic

MAX_COUNT = 2**53 - 1
"""the largest whole number that every JSON parser reads alike; 9 PB, or 104 days in nanoseconds.

Source: RFC 7493, "The I-JSON Message Format", section 2.2."""
MAX_SAMPLE_RATE_HZ = 768_000
"""the highest rate that converters of audio are made for, 16 times 48 kHz"""
MAX_CHANNELS = 1024
"""what libsndfile, which reads the audio, takes (SF_MAX_CHANNELS)"""
MAX_DURATION_S = 30 * 60
"""the longest clip that is read at once, and so the longest window; half an hour of mono at 48 kHz is 350 MB"""
MAX_AXIS = 2**31 - 1
"""TFLite's shapes are of 32-bit integers"""
MAX_RANK = 32
"""dimensions that numpy 1.26 takes, the oldest one supported"""
MAX_ELEMENTS = 2**40
"""of one tensor: more than 1 TB, which neither a phone nor a machine that packages for one holds"""
MAX_FLEXIBLE_SIZES = 128
"""that Core ML enumerates for one input; source: coremltools' guide, "Flexible Input Shapes\""""

Count = Annotated[int, pydantic.Field(ge=0, le=MAX_COUNT)]
PositiveCount = Annotated[int, pydantic.Field(gt=0, le=MAX_COUNT)]
AxisSize = Annotated[int, pydantic.Field(gt=0, le=MAX_AXIS)]

Digest = Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$")]
"""a SHA-256"""
TensorName = Annotated[str, pydantic.Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]
"""of an input or output: it becomes a file's name, and both formats keep it only if it is made of these signs"""


def _check_elements(shape: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(shape) > MAX_ELEMENTS:
        raise ValueError(f"a tensor of more than {MAX_ELEMENTS} elements fits no memory")
    return shape


Shape = Annotated[
    tuple[Annotated[int, pydantic.Field(ge=0, le=MAX_AXIS)], ...],
    pydantic.Field(max_length=MAX_RANK),
    pydantic.AfterValidator(_check_elements),
]
"""sizes of a tensor's dimensions"""
WrittenShape = Annotated[
    tuple[AxisSize, ...], pydantic.Field(max_length=MAX_RANK), pydantic.AfterValidator(_check_elements)
]
"""as a recipe gives it: no dimension is empty"""


def find_repeats(names: Iterable[str]) -> tuple[str, ...]:
    """Names that are there more than once, each once, in their order."""
    return tuple(name for name, count in Counter(names).items() if count > 1)


def check_unique(names: Iterable[str], what: str) -> None:
    """Refuse names that are there twice: two parsers, or two readers, would take different ones for the one meant.

    Raises:
        ValueError: With the first name. (Pydantic adds the place.)
    """
    repeats = find_repeats(names)
    if repeats:
        more = f", and {len(repeats) - 1} more" if len(repeats) > 1 else ""
        raise ValueError(f"{what} {repeats[0][:100]!r} is there twice{more}; each is named once")
