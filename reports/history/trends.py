"""Every number of a history as a trend: its values in the order of the runs, and where it steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from device_profiles.record import Record
from evaluators.score import Basis, Direction
from reports.history.runs import BundleLine, MetricLine, Run
from reports.history.steps import Level, find_levels

SOURCE = "the source model"

_Place = tuple[str, str, str, str, str]
"""model, bundle, phone, metric, machine; empty where it is not of one"""


class Point(Record):
    """A number of one run."""

    run: int
    """the run's place in the history, from 0"""
    value: float
    low: float | None = None
    high: float | None = None


class Step(Record):
    """From one run on, a number lies on another level."""

    at: int
    """the first run of the new level, by its place in the history"""
    after_run: int
    """the last run of the old level; between the two is the change"""
    commit: str | None
    """of the first run of the new level"""
    before: float
    """the median of the old level's runs"""
    after: float
    change: float | None
    """as a share of the level before; none where that is 0"""
    state: Literal["worse", "better"]
    p_value: float | None
    """adjusted over all numbers of the report; none where the number repeats from run to run: no chance is in it"""
    within_intervals: bool
    """whether it is smaller than the runs' own intervals are wide: a change on these clips, or of this prediction, and
    maybe none on others"""
    changed_too: tuple[str, ...]
    """what else is not as in the run before: clips, machine, versions"""


class Trend(Record):
    """One number over the runs that have it."""

    model: str
    bundle: str
    """`SOURCE` for the source model"""
    phone: str | None
    """profile identifier"""
    phone_name: str | None
    metric: str
    machine: str | None
    """of a number that another machine gives otherwise: which; its runs on each machine are a trend of their own"""
    unit: str
    direction: Direction
    basis: Basis
    confidence: float | None
    points: tuple[Point, ...]
    steps: tuple[Step, ...]


class History(Record):
    """All that a history report shows."""

    runs: tuple[Run, ...]
    """in the order of time"""
    trends: tuple[Trend, ...]
    left_out: tuple[str, ...] = ()
    """files that could not be read, and why"""

    @property
    def found(self) -> list[tuple[Trend, Step]]:
        """All steps: what became worse first, the latest first."""
        pairs = [(trend, step) for trend in self.trends for step in trend.steps]
        return sorted(pairs, key=lambda pair: (pair[1].state != "worse", -pair[1].at, -abs(pair[1].change or 1e9)))


@dataclass
class _Series:
    """A trend while it is gathered."""

    metric: MetricLine
    points: list[Point]


def find_trends(runs: Sequence[Run], left_out: Sequence[str] = ()) -> History:
    """The trends of runs, which may be of several models, and their steps.

    Args:
        runs: In any order, each once.
        left_out: What could not be read.
    """
    ordered = sorted(runs, key=lambda run: run.order)
    gathered: dict[_Place, _Series] = {}
    for number, run in enumerate(ordered):
        for place, metric, point in _list_points(number, run):
            gathered.setdefault(place, _Series(metric, [])).points.append(point)
    found = find_levels(
        [([point.value for point in one.points], _is_computed(one.metric)) for one in gathered.values()]
    )
    trends = [
        _make_trend(place, one, levels, ordered) for (place, one), levels in zip(gathered.items(), found, strict=True)
    ]
    return History(runs=tuple(ordered), trends=tuple(trends), left_out=tuple(left_out))


def _list_points(number: int, run: Run) -> Iterator[tuple[_Place, MetricLine, Point]]:
    lines: list[tuple[str, BundleLine]] = [(SOURCE, run.source), *run.bundles.items()]
    for bundle, line in lines:
        for phone, named in (("", line.scores), *line.phones.items()):
            for name, numbers in named.items():
                metric = run.metrics[name]
                machine = run.machine if metric.machine_bound else ""
                low, high = numbers[1:] or (None, None)
                point = Point(run=number, value=numbers[0], low=low, high=high)
                yield (run.model, bundle, phone, name, machine), metric, point


def _is_computed(metric: MetricLine) -> bool:
    """Whether the same commit gives the same number: it was neither timed here nor on a phone."""
    return not metric.machine_bound and metric.basis != "measured_device"


def _make_trend(place: _Place, one: _Series, levels: Sequence[Level], runs: Sequence[Run]) -> Trend:
    model, bundle, phone, metric, machine = place
    return Trend(
        model=model,
        bundle=bundle,
        phone=phone or None,
        phone_name=runs[one.points[-1].run].phones.get(phone, phone) or None,
        metric=metric,
        machine=machine or None,
        unit=one.metric.unit,
        direction=one.metric.direction,
        basis=one.metric.basis,
        confidence=one.metric.confidence,
        points=tuple(one.points),
        steps=tuple(_make_step(level, one, runs) for level in levels),
    )


def _make_step(level: Level, one: _Series, runs: Sequence[Run]) -> Step:
    last, first = one.points[level.at - 1].run, one.points[level.at].run
    rises = level.after > level.before
    return Step(
        at=first,
        after_run=last,
        commit=runs[first].commit,
        before=level.before,
        after=level.after,
        change=(level.after - level.before) / abs(level.before) if level.before else None,
        state="better" if rises == (one.metric.direction == "higher") else "worse",
        p_value=level.p_value,
        within_intervals=_is_within(level, one.points[level.at - 1], one.points[level.at]),
        changed_too=tuple(_list_changed(runs[last], runs[first])),
    )


def _is_within(level: Level, before: Point, after: Point) -> bool:
    ends = (before.low, before.high, after.low, after.high)
    if any(end is None for end in ends):
        return False
    low, high, next_low, next_high = (end or 0.0 for end in ends)
    return low <= level.after <= high and next_low <= level.before <= next_high


def _list_changed(before: Run, after: Run) -> Iterator[str]:
    if before.dataset_sha256 != after.dataset_sha256:
        yield "other clips"
    if before.machine != after.machine:
        yield "another machine"
    if before.testpress_version != after.testpress_version:
        yield f"testpress {before.testpress_version} → {after.testpress_version}"
    if before.model_version != after.model_version:
        yield f"model version {before.model_version} → {after.model_version}"
    recipes = [None if run.identity is None else run.identity.recipe_sha256 for run in (before, after)]
    if None not in recipes and recipes[0] != recipes[1]:
        yield "the recipe"
