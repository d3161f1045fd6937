"""One measured time, as every reader of this room gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from device_profiles.profile import ComputeUnitKind
from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.costs.own_measurements import MOST_MS, Label, Milliseconds
from evaluators.errors import EvaluationError

UNITS: dict[str, ComputeUnitKind] = {"cpu": "cpu", "gpu": "gpu", "npu": "npu", "ane": "npu"}
"""words for compute units; the Neural Engine is an NPU"""
MOST_THREADS = 64


class MeasuredRow(Record):
    """One measured time of one call."""

    source: Label
    """where it was read: file and place"""
    file: Label | None = None
    """the model, as the report calls it; none where it names none"""
    of_many: bool = False
    """whether the report is of many models, of which one has those that one has"""
    device: Label | None = None
    """the phone, as the report calls it; none where it names none"""
    unit: ComputeUnitKind | Literal["default"] | None = None
    """default: where the runtime put it; none where the report does not say"""
    ms: Milliseconds
    """milliseconds of one call"""
    threads: Annotated[int, pydantic.Field(ge=1, le=MOST_THREADS)] | None = None
    """on a CPU; none where the report does not say"""
    runtime: Label | None = None
    """none means the one that plays the model on the phone by default"""
    signature: Label | None = None


def check_ms(value: Any, where: str) -> float:
    """A time that a report gives, in milliseconds.

    Raises:
        EvaluationError: It is none.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= MOST_MS:
        raise EvaluationError(f"{where}: the time is {shorten(str(value))}; right is a number above 0")
    return float(value)


def read_word(data: Mapping[str, Any], key: str) -> str | None:
    """A name in a report, shortened; none where it is missing, empty or no text."""
    value = data.get(key)
    return shorten(value, 300) if isinstance(value, str) and value.strip() else None


def read_table(data: Any, key: str) -> Mapping[str, Any]:
    """A table within a table of a report; an empty one where there is none."""
    found = data.get(key) if isinstance(data, Mapping) else None
    return found if isinstance(found, Mapping) else {}
