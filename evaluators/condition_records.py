"""What was done to the clips before they were played again, as `evaluation.json` holds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Protocol

import pydantic

from device_profiles.record import Record
from packager.bounds import check_unique

CLEAN = "clean"
"""the clips as they are, with which every condition is compared"""
MAX_CONDITIONS = 32

_Words = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


class ConditionStep(Record):
    """One thing that happens to the audio."""

    kind: _Words
    parameters: dict[str, Any] = {}
    """as they hold: those that the recipe sets, and defaults"""

    @property
    def text(self) -> str:
        """The step in words, for example `noise (colour pink, snr_db 10)`."""
        parameters = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        return f"{self.kind} ({parameters})" if parameters else self.kind


class ConditionInfo(Record):
    """One condition: what happens to the audio, in this order."""

    name: _Words
    steps: Annotated[tuple[ConditionStep, ...], pydantic.Field(min_length=1, max_length=MAX_CONDITIONS)]

    @property
    def text(self) -> str:
        """Its steps in words."""
        return ", then ".join(step.text for step in self.steps)


class _Named(Protocol):
    @property
    def condition(self) -> str: ...


class _Treated(Protocol):
    @property
    def conditions(self) -> tuple[_Named, ...]: ...


def check_conditions(known: tuple[ConditionInfo, ...], owners: Iterable[_Treated]) -> None:
    """See that results under conditions are of those that there are, each once.

    Raises:
        ValueError: One is not, or stands twice.
    """
    names = [condition.name for condition in known]
    check_unique(names, "condition")
    for owner in owners:
        check_unique((result.condition for result in owner.conditions), "condition")
        strange = next((result.condition for result in owner.conditions if result.condition not in names), None)
        if strange is not None:
            raise ValueError(f"a result is of a condition {strange[:100]!r} that the evaluation has not")
