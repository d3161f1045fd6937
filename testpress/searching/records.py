"""What a search found, as `search.json` in the output folder holds it."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from device_profiles.profile import ComputeUnitKind
from device_profiles.record import Record
from evaluators.score import Score
from packager.bounds import Count
from packager.bundle import Format
from reports.judging.verdicts import Status

State = Literal["judged", "dropped", "screened", "failed", "cannot_run", "not_needed", "not_tried"]
"""judged: on all clips · dropped: after some, since it could not hold any more · screened: made, and not played ·
failed: could not be made or played · cannot_run: on none of the phones · not_needed: whatever it gave, it would not be
chosen · not_tried: the time ended before"""

Seconds = Annotated[float, pydantic.Field(ge=0)]


class Margin(Record):
    """Room that a bundle leaves on a phone under one budget or rule."""

    rule: str
    """the budget in words"""
    status: Status
    value: float | None = None
    """what was held against the limit: an end of the interval where there is one"""
    limit: float | None = None
    margin: float | None = None
    """room left, below zero where the limit is broken; none where there is nothing to measure"""
    unit: str | None = None
    reason: str
    """the judge's sentence"""


class Tried(Record):
    """One option, and how far it came."""

    variant: str
    format: Format
    precision: str
    devices: tuple[str, ...]
    """phones whose system has what it needs"""
    state: State
    reason: str
    """why it came no further; of what was judged, what speaks against it, empty where nothing does"""
    known: str = ""
    """what was learnt of it, for example how far it departs from its source"""
    size: Score | None = None
    objective: dict[str, Score] = {}
    """of what is minimised, by phone"""
    score: Score | None = None
    """of the task's leading metric, on all clips"""
    difference: Score | None = None
    """the same, from the source model's"""
    clips: Count = 0
    """clips that it was played on, those under conditions too"""
    seconds: Seconds | None = None
    """that its conversion took; none where it was there already"""


class Placed(Record):
    """What is minimised, of the bundle that is named, when the app asks for another compute unit or thread count."""

    unit: ComputeUnitKind
    threads: Count | None = None
    """of a CPU"""
    objective: Score


class Recommendation(Record):
    """What to ship on one phone in one format."""

    device: str
    name: str
    """the phone's"""
    format: Format
    variant: str | None
    """none where nothing that was tried holds every budget"""
    status: Status | None
    reason: str
    nearest: str | None = None
    """where nothing holds: what breaks fewest budgets"""
    objective: Score | None = None
    compute_unit: str | None = None
    threads: Count | None = None
    margins: tuple[Margin, ...] = ()
    """to every budget, of what is named"""
    placements: tuple[Placed, ...] = ()
    """where it could run, the best first, where what is minimised is a phone's and the recipe asks for nothing; that is
    predicted alone, and whether its outputs hold there was not tried"""
    frontier: tuple[str, ...] = ()
    """of what was judged and holds: that which nothing beats in what is minimised, size and score at once"""


class Cost(Record):
    """What a search took, beside what trying everything would have."""

    seconds: Seconds
    options: Count
    made: Count
    """bundles"""
    clips: Count
    """plays of a clip by a bundle, those under conditions too, and those that an earlier search or run had stored"""
    all_clips: Count
    """the same if every option that a phone can run had been made and played on all clips"""


class SearchResult(Record):
    """`search.json`."""

    schema_version: Literal[1] = 1
    testpress_version: str
    created: str
    """UTC, ISO 8601"""
    command: str
    key: str
    """content address of all that decides it"""
    minimise: str
    minutes: float | None
    is_complete: bool
    """false where the time ended before all that could be better was tried"""
    metric: str | None
    """the task's, whose score stands beside each option"""
    formats: tuple[Format, ...]
    options: tuple[Tried, ...]
    recommendations: tuple[Recommendation, ...]
    cost: Cost

    def list_variants(self) -> tuple[str, ...]:
        """The bundles to be packaged: what is recommended, and where nothing is what comes nearest; each once."""
        named = (one.variant or one.nearest for one in self.recommendations)
        return tuple(dict.fromkeys(name for name in named if name is not None))
