"""Which chord sounds when, scored as chord recognition is."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.text import shorten
from evaluators.decoding.activations import FrameOptions, read_frames
from evaluators.errors import EvaluationError
from evaluators.label_columns import END, START, Column, LabelColumns
from evaluators.labels import are_numbers, find_place_fault, read_rows, show
from evaluators.picture_records import Pictures, Span
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

ROOTS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
CLASSES = (*(f"{root}:maj" for root in ROOTS), *(f"{root}:min" for root in ROOTS), "N")

_FORM = "[start_s, end_s, chord]"
_RIGHT = (
    "a chord in Harte's writing, for example 'C:maj', 'F#:min7', 'Bb:7/3', N where there is none, X where it is unknown"
)
_LONGEST_NAME = 60
_ROUNDING_S = 1e-3
"""by which one label may overlap the next: times are written with few digits"""
_MOST_DRAWN = 10_000

_OVER = "share of the labelled time, but that of labels it has no rule for"
_COMPARED = {
    "majmin": "root and major or minor third are right",
    "root": "the root is right",
    "mirex": "three notes or more are right",
    "thirds": "root and third are right",
    "triads": "root, third and fifth are right",
    "sevenths": "root, triad and seventh are right, of major, minor and their sevenths",
    "tetrads": "root and all notes within the octave are right",
    "majmin_inv": "root, major or minor third and bass are right",
    "sevenths_inv": "as sevenths, with the bass",
}
"""mir_eval's rules, by what each says of a chord"""
_METRICS = {
    **{
        f"chord_{rule}": Metric("ratio", "higher", f"Time in which {words}: {_OVER}.")
        for rule, words in _COMPARED.items()
    },
    "chord_overseg": Metric("ratio", "higher", "How little labelled chords are cut up in the estimate: 1 not at all."),
    "chord_underseg": Metric(
        "ratio", "higher", "How little labelled chords run together in the estimate: 1 not at all."
    ),
    "chord_seg": Metric("ratio", "higher", "The lesser of chord_overseg and chord_underseg."),
}
_AGREEMENT = "agreement_chord_time"


