"""When the beats of music fall, scored as beat tracking is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
import pydantic

from evaluators.decoding.activations import FrameOptions, pick_column, pick_peaks, read_frames
from evaluators.label_columns import Column, LabelColumns
from evaluators.labels import find_place_fault, is_number, read_rows, show
from evaluators.picture_records import Pictures, Span
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

TOLERANCE_S = 0.07
LEAST_INTERVAL_S = 0.05
"""of two labelled beats: at 1200 a minute there are none"""

_DRAWN_S = 0.03
_MOST_DRAWN = 10_000

_TRIMMED = "beats of the first seconds are left out, see the option skipped_s"
_METRICS = {
    "beat_f1": Metric(
        "ratio",
        "higher",
        f"Harmonic mean of precision and recall; a beat is found when one lies within 70 ms; {_TRIMMED}.",
    ),
    "beat_cemgil": Metric(
        "ratio", "higher", f"Cemgil's accuracy: how near each beat is, by a Gaussian of 40 ms; {_TRIMMED}."
    ),
    "beat_cmlc": Metric(
        "ratio", "higher", "Longest stretch of beats that are right at the labelled level, as a share of all."
    ),
    "beat_cmlt": Metric("ratio", "higher", "Share of the beats that are right at the labelled level."),
    "beat_amlc": Metric(
        "ratio",
        "higher",
        "As beat_cmlc, the best of the labelled level, double and half tempo and off-beat.",
    ),
    "beat_amlt": Metric(
        "ratio", "higher", "As beat_cmlt, the best of the labelled level, double and half tempo and off-beat."
    ),
    "beat_p_score": Metric(
        "ratio",
        "higher",
        "McKinney's P-score: pairs of beats within a fifth of the median interval, over the beats of the longer side; "
        "it may exceed 1 where beats are uneven.",
    ),
    "beat_information_gain": Metric(
        "ratio", "higher", "How far the errors are from being spread evenly between the beats: 0 not at all, 1 wholly."
    ),
}
_OF_INTERVALS = tuple(name for name in _METRICS if name not in ("beat_f1", "beat_cemgil"))
"""metrics that hold intervals against intervals, and need two beats"""


_AGREEMENT = "agreement_beat_f1"


class BeatOptions(FrameOptions):
    """How beats are picked, and where scoring begins."""

    column: Annotated[int, pydantic.Field(ge=0, le=1000)] = 0
    """of an output with many values a frame, which one is the beat's"""
    threshold: Annotated[float, pydantic.Field(ge=-1000, le=1000)] = 0.5
    """the least activation of a beat, a probability or whatever else the model gives"""
    minimum_interval_ms: Annotated[float, pydantic.Field(ge=50, le=5000)] = 200.0
    """the least distance of two beats; of two that are closer the stronger one counts"""
    skipped_s: Annotated[float, pydantic.Field(ge=0, le=60)] = 5.0
    """beats before are not scored: the field leaves out 5 s, in which a tracker finds the tempo"""


