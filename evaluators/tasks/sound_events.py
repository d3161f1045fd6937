"""Which sounds begin and end when, any number at once: sound event detection."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.text import shorten
from evaluators.comparing.drawn import DrawnClips, Pairs
from evaluators.comparing.matching import count_matches
from evaluators.comparing.psds import THRESHOLDS, ClipCounts, Counts, Psds, PsdsRules, count_clip
from evaluators.decoding.activations import FrameOptions, Frames, SegmentRules, Segments, find_segments, read_frames
from evaluators.decoding.outputs import check_probabilities
from evaluators.errors import EvaluationError
from evaluators.label_columns import END, EVENT, START, LabelColumns
from evaluators.labels import ClassNames, are_numbers, check_column, find_class, find_place_fault, read_rows, show
from evaluators.picture_records import Pictures, Span
from evaluators.score import Direction
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

SEGMENT_S = 1.0

Floats = npt.NDArray[np.float64]

_FORM = "[start_s, end_s, class]"
_ROUNDING_S = 1e-6
"""less of an event than that is none"""
_MOST_DRAWN = 10_000
_DRAWN_S = 0.1

_AGREEMENT = "agreement_event_f1"
_EVENTS = (
    "an event is found when one of its class starts within 200 ms, and ends within 200 ms or a fifth of its length if "
    "that is more"
)
_SEGMENTS = "counted in segments of 1 s, in each of which a class is there or not"
_OVER = "mean over the classes that are labelled somewhere"
_NUMBERS: tuple[tuple[str, Direction, str], ...] = (
    ("event_macro_f1", "higher", f"Harmonic mean of precision and recall of events, {_OVER}; {_EVENTS}."),
    ("event_micro_f1", "higher", f"Harmonic mean of precision and recall of events; {_EVENTS}."),
    ("event_micro_precision", "higher", f"Share of the events found that are right; {_EVENTS}."),
    ("event_micro_recall", "higher", f"Share of the labelled events that are found; {_EVENTS}."),
    ("segment_macro_f1", "higher", f"Harmonic mean of precision and recall, {_OVER}, {_SEGMENTS}."),
    ("segment_micro_f1", "higher", f"Harmonic mean of precision and recall, {_SEGMENTS}."),
    ("segment_micro_precision", "higher", f"Share of what is found that is right, {_SEGMENTS}."),
    ("segment_micro_recall", "higher", f"Share of what is labelled that is found, {_SEGMENTS}."),
    ("segment_macro_error_rate", "lower", f"Missed and false over labelled, {_OVER}, {_SEGMENTS}; it may exceed 1."),
    (
        "segment_micro_error_rate",
        "lower",
        f"Substituted, missed and false over labelled, {_SEGMENTS}; it may exceed 1.",
    ),
)
_METRICS = {
    **{name: Metric("ratio", way, words, scope="dataset") for name, way, words in _NUMBERS},
    "event_errors": Metric("errors", "lower", f"Missed and false events of a clip; {_EVENTS}."),
}
_PSDS = Metric(
    "ratio",
    "higher",
    "Polyphonic sound detection score: area under the curve of events found over false ones an hour, at 50 thresholds.",
    scope="dataset",
)


class SoundEventsOptions(FrameOptions):
    """What the output's columns are, and how events are made of probabilities."""

    classes: ClassNames = ()
    """the names of the output's columns, in their order; by default labels are numbers of columns, from 0"""
    onset_threshold: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.5
    """an event begins with the first frame that reaches it"""
    offset_threshold: Annotated[float, pydantic.Field(gt=0, lt=1)] | None = None
    """and ends with the first frame below it; by default the same"""
    minimum_event_ms: Annotated[float, pydantic.Field(ge=0, le=60_000)] = 0.0
    """shorter events are left out"""
    minimum_gap_ms: Annotated[float, pydantic.Field(ge=0, le=60_000)] = 0.0
    """shorter gaps between events of one class are closed"""
    psds: Psds | None = None
    """the score over many thresholds too: one of DCASE's scenarios, or what counts as found and what errors cost"""

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> SoundEventsOptions:
        if self.offset_threshold is not None and self.offset_threshold > self.onset_threshold:
            raise ValueError(
                f"offset_threshold {self.offset_threshold:g} must not be above onset_threshold {self.onset_threshold:g}"
            )
        return self

    @property
    def rules(self) -> SegmentRules:
        """When an event begins and ends."""
        ends = self.onset_threshold if self.offset_threshold is None else self.offset_threshold
        return SegmentRules(
            onset_threshold=self.onset_threshold,
            offset_threshold=ends,
            minimum_length_s=self.minimum_event_ms / 1000,
            minimum_gap_s=self.minimum_gap_ms / 1000,
        )