class ChordOptions(FrameOptions):
    """What the output's columns stand for."""

    classes: Annotated[tuple[str, ...], pydantic.Field(min_length=2, max_length=10_000)] = CLASSES
    """a chord each, in their order, in the labels' writing"""

    @pydantic.field_validator("classes")
    @classmethod
    def _are_chords(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        strange = [name for name in classes if not is_chord(name)]
        if strange:
            raise ValueError(f"{shorten(repr(strange[0]))} is no chord; right is {_RIGHT}")
        if len(set(classes)) < len(classes):
            twice = next(name for name in classes if classes.count(name) > 1)
            raise ValueError(f"names {twice} more than once; right is a chord a column")
        return classes


class Chord(NamedTuple):
    """A chord that sounds for a while."""

    start_s: float
    end_s: float
    name: str


class Chords(Task):
    """Chords from the output `chords`: one score a class, `(frames, classes)`; the highest is the frame's chord.

    Of equal scores the first class counts, and whether scores are probabilities makes no difference. Labels are rows
    `[start_s, end_s, chord]` in order, none over another, in Harte's writing. Time without a label is not scored: it is
    taken as `X`, an unknown chord. Where no chord sounds the label is `N`.

    All metrics are those of `mir_eval.chord.evaluate`, from the first label's start to the last one's end. Source:
    Pauwels and Peeters, "Evaluating automatically estimated chord sequences", ICASSP 2013, and Harte, "Towards
    automatic extraction of harmony information from music signals", PhD thesis, Queen Mary University of London, 2010,
    for over- and under-segmentation. What a rule has no word for, for example a suspended chord for major and minor,
    is left out on the labels' side.

    Without labels no metric has a value. Where a rule can compare no label of a clip, mir_eval warns and says 0; here
    the metric has no value. An estimate without a frame is `N` throughout.
    """

    Options = ChordOptions
    column_option = "classes"
    label_keys = ("chords",)
    label_columns = MappingProxyType({"chords": LabelColumns((START, END, Column(("chord", "label"), "word")))})
    required_outputs = ("chords",)
    metrics = MappingProxyType(_METRICS)
    agreements = MappingProxyType(
        {
            _AGREEMENT: Metric(
                "ratio",
                "higher",
                "Share of the clip's time in which bundle and source model name the same chord.",
                tolerance=0.01,
            )
        }
    )
    libraries = ("mir_eval",)

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> tuple[Chord, ...]:
        """Read `chords`, a list of `[start_s, end_s, chord]` in order; see `Task.parse_labels`."""
        rows = read_rows(
            line["chords"],
            lambda row, earlier: _find_fault(row, earlier, clip.duration_s),
            key="chords",
            form=_FORM,
            where=clip.where,
        )
        labels: list[Chord] = []
        for start_s, end_s, name in rows:
            begins_s = max(float(start_s), labels[-1].end_s) if labels else float(start_s)
            labels.append(Chord(begins_s, float(end_s), name))
        return tuple(labels)

    def decode(self, outputs: Mapping[str, Stitched]) -> tuple[Chord, ...]:
        """The chord of each frame, those that follow each other alike as one. See `Task.decode`.

        A frame stands for the time from its own to the next one's, and the only one for all that follows.
        """
        frames = read_frames(outputs, "chords", self.options, task="chord recognition")
        classes = self.options.classes
        if frames.values.shape[1] != len(classes):
            raise EvaluationError(
                f"output 'chords' has {frames.values.shape[1]} columns where task.options.classes names "
                f"{len(classes)} chords"
            )
        if not len(frames.times_s):
            return ()
        best = frames.values.argmax(axis=1)
        starts = np.flatnonzero(np.concatenate([[True], best[1:] != best[:-1]]))
        edges_s = [*frames.times_s[starts].tolist(), float(frames.times_s[-1]) + (frames.step_s or math.inf)]
        return tuple(
            Chord(edges_s[place], edges_s[place + 1], classes[int(best[start])]) for place, start in enumerate(starts)
        )

    def score(self, labels: Sequence[Chord], estimate: Sequence[Chord]) -> Found:
        """Score one clip; empty sides as the class says."""
        if not labels:
            return dict.fromkeys(self.metrics, Absent("no labelled chord"))
        import mir_eval.chord
        import mir_eval.util

        labels = _fill_gaps(labels)
        reference, names = _arrays(labels)
        found, found_names = _arrays(_fit(estimate, labels[0].start_s, labels[-1].end_s))
        merged = mir_eval.chord.merge_chord_intervals(reference, names)
        found_merged = mir_eval.chord.merge_chord_intervals(found, found_names)
        intervals, names, found_names = mir_eval.util.merge_labeled_intervals(reference, names, found, found_names)
        durations_s = mir_eval.util.intervals_to_durations(intervals)
        scores: dict[str, float | Absent] = {}
        for rule in _COMPARED:
            right = getattr(mir_eval.chord, rule)(names, found_names)
            scores[f"chord_{rule}"] = (
                float(mir_eval.chord.weighted_accuracy(right, durations_s))
                if (right >= 0).any()
                else Absent("the clip's labels have no chord that this rule compares")
            )
        over = float(mir_eval.chord.overseg(merged, found_merged))
        under = float(mir_eval.chord.underseg(merged, found_merged))
        return {**scores, "chord_overseg": over, "chord_underseg": under, "chord_seg": min(over, under)}

    def agree(self, clip: SideBySide) -> Found:
        """The chords' names are compared; time of which a side says nothing has no chord."""
        import mir_eval.util

        theirs, ours = (_arrays(_fit(side, 0.0, clip.duration_s)) for side in (clip.source, clip.estimate))
        intervals, names, others = mir_eval.util.merge_labeled_intervals(*theirs, *ours)
        same = np.array([name == other for name, other in zip(names, others, strict=True)])
        return {_AGREEMENT: float(same @ mir_eval.util.intervals_to_durations(intervals) / clip.duration_s)}

    def draw(self, labels_or_estimate: Sequence[Chord]) -> Pictures:
        """Each chord as a bar."""
        chords = labels_or_estimate[:_MOST_DRAWN]
        # A chord without an end is that of a clip's only frame, and nothing here tells how long the clip is.
        drawn = (one if math.isfinite(one.end_s) else one._replace(end_s=one.start_s) for one in chords)
        return Pictures(spans=tuple(Span(start_s=one.start_s, end_s=one.end_s, label=one.name) for one in drawn))


@functools.lru_cache(maxsize=10_000)
def is_chord(text: str) -> bool:
    """Whether mir_eval reads it as a chord, and can hold it against others."""
    import mir_eval.chord

    if len(text) > _LONGEST_NAME:
        return False
    try:
        mir_eval.chord.encode(text)
        # What is compared is read so; it knows more writings than plain encoding, and may fail where that does not.
        mir_eval.chord.encode(text, reduce_extended_chords=True)
    except (mir_eval.chord.InvalidChordException, ValueError, KeyError):
        return False
    return True


def _fill_gaps(labels: Sequence[Chord]) -> list[Chord]:
    """Labels with an unknown chord wherever there is none between two."""
    filled: list[Chord] = []
    for label in labels:
        if filled and label.start_s > filled[-1].end_s:
            filled.append(Chord(filled[-1].end_s, label.start_s, "X"))
        filled.append(label)
    return filled


def _fit(estimate: Sequence[Chord], start_s: float, end_s: float) -> list[Chord]:
    """An estimate over the labels' time alone, with no chord where it says nothing."""
    within = [
        Chord(max(one.start_s, start_s), min(one.end_s, end_s), one.name)
        for one in estimate
        if min(one.end_s, end_s) > max(one.start_s, start_s)
    ]
    if not within:
        return [Chord(start_s, end_s, "N")]
    before = [Chord(start_s, within[0].start_s, "N")] if within[0].start_s > start_s else []
    after = [Chord(within[-1].end_s, end_s, "N")] if within[-1].end_s < end_s else []
    return [*before, *within, *after]


def _arrays(chords: Sequence[Chord]) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Intervals in seconds, `(chords, 2)`, and names, as mir_eval takes them."""
    return np.array([one[:2] for one in chords], np.float64), [one.name for one in chords]


def _find_fault(row: Any, earlier: Sequence[Any], duration_s: float) -> str | None:
    if not isinstance(row, list) or len(row) != 3 or not are_numbers(row[:2], 2):
        return f"must be {_FORM}; found {show(row)}"
    start_s, end_s, name = row
    if not isinstance(name, str) or not is_chord(name):
        return f"must name {_RIGHT}; found {show(name)}"
    fault = find_place_fault(start_s, end_s, duration_s)
    if fault:
        return fault
    if end_s <= start_s:
        return f"end {end_s} s must come after start {start_s} s"
    if earlier and (start_s < earlier[-1][1] - _ROUNDING_S or end_s <= earlier[-1][1]):
        return f"{start_s} s to {end_s} s overlaps the chord before it, {earlier[-1][0]} s to {earlier[-1][1]} s"
    return None


TASK = Chords