class Beat(Task):
    """Beats from an activation, the output `beat`: `(frames,)`, or `(frames, columns)` and one column of it.

    Labels and estimates are times in seconds, in order. A beat is a local maximum of the activation that reaches a
    threshold. Scores are mir_eval's (`mir_eval.beat`; Source: Davies, Degara and Plumbley, "Evaluation Methods for
    Musical Audio Beat Tracking Algorithms", Queen Mary University of London, C4DM-TR-09-06, 2009). As in
    `mir_eval.beat.evaluate`, which follows the field's usage, beats of the first 5 seconds are left out on both sides,
    unless the option says otherwise: clips shorter than that need it.

    What is left then may be empty. mir_eval warns and says 0; here

    - no labelled and no estimated beat: nothing to score, no metric has a value;
    - no labelled beat, some estimated: F1 and Cemgil's accuracy are 0 (all that was found is wrong), the others have no
      value;
    - some labelled, none estimated: all are 0 by definition (nothing was found);
    - one labelled beat: there is no interval, and only F1 and Cemgil's accuracy have values;
    - one estimated beat and more labelled: the metrics of intervals are 0 (no interval was found).
    """

    Options = BeatOptions
    label_keys = ("beats",)
    label_columns = MappingProxyType({"beats": LabelColumns((Column(("beat", "time", "time_s", "beat_s")),), "values")})
    required_outputs = ("beat",)
    metrics = MappingProxyType(_METRICS)
    agreements = MappingProxyType(
        {
            _AGREEMENT: Metric(
                "ratio",
                "higher",
                "F1 of the bundle's beats, with the source model's in the place of labels; a beat is the same when one "
                "lies within 70 ms, over the whole clip.",
                tolerance=0.01,
            )
        }
    )
    libraries = ("mir_eval", "scipy")

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> tuple[float, ...]:
        """Read `beats`, a list of seconds in order; see `Task.parse_labels`."""
        rows = read_rows(
            line["beats"],
            lambda row, earlier: _find_fault(row, earlier, clip.duration_s),
            key="beats",
            form="seconds",
            where=clip.where,
        )
        return tuple(float(row) for row in rows)

    def decode(self, outputs: Mapping[str, Stitched]) -> tuple[float, ...]:
        """Pick the beats. See `Task.decode`."""
        frames = read_frames(outputs, "beat", self.options, task="beat tracking")
        values = pick_column(frames, self.options.column, "beat")
        step_s = frames.step_s
        apart = round(self.options.minimum_interval_ms / 1000 / step_s) if step_s else 1
        peaks = pick_peaks(values, threshold=self.options.threshold, minimum_frames=apart)
        # Several frames of the silence before the clip come to 0 s, and no beat may be there twice.
        return tuple(dict.fromkeys(max(float(frames.times_s[peak]), 0.0) for peak in peaks))

    def score(self, labels: Sequence[float], estimate: Sequence[float]) -> Found:
        """Score one clip; empty sides as the class says."""
        import mir_eval.beat

        skipped_s = self.options.skipped_s
        reference, found = (
            mir_eval.beat.trim_beats(np.array(side, np.float64), skipped_s) for side in (labels, estimate)
        )
        when = f" after the first {skipped_s:g} s" if skipped_s else ""
        if not len(reference) and not len(found):
            return dict.fromkeys(self.metrics, Absent(f"no labelled and no estimated beat{when}"))
        if not len(reference) or not len(found):
            scores: dict[str, float | Absent] = dict.fromkeys(self.metrics, 0.0)
        else:
            scores = {
                "beat_f1": mir_eval.beat.f_measure(reference, found, TOLERANCE_S),
                "beat_cemgil": mir_eval.beat.cemgil(reference, found)[0],
                **_score_intervals(reference, found),
            }
        if len(reference) < 2:
            reason = f"fewer than two labelled beats{when}"
            scores |= dict.fromkeys(_OF_INTERVALS, Absent(reason))
        return scores

    def agree(self, clip: SideBySide) -> Found:
        """The source's beats are the labels, the first seconds too; no value where neither has any."""
        import mir_eval.beat

        theirs, ours = (np.array(side, np.float64) for side in (clip.source, clip.estimate))
        if not len(theirs) and not len(ours):
            return {_AGREEMENT: Absent("neither the source nor the bundle finds a beat")}
        if not len(theirs) or not len(ours):
            return {_AGREEMENT: 0.0}
        return {_AGREEMENT: mir_eval.beat.f_measure(theirs, ours, TOLERANCE_S)}

    def draw(self, labels_or_estimate: Sequence[float]) -> Pictures:
        """Each beat as a narrow bar."""
        beats = labels_or_estimate[:_MOST_DRAWN]
        return Pictures(spans=tuple(Span(start_s=beat, end_s=beat + _DRAWN_S, label="beat") for beat in beats))


def _score_intervals(reference: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> dict[str, float | Absent]:
    if len(reference) < 2 or len(found) < 2:
        return dict.fromkeys(_OF_INTERVALS, 0.0)
    import mir_eval.beat

    continuity = mir_eval.beat.continuity(reference, found)
    return {
        **dict(zip(("beat_cmlc", "beat_cmlt", "beat_amlc", "beat_amlt"), continuity, strict=True)),
        "beat_p_score": mir_eval.beat.p_score(reference, found),
        "beat_information_gain": mir_eval.beat.information_gain(reference, found),
    }


def _find_fault(row: Any, earlier: Sequence[Any], duration_s: float) -> str | None:
    if not is_number(row):
        return f"must be a number of seconds; found {show(row)}"
    fault = find_place_fault(row, row, duration_s)
    if fault:
        return fault
    if earlier and row - earlier[-1] < LEAST_INTERVAL_S:
        return f"{row} s must come at least {LEAST_INTERVAL_S:g} s after {earlier[-1]} s, the beat before it"
    return None


TASK = Beat