@dataclass(frozen=True, eq=False)
class Events:
    """Sound events, as labels or as an estimate."""

    by_class: Mapping[int, Segments]
    """of each column that has any, in order, none over another"""
    columns: int
    """of the output; of labels, as many as they name"""
    duration_s: float | None = None
    """of the clip; the labels know it"""
    points: tuple[Mapping[int, Segments], ...] = ()
    """of an estimate whose PSDS is asked for: what is found at each of its thresholds"""


class SoundEvents(Task):
    """Sound events from the output `events`: the probability of each class, `(frames, classes)`.

    Labels are rows `[start_s, end_s, class]` in any order; events of one class do not overlap, those of different ones
    may. An estimate is made with two thresholds and least lengths of events and gaps, class by class.

    All metrics but `event_errors` are of the whole dataset: events and segments are added up over all clips before they
    are divided. Source: Mesaros, Heittola and Virtanen, "Metrics for Polyphonic Sound Event Detection", Applied
    Sciences 6(6), 2016, as sed_eval 0.2.1 computes them, with an offset collar of a fifth of the length and empty
    output counted as 0, as DCASE has it.

    - Event-based: `count_matches`, class by class. Micro adds up all classes, macro is the mean over classes.
    - Segment-based: a class is there in a segment of 1 s that any of its events reaches into. In the micro error rate,
      a missed and a false class of one segment are one substitution; within a class there is none.

    Classes without a label are left out of macro means, where sed_eval leaves them out of F1 alone and divides their
    errors by next to nothing; what is found of them counts in the micro numbers. Where nothing is labelled, recall,
    macro means and error rates have no value, and micro F1 and precision are 0 if something is found. Where nothing is
    found, precision has no value, and F1 and recall are 0.

    With the option `psds`, `psds` is the polyphonic sound detection score, see `evaluators/comparing/psds.py`. There,
    an event begins and ends at one threshold, 0.01 to 0.99 in 50 steps; least lengths and gaps hold as elsewhere.
    """

    Options = SoundEventsOptions
    column_option = "classes"
    label_keys = ("events",)
    label_columns = MappingProxyType({"events": LabelColumns((START, END, EVENT))})
    required_outputs = ("events",)
    agreements = MappingProxyType(
        {
            _AGREEMENT: Metric(
                "ratio",
                "higher",
                f"F1 of the bundle's events, with the source model's in the place of labels; {_EVENTS}.",
                tolerance=0.01,
            )
        }
    )
    libraries = ("mir_eval",)

    def __init__(self, options: SoundEventsOptions | None = None) -> None:
        """See `Task`."""
        super().__init__(options)
        self._columns = {name: column for column, name in enumerate(self.options.classes)}
        self._drawn = DrawnClips(_tally_clips)
        self.metrics = dict(_METRICS)
        self._psds_rules: PsdsRules | None = self.options.psds
        self._psds_drawn = DrawnClips(self._count_clips)
        if self._psds_rules is not None:
            self.metrics["psds"] = _PSDS

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> Events:
        """Read `events`, a list of `[start_s, end_s, class]`; see `Task.parse_labels`."""
        rows = read_rows(
            line["events"],
            lambda row, _: _find_fault(row, self._columns, clip.duration_s),
            key="events",
            form=_FORM,
            where=clip.where,
        )
        by_class: dict[int, list[tuple[float, float]]] = {}
        for start_s, end_s, value in rows:
            by_class.setdefault(int(find_class(value, self._columns)), []).append((float(start_s), float(end_s)))
        faults = [
            f"{clip.where}: events: {start_s} s to {end_s} s and {earlier[0]} s to {earlier[1]} s of class "
            f"{self._name(column)} overlap; right is one event where a class goes on"
            for column, found in by_class.items()
            for earlier, (start_s, end_s) in _find_overlaps(found)
        ]
        if faults:
            raise EvaluationError("\n".join(faults))
        return Events(
            {column: tuple(sorted(by_class[column])) for column in sorted(by_class)},
            len(self._columns) or max(by_class, default=-1) + 1,
            clip.duration_s,
        )

    def decode(self, outputs: Mapping[str, Stitched]) -> Events:
        """Find the events of each class. See `Task.decode`."""
        frames = read_frames(outputs, "events", self.options, task="sound event detection")
        columns = frames.values.shape[1]
        if self._columns and columns != len(self._columns):
            raise EvaluationError(
                f"output 'events' has {columns} columns where task.options.classes names {len(self._columns)}"
            )
        check_probabilities(frames.values, "events")
        points: tuple[Mapping[int, Segments], ...] = ()
        if self._psds_rules is not None:
            points = tuple(_find_events(frames, self.options.rules.at(threshold)) for threshold in THRESHOLDS)
        return Events(_find_events(frames, self.options.rules), columns, points=points)

    def score(self, labels: Events, estimate: Events) -> Found:
        """How many errors a clip has.

        Raises:
            EvaluationError: A label names a column that the output has not.
        """
        check_column(max(labels.by_class, default=-1), estimate.columns, "events")
        labelled, found, right = tally_events(labels, estimate)[:, :3].sum(axis=0)
        return {"event_errors": float(labelled + found - 2 * right)}

    def score_dataset(self, pairs: Sequence[tuple[Events, Events]]) -> Found:
        """Score all clips at once; empty sides as the class says."""
        tallies, counts = self._drawn.count(pairs)
        whole = np.tensordot(tallies, counts, axes=([0], [0]))
        events, segments, shared = whole[:, :3], whole[:, 3:6], whole[:, 6:].sum(axis=0)
        scores: dict[str, float | Absent] = {}
        for name, counted in (("event", events), ("segment", segments)):
            labelled, found, right = counted.sum(axis=0)
            none, neither = Absent("no labelled event"), Absent("no event is labelled, and none was found")
            named = counted[counted[:, 0] > 0]
            scores |= {
                f"{name}_macro_f1": float((2 * named[:, 2] / named[:, :2].sum(axis=1)).mean()) if len(named) else none,
                f"{name}_micro_f1": _divide(2 * right, labelled + found, neither),
                f"{name}_micro_precision": _divide(right, found, Absent("no event was found") if labelled else neither),
                f"{name}_micro_recall": _divide(right, labelled, none if found else neither),
            }
        named = segments[segments[:, 0] > 0]
        errors = named[:, 0] + named[:, 1] - 2 * named[:, 2]
        scores["segment_macro_error_rate"] = float((errors / named[:, 0]).mean()) if len(named) else none
        scores["segment_micro_error_rate"] = _divide(shared[0], segments[:, 0].sum(), none)
        if self._psds_rules is not None:
            scores["psds"] = self._score_points(pairs, self._psds_rules)
        return scores

    def _score_points(self, pairs: Pairs, rules: PsdsRules) -> float | Absent:
        counts, drawn = self._psds_drawn.count(pairs)
        return counts.score(drawn, rules)

    def _count_clips(self, pairs: Pairs) -> Counts:
        assert self._psds_rules is not None
        return Counts([_count_clip(labels, estimate, self._psds_rules) for labels, estimate in pairs])

    def agree(self, clip: SideBySide) -> Found:
        """The source's events are the labels; no value where neither has any."""
        theirs = Events(
            {column: tuple(_cut(segments, clip.duration_s)) for column, segments in clip.source.by_class.items()},
            clip.source.columns,
            clip.duration_s,
        )
        labelled, found, right = tally_events(theirs, clip.estimate)[:, :3].sum(axis=0)
        neither = Absent("neither the source nor the bundle finds an event")
        return {_AGREEMENT: _divide(2 * right, labelled + found, neither)}

    def draw(self, labels_or_estimate: Events) -> Pictures:
        """Each event as a bar."""
        drawn = sorted(
            # An event without an end is that of a clip's only frame, and nothing here tells how long the clip is.
            (start_s, end_s if math.isfinite(end_s) else start_s + _DRAWN_S, column)
            for column, segments in labels_or_estimate.by_class.items()
            for start_s, end_s in segments
        )
        return Pictures(
            spans=tuple(
                Span(start_s=start_s, end_s=end_s, label=self._name(column))
                for start_s, end_s, column in drawn[:_MOST_DRAWN]
            )
        )

    def _name(self, column: int) -> str:
        return shorten(self.options.classes[column]) if self._columns else str(column)


