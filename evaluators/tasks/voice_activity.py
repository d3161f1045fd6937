"""When somebody speaks, scored by time and by stretch of speech."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
import pydantic

from evaluators.chart_records import Charts, Mark
from evaluators.comparing.speech_time import Speech, find_duration, keep_within, sweep_speech, tally_speech
from evaluators.decoding.activations import (
    FrameOptions,
    Frames,
    SegmentRules,
    Values,
    find_segments,
    pick_column,
    read_frames,
)
from evaluators.decoding.outputs import check_probabilities
from evaluators.label_columns import END, START, LabelColumns
from evaluators.labels import are_numbers, find_place_fault, read_rows, show
from evaluators.picture_records import Curve, Pictures, Span
from evaluators.pictures.class_charts import FALSE_ALARM_RATE, RECALL
from evaluators.pictures.curves import draw_curve
from evaluators.pictures.rate_curves import Frame, make_curve, make_point
from evaluators.score import Direction
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

_FORM = "[start_s, end_s]"
_MOST_DRAWN = 10_000
_DRAWN_S = 0.1

SWEPT = (0.001, 0.002, 0.005, *(round(0.01 * step, 2) for step in range(1, 100)), 0.995, 0.998, 0.999)
"""the thresholds of the ROC curve, beside the one in use"""
_ROC = Frame(
    "ROC curve of time",
    FALSE_ALARM_RATE,
    RECALL,
    "Time of all clips together, decided as in use, with least lengths of speech and silence, at every threshold where "
    "speech begins; the one where it ends is moved in proportion.",
)

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


_AGREEMENT = "agreement_speech_time"


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
    label_columns = MappingProxyType({"speech": LabelColumns((START, END))})
    required_outputs = ("speech",)
    metrics = MappingProxyType(_METRICS)
    agreements = MappingProxyType(
        {
            _AGREEMENT: Metric(
                "ratio",
                "higher",
                "Share of the clip's time in which the bundle decides as the source model does: speech, or none.",
                tolerance=0.01,
            )
        }
    )
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
        frames = read_frames(outputs, "speech", self.options, task="voice activity detection")
        values = pick_column(frames, self.options.column, "speech")
        check_probabilities(values, "speech")
        segments = find_segments(values, frames, self._rules_at(self.options.onset_threshold))
        return Speech(segments, activation=(values, frames))

    def _rules_at(self, onset_threshold: float) -> SegmentRules:
        options = self.options
        return SegmentRules(
            onset_threshold=onset_threshold,
            offset_threshold=options.offset_threshold * onset_threshold / options.onset_threshold,
            minimum_length_s=options.minimum_speech_ms / 1000,
            minimum_gap_s=options.minimum_silence_ms / 1000,
        )

    def score(self, labels: Speech, estimate: Speech) -> Found:
        """The share of the clip's time that is judged wrongly, which every clip has."""
        tally = self._tally(labels, estimate)
        return {"speech_error": (tally.missed_s + tally.false_s) / find_duration(labels)}

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

    def agree(self, clip: SideBySide) -> Found:
        """The source's stretches are the labels."""
        theirs = Speech(keep_within(clip.source.segments, clip.duration_s), clip.duration_s)
        tally = tally_speech(theirs, clip.estimate)
        return {_AGREEMENT: 1 - (tally.missed_s + tally.false_s) / clip.duration_s}

    def draw_dataset(self, pairs: Sequence[tuple[Speech, Speech]]) -> Charts:
        """The ROC curve of time; none where nobody speaks or nobody is silent.

        A lower threshold never finds less: that holds for frames, for closed gaps and for stretches left out alike.
        """
        options = self.options
        tallies = [self._tally(labels, estimate) for labels, estimate in pairs]
        speech_s, silence_s = sum(one.hit_s + one.missed_s for one in tallies), sum(one.silence_s for one in tallies)
        if not speech_s or not silence_s:
            return Charts()
        thresholds = sorted({*SWEPT, options.onset_threshold}, reverse=True)
        rules = [self._rules_at(threshold) for threshold in thresholds]
        hit_s, found_s = np.sum([sweep_speech(labels, estimate, rules) for labels, estimate in pairs], axis=0)
        # Both rise but for the rounding of sums.
        recalls, alarms = (
            np.maximum.accumulate(np.concatenate([[0.0], rates.clip(0, 1), [1.0]]))
            for rates in (hit_s / speech_s, (found_s - hit_s) / silence_s)
        )
        at = 1 + thresholds.index(options.onset_threshold)
        words = f"speech from {options.onset_threshold:g} on, until below {options.offset_threshold:g}"
        mark = Mark(name=words, at=make_point(alarms[at], recalls[at]), in_use=True)
        return Charts(curves=(make_curve(_ROC, alarms, recalls, marks=[mark], keep=[at]),))

    def draw(self, labels_or_estimate: Speech) -> Pictures:
        """Each stretch as a bar, and the probability with its thresholds."""
        segments = labels_or_estimate.segments[:_MOST_DRAWN]
        # A stretch without an end is that of a clip's only frame, and nothing here tells how long the clip is.
        drawn = ((start, end if math.isfinite(end) else start + _DRAWN_S) for start, end in segments)
        spans = tuple(Span(start_s=start, end_s=end, label="speech") for start, end in drawn)
        return Pictures(spans=spans, curves=self._draw_probability(labels_or_estimate.activation))

    def _draw_probability(self, activation: tuple[Values, Frames] | None) -> tuple[Curve, ...]:
        if activation is None or len(activation[0]) < 2:
            return ()
        values, frames = activation
        thresholds = (self.options.onset_threshold, self.options.offset_threshold)
        return (draw_curve("speech", values, frames.times_s, meaning="probability", thresholds=thresholds),)


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


def _find_fault(row: Any, duration_s: float) -> str | None:
    if not are_numbers(row, 2):
        return f"must be {_FORM}, two numbers; found {show(row)}"
    start_s, end_s = row
    fault = find_place_fault(start_s, end_s, duration_s)
    if fault:
        return fault
    return None if end_s > start_s else f"end {end_s} s must come after start {start_s} s"


TASK = VoiceActivity
