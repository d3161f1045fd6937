"""PSDS, the polyphonic sound detection score: sound events found at many thresholds, in one number.

Source: Bilen et al., "A Framework for the Robust Evaluation of Sound Event Detection", ICASSP 2020, as psds_eval 0.5.3
computes it. That package is not used: it fails with pandas from 3 on, and an interval asks for the score a thousand
times, each of which takes it about a second (`tests/evaluators/comparing/psds_eval_numbers.py`). Here, what each clip
adds is counted once, and a draw of clips only adds up. Of one class alone, of which psds_eval says 0 whatever is found,
there are no cross-triggers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.record import Record, suggest
from evaluators.decoding.activations import Segments
from evaluators.task import Absent

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
ByClass = Mapping[int, Segments]
"""of each column that has any, start and end in seconds, in order"""

POINTS = 50
THRESHOLDS = tuple(float(threshold) for threshold in (np.arange(POINTS) + 0.5) / POINTS)
"""the operating points, 0.01 to 0.99. Source: the baseline of DCASE's task 4 since 2021"""
_HOUR_S = 3600

_Share = Annotated[float, pydantic.Field(gt=0, le=1)]


class PsdsRules(Record):
    """What counts as found, and what errors cost."""

    dtc: _Share = 0.5
    """detection tolerance: the share of a detection that events of its class must cover, or it is a false positive"""
    gtc: _Share = 0.5
    """ground truth intersection: the share of an event that such detections must cover, for it to be found"""
    cttc: _Share = 0.3
    """cross-trigger tolerance: the share of a false positive that events of another class must cover"""
    alpha_ct: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.0
    """what a cross-trigger costs beside a false positive"""
    alpha_st: Annotated[float, pydantic.Field(ge=0, le=100)] = 0.0
    """what the spread between classes costs"""
    max_efpr: Annotated[float, pydantic.Field(gt=0, le=1_000_000)] = 100.0
    """the effective false positives an hour up to which the curve counts"""


SCENARIOS: Mapping[str, PsdsRules] = {
    "dcase_scenario1": PsdsRules(dtc=0.7, gtc=0.7, alpha_st=1.0),
    "dcase_scenario2": PsdsRules(dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5, alpha_st=1.0),
}
"""of DCASE's task 4, 2021 to 2023: in the first it counts where an event is, in the second which class it is of"""


