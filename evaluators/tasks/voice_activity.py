"""When somebody speaks, scored by time and by stretch of speech."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import numpy as np
import pydantic

from evaluators.comparing.matching import count_matches
from evaluators.decoding.activations import (
    FrameOptions,
    SegmentRules,
    Segments,
    find_segments,
    pick_column,
    read_frames,
)
from evaluators.decoding.outputs import check_probabilities
from evaluators.labels import are_numbers, find_place_fault, read_rows, show
from evaluators.picture_records import Pictures, Span
from evaluators.score import Direction
from evaluators.task import Absent, ClipContext, Found, Metric, Task
from evaluators.windows import Stitched

_FORM = "[start_s, end_s]"
_ROUNDING_S = 1e-6
"""less time than that is none"""
_MOST_DRAWN = 10_000
_DRAWN_S = 0.1

_POOLED = "over the time of all clips together"
_SEGMENT_RULE = (
    "a stretch is found when one starts within 200 ms, and ends within 200 ms or a fifth of its length if that is more"
)


_TIMES: tuple[tuple[str, Direction, str], ...] = (
    ("speech_f1", "higher", "Harmonic mean of precision and recall of the time of speech"),
    ("speech_precision", "higher", "Share of the time found as speech that is speech"),
    ("speech_recall", "higher", "Share of the time of speech that is found"),
    ("speech_miss_rate", "lower", "Share of the time of speech that is not found"),
    ("speech_false_alarm_rate", "lower", "Share of the time without speech that is found as speech"),
    ("speech_detection_error_rate", "lower", "Missed and false time over the time of speech, which may exceed 1"),
)
_SEGMENTS = (
    ("f1", "Harmonic mean of precision and recall of stretches of speech"),
    ("precision", "Share of the stretches found that are right"),
    ("recall", "Share of the labelled stretches that are found"),
)
_METRICS = {
    "speech_error": Metric("ratio", "lower", "Share of the clip's time in which speech is missed or false."),
    **{name: Metric("ratio", way, f"{words}, {_POOLED}.", scope="dataset") for name, way, words in _TIMES},
    "speech_onset_delay_ms": Metric(
        "ms",
        "lower",
        "Median time from the start of a labelled stretch until speech is found, over the stretches of all clips in "
        "which it is found; 0 where it was found before.",
        scope="dataset",
    ),
    **{
        f"speech_segment_{name}": Metric("ratio", "higher", f"{words} of all clips; {_SEGMENT_RULE}.", scope="dataset")
        for name, words in _SEGMENTS
    },
}


class VoiceActivityOptions(FrameOptions):
    """How stretches of speech are made of probabilities; the defaults are Silero VAD's."""

    column: Annotated[int, pydantic.Field(ge=0, le=1000)] = 0
    """of an output with many values a frame, which one is speech"""
    onset_threshold: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.5
    """speech begins with the first frame that reaches it"""
    offset_threshold: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.35
    """and ends with the first frame below it"""
    minimum_speech_ms: Annotated[float, pydantic.Field(ge=0, le=60_000)] = 250.0
    """shorter stretches of speech are left out"""
    minimum_silence_ms: Annotated[float, pydantic.Field(ge=0, le=60_000)] = 100.0
    """shorter silences count as speech"""

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> VoiceActivityOptions:
        if self.offset_threshold > self.onset_threshold:
            raise ValueError(
                f"offset_threshold {self.offset_threshold:g} must not be above onset_threshold {self.onset_threshold:g}"
            )
        return self


@dataclass(frozen=True, eq=False)
class Speech:
    """Stretches of speech, as labels or as an estimate."""

    segments: Segments
    """in order, none touching another"""
    duration_s: float | None = None
    """of the clip; the labels know it"""


class Tally(NamedTuple):
    """What one clip adds to the sums over all."""

    hit_s: float
    missed_s: float
    false_s: float
    silence_s: float
    """without labelled speech"""
    labelled: int
    found: int
    matched: int
    """stretches that are found by start and end"""
    delays_s: tuple[float, ...]
    """of the labelled stretches in which speech is found"""