def _find_events(frames: Frames, rules: SegmentRules) -> dict[int, Segments]:
    found = {column: find_segments(frames.values[:, column], frames, rules) for column in range(frames.values.shape[1])}
    return {column: segments for column, segments in found.items() if segments}


def _count_clip(labels: Events, estimate: Events, rules: PsdsRules) -> ClipCounts:
    duration_s = labels.duration_s
    assert duration_s is not None, "labels know the clip's length"
    points = [
        {column: tuple(_cut(segments, duration_s)) for column, segments in point.items()} for point in estimate.points
    ]
    return count_clip(labels.by_class, duration_s, points, estimate.columns, rules)


def _tally_clips(pairs: Pairs) -> Floats:
    """What each clip adds to the sums: `(clips, classes, 7)`, see `tally_events`."""
    return np.stack([tally_events(labels, estimate) for labels, estimate in pairs])


def tally_events(labels: Events, estimate: Events) -> Floats:
    """Compare one clip's events; those of the estimate count only within the clip.

    Returns:
        `(classes, 7)`: events labelled, found and matched; segments labelled, found and both; and in the first row
        alone, the errors of all classes together, substitutions counted once.
    """
    assert labels.duration_s is not None, "labels know the clip's length"
    tally = np.zeros((estimate.columns, 7))
    rolls = np.zeros((2, estimate.columns, math.ceil(labels.duration_s / SEGMENT_S)), np.bool_)
    for column in sorted({*labels.by_class, *estimate.by_class}):
        labelled = labels.by_class.get(column, ())
        found = tuple(_cut(estimate.by_class.get(column, ()), labels.duration_s))
        tally[column, :3] = len(labelled), len(found), count_matches(labelled, found)
        for roll, segments in zip(rolls[:, column], (labelled, found), strict=True):
            for start_s, end_s in segments:
                first, after = (start_s + _ROUNDING_S) / SEGMENT_S, (end_s - _ROUNDING_S) / SEGMENT_S
                roll[math.floor(first) : math.ceil(after)] = True
    labelled_in, found_in = rolls.sum(axis=1)
    both_in = (rolls[0] & rolls[1]).sum(axis=1)
    tally[:, 3:6] = np.stack([rolls[0].sum(axis=1), rolls[1].sum(axis=1), both_in], axis=1)
    # Of a segment's missed and false classes as many as there are pairs are substitutions: one error, not two.
    right = (rolls[0] & rolls[1]).sum(axis=0)
    tally[:1, 6] = (np.maximum(labelled_in, found_in) - right).sum()
    return tally


def _cut(segments: Segments, duration_s: float) -> Iterable[tuple[float, float]]:
    for start_s, end_s in segments:
        within = max(start_s, 0.0), min(end_s, duration_s)
        if within[1] - within[0] > _ROUNDING_S:
            yield within


def _divide(part: float, whole: float, otherwise: Absent) -> float | Absent:
    return float(part / whole) if whole else otherwise


def _find_overlaps(events: Iterable[tuple[float, float]]) -> Iterable[tuple[tuple[float, float], tuple[float, float]]]:
    last: tuple[float, float] | None = None
    for event in sorted(events):
        if last is not None and event[0] < last[1]:
            yield last, event
        last = event if last is None or event[1] > last[1] else last


def _find_fault(row: Any, columns: Mapping[str, int], duration_s: float) -> str | None:
    if not isinstance(row, list) or len(row) != 3 or not are_numbers(row[:2], 2):
        return f"must be {_FORM}; found {show(row)}"
    start_s, end_s, value = row
    column = find_class(value, columns)
    if isinstance(column, str):
        return column
    fault = find_place_fault(start_s, end_s, duration_s)
    if fault:
        return fault
    return None if end_s > start_s else f"end {end_s} s must come after start {start_s} s"


TASK = SoundEvents