def _find_scenario(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in SCENARIOS:
        raise ValueError(f"no scenario {value!r}{suggest(value, SCENARIOS) or _RIGHT}")
    return SCENARIOS[value]


_RIGHT = f"; right is {', '.join(SCENARIOS)} or a table"
Psds = Annotated[PsdsRules, pydantic.BeforeValidator(_find_scenario)]
"""as a recipe says it: a scenario's name, or a table"""


@dataclass(frozen=True, eq=False)
class ClipCounts:
    """What one clip adds. A cell is a point and a class: `point * classes + class`."""

    labelled: Floats
    """`(classes,)`: events"""
    lasting_s: Floats
    """`(classes,)`: their time"""
    duration_s: float
    """of the clip"""
    right: Places
    """the cell of each event found"""
    false: Places
    """the cell of each false positive"""
    crossed: Places
    """`(cross-triggers, 2)`: the cell of the detection, and the class of the events"""


def count_clip(
    labels: ByClass, duration_s: float, points: Sequence[ByClass], classes: int, rules: PsdsRules
) -> ClipCounts:
    """Hold what is found in a clip at each operating point against its events.

    Args:
        labels: The events; none of a class over another.
        duration_s: The clip's length.
        points: What is found, within the clip, at each operating point.
        classes: How many there are.
        rules: What counts as found.
    """
    events = _flatten(labels)
    right, false = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    crossed = [np.zeros((0, 2), np.int64)]
    for point, found in enumerate(points):
        first = point * classes
        hit, missed, other = _match(events, _flatten(found), classes, rules)
        right.append(first + hit)
        false.append(first + missed)
        crossed.append(other + np.array([first, 0]))
    column = events[:, 2].astype(np.int64)
    return ClipCounts(
        labelled=np.bincount(column, minlength=classes).astype(np.float64),
        lasting_s=np.bincount(column, events[:, 1] - events[:, 0], minlength=classes).astype(np.float64),
        duration_s=duration_s,
        right=np.concatenate(right),
        false=np.concatenate(false),
        crossed=np.concatenate(crossed),
    )


def _flatten(by_class: ByClass) -> Floats:
    """`(events, 3)`: start, end, class."""
    rows = [(*segment, column) for column, segments in by_class.items() for segment in segments]
    return np.array(rows, np.float64).reshape(-1, 3)


def _match(events: Floats, found: Floats, classes: int, rules: PsdsRules) -> tuple[Places, Places, Places]:
    """The classes of the events found and of the false positives, and cross-triggers as pairs of classes."""
    starts_s = np.maximum(found[:, None, 0], events[None, :, 0])
    shared_s = np.maximum(np.minimum(found[:, None, 1], events[None, :, 1]) - starts_s, 0)
    same = found[:, None, 2] == events[None, :, 2]
    columns, event_columns = found[:, 2].astype(np.int64), events[:, 2].astype(np.int64)
    precision = shared_s / (found[:, 1] - found[:, 0])[:, None]
    kept = (precision * same).sum(axis=1) >= rules.dtc
    coverage = (shared_s * same)[kept].sum(axis=0) / (events[:, 1] - events[:, 0])
    covered = np.zeros((len(found), classes))
    np.add.at(covered.T, event_columns, precision.T)
    covered[np.arange(len(found)), columns] = 0
    detections, others = np.nonzero((covered >= rules.cttc) & ~kept[:, None])
    return event_columns[coverage >= rules.gtc], columns[~kept], np.stack([columns[detections], others], axis=1)


class Counts:
    """What all clips of a dataset add, to be added up for each draw of them."""

    def __init__(self, clips: Sequence[ClipCounts]) -> None:
        """`clips` have the same classes and operating points."""
        self._labelled = np.stack([clip.labelled for clip in clips])
        self._lasting_s = np.stack([clip.lasting_s for clip in clips])
        self._durations_s = np.array([clip.duration_s for clip in clips])
        self._right, self._false = (_join([getattr(clip, name) for clip in clips]) for name in ("right", "false"))
        self._crossed = _join([clip.crossed for clip in clips])

    def score(self, drawn: Floats, rules: PsdsRules) -> float | Absent:
        """The score of a draw; of classes that it has no event of, nothing counts.

        Args:
            drawn: `(clips,)`: how often it holds each.
            rules: What errors cost.
        """
        labelled = drawn @ self._labelled
        named = labelled > 0
        if not named.any():
            return Absent("no labelled event")
        right, false = (self._add(counted, drawn)[:, named] for counted in (self._right, self._false))
        found, errors_per_hour = right / labelled[named], _HOUR_S * false / (drawn @ self._durations_s)
        if rules.alpha_ct and named.sum() > 1:
            clips, cells = self._crossed
            # Cross-triggers are held against the time of the class that they cross, which a draw may not have.
            lasting_s = np.where(named, drawn @ self._lasting_s, np.inf)
            crossed = self._sum(cells[:, 0], drawn[clips] / lasting_s[cells[:, 1]])[:, named]
            errors_per_hour += rules.alpha_ct * _HOUR_S * crossed / (named.sum() - 1)
        return _measure_area(found, errors_per_hour, rules)

    def _add(self, counted: tuple[Places, Places], drawn: Floats) -> Floats:
        clips, cells = counted
        return self._sum(cells, drawn[clips])

    def _sum(self, cells: Places, weights: Floats) -> Floats:
        """`(points, classes)`."""
        classes = self._labelled.shape[1]
        sums: Floats = np.bincount(cells, weights, minlength=POINTS * classes).astype(np.float64)
        return sums.reshape(POINTS, classes)


def _join(places: Sequence[Places]) -> tuple[Places, Places]:
    """The clip of each row, and the rows."""
    return np.repeat(np.arange(len(places)), [len(each) for each in places]), np.concatenate(places)


def _measure_area(found: Floats, errors_per_hour: Floats, rules: PsdsRules) -> float:
    """The area under the curve of what is found over errors, as a share of what there may be.

    Args:
        found: `(points, classes)`: the share of events.
        errors_per_hour: The same shape.
        rules: What the spread between classes costs, and where the curve ends.
    """
    found, errors_per_hour = (np.pad(each, ((1, 0), (0, 0))) for each in (found, errors_per_hour))
    steps = np.unique(errors_per_hour)
    steps = steps[steps < rules.max_efpr]
    curves = np.stack(
        [_find_best(each, errors, steps) for each, errors in zip(found.T, errors_per_hour.T, strict=True)]
    )
    height = np.maximum(curves.mean(axis=0) - rules.alpha_st * curves.std(axis=0), 0)
    return float(np.diff(steps, append=rules.max_efpr) @ height / rules.max_efpr)


def _find_best(found: Floats, errors_per_hour: Floats, steps: Floats) -> Floats:
    """The most that is found of a class with no more errors than each step allows."""
    order = np.argsort(errors_per_hour)
    best = np.maximum.accumulate(found[order])
    return best[np.searchsorted(errors_per_hour[order], steps, side="right") - 1]