class VoiceActivity(Task):
    """Speech or none, from a probability: the output `speech`, one value a frame or a window, or one column of it.

    Labels are stretches `[start_s, end_s]` in any order. Those that touch or overlap are one, as in the field, where
    speech is what anybody says: two speakers at once are no fault (pyannote.core's `Timeline.support`). An estimate is
    stretches too, made with two thresholds and least lengths of speech and silence.

    Times are compared exactly and not on a grid, which is what counting frames comes to as they get shorter. All but
    `speech_error` is pooled over the dataset: seconds, or stretches, are added up over all clips before they are
    divided, so that clips of speech alone and of silence alone count too.

    - Precision, recall, miss rate, false alarm rate and detection error rate of time. Source: Bredin,
      "pyannote.metrics: a toolkit for reproducible evaluation, diagnostic, and error analysis of speaker diarization
      systems", Interspeech 2017, without a collar.
    - Onset delay: how long speech goes on before it is noticed. Source: front end clipping of Freeman, Cosier,
      Southcott and Boyd, "The voice activity detector for the Pan-European digital cellular mobile telephone service",
      ICASSP 1989, here in ms and as the median.
    - Stretches are matched one to one, see `count_matches`: event-based F1, as in sound event detection.

    Sides may be empty. Where no speech is labelled and none is found in any clip, only the errors over silence have a
    value. Without labelled speech, recall, miss rate, detection error rate and delay have none, and F1 and precision
    are 0 (all that was found is wrong); without found speech, precision and delay have none, and F1 and recall are 0
    (nothing was found); without silence the false alarm rate has none.
    """

    Options = VoiceActivityOptions
    label_keys = ("speech",)
    required_outputs = ("speech",)
    metrics = MappingProxyType(_METRICS)
    libraries = ("mir_eval",)

    def __init__(self, options: VoiceActivityOptions | None = None) -> None:
        super().__init__(options)
        # Intervals ask for the same clips a thousand times.
        self._tally = functools.cache(tally_speech)

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> Speech:
        """Read `speech`, a list of `[start_s, end_s]`; see `Task.parse_labels`."""
        rows = read_rows(
            line["speech"],
            lambda row, _: _find_fault(row, clip.duration_s),
            key="speech",
            form=_FORM,
            where=clip.where,
        )
        merged: list[tuple[float, float]] = []
        for start_s, end_s in sorted((float(row[0]), float(row[1])) for row in rows):
            if merged and start_s <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end_s, merged[-1][1]))
            else:
                merged.append((start_s, end_s))
        return Speech(tuple(merged), clip.duration_s)

    def decode(self, outputs: Mapping[str, Stitched]) -> Speech:
        """Find the stretches of speech. See `Task.decode`."""
        options = self.options
        frames = read_frames(outputs, "speech", options, task="voice activity detection")
        rules = SegmentRules(
            onset_threshold=options.onset_threshold,
            offset_threshold=options.offset_threshold,
            minimum_length_s=options.minimum_speech_ms / 1000,
            minimum_gap_s=options.minimum_silence_ms / 1000,
        )
        speech = pick_column(frames, options.column, "speech")
        check_probabilities(speech, "speech")
        return Speech(find_segments(speech, frames, rules))

    def score(self, labels: Speech, estimate: Speech) -> Found:
        """The share of the clip's time that is judged wrongly, which every clip has."""
        tally = self._tally(labels, estimate)
        return {"speech_error": (tally.missed_s + tally.false_s) / _duration_of(labels)}

    def score_dataset(self, pairs: Sequence[tuple[Speech, Speech]]) -> Found:
        """Score all clips at once; empty sides as the class says."""
        tallies = [self._tally(labels, estimate) for labels, estimate in pairs]
        hit_s, missed_s = sum(tally.hit_s for tally in tallies), sum(tally.missed_s for tally in tallies)
        false_s, silence_s = sum(tally.false_s for tally in tallies), sum(tally.silence_s for tally in tallies)
        labelled, found = sum(tally.labelled for tally in tallies), sum(tally.found for tally in tallies)
        matched = sum(tally.matched for tally in tallies)
        delays_s = [delay for tally in tallies for delay in tally.delays_s]
        speech_s = hit_s + missed_s
        no_speech, no_estimate = Absent("no labelled speech"), Absent("no speech was found")
        times = _score_counts(hit_s, speech_s, hit_s + false_s, (no_speech, no_estimate))
        segments = _score_counts(matched, labelled, found, (no_speech, no_estimate))
        return {
            **{f"speech_{name}": value for name, value in times.items()},
            "speech_miss_rate": _divide(missed_s, speech_s, no_speech),
            "speech_false_alarm_rate": _divide(false_s, silence_s, Absent("no time without labelled speech")),
            "speech_detection_error_rate": _divide(missed_s + false_s, speech_s, no_speech),
            "speech_onset_delay_ms": 1000 * float(np.median(delays_s)) if delays_s else _say_no_delay(labelled),
            **{f"speech_segment_{name}": value for name, value in segments.items()},
        }

    def draw(self, labels_or_estimate: Speech) -> Pictures:
        """Each stretch as a bar."""
        segments = labels_or_estimate.segments[:_MOST_DRAWN]
        # A stretch without an end is that of a clip's only frame, and nothing here tells how long the clip is.
        drawn = ((start, end if math.isfinite(end) else start + _DRAWN_S) for start, end in segments)
        return Pictures(spans=tuple(Span(start_s=start, end_s=end, label="speech") for start, end in drawn))


def tally_speech(labels: Speech, estimate: Speech) -> Tally:
    """Compare one clip's stretches; those of the estimate count only within the clip."""
    duration_s = _duration_of(labels)
    found = tuple(
        (max(start, 0.0), min(end, duration_s))
        for start, end in estimate.segments
        if min(end, duration_s) - max(start, 0.0) > _ROUNDING_S
    )
    labelled_s, found_s = (sum(end - start for start, end in side) for side in (labels.segments, found))
    hit_s, delays_s = 0.0, []
    first = 0
    for start, end in labels.segments:
        while first < len(found) and found[first][1] <= start:
            first += 1
        heard_s = None
        for other_start, other_end in found[first:]:
            if other_start >= end:
                break
            hit_s += min(end, other_end) - max(start, other_start)
            heard_s = max(other_start, start) if heard_s is None else heard_s
        if heard_s is not None:
            delays_s.append(heard_s - start)
    return Tally(
        hit_s=hit_s,
        missed_s=_at_least_none(labelled_s - hit_s),
        false_s=_at_least_none(found_s - hit_s),
        silence_s=_at_least_none(duration_s - labelled_s),
        labelled=len(labels.segments),
        found=len(found),
        matched=count_matches(labels.segments, found),
        delays_s=tuple(delays_s),
    )


def _at_least_none(seconds: float) -> float:
    """A difference of sums, in which rounding is no time."""
    return seconds if seconds > _ROUNDING_S else 0.0


def _score_counts(hits: float, labelled: float, found: float, reasons: tuple[Absent, Absent]) -> dict[str, Any]:
    """F1, precision and recall of seconds or of stretches."""
    no_label, no_estimate = reasons
    neither = Absent(f"{no_label.reason}, and {no_estimate.reason}")
    return {
        "f1": _divide(2 * hits, labelled + found, neither),
        "precision": _divide(hits, found, no_estimate if labelled else neither),
        "recall": _divide(hits, labelled, no_label if found else neither),
    }


def _divide(part: float, whole: float, otherwise: Absent) -> float | Absent:
    return part / whole if whole else otherwise


def _say_no_delay(labelled: int) -> Absent:
    return Absent("in no labelled stretch speech was found" if labelled else "no labelled speech")


def _duration_of(labels: Speech) -> float:
    assert labels.duration_s is not None, "labels know the clip's length"
    return labels.duration_s


def _find_fault(row: Any, duration_s: float) -> str | None:
    if not are_numbers(row, 2):
        return f"must be {_FORM}, two numbers; found {show(row)}"
    start_s, end_s = row
    fault = find_place_fault(start_s, end_s, duration_s)
    if fault:
        return fault
    return None if end_s > start_s else f"end {end_s} s must come after start {start_s} s"


TASK = VoiceActivity
