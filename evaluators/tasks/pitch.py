"""The pitch of one voice or melody, frame by frame, scored as melody extraction is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from evaluators.decoding.activations import FrameOptions, Frames, Values, read_frames
from evaluators.errors import EvaluationError
from evaluators.label_columns import Column, LabelColumns
from evaluators.labels import are_numbers, find_place_fault, read_rows, show
from evaluators.picture_records import Pictures
from evaluators.pictures.curves import draw_curve
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

TOLERANCE_CENTS = 50.0
BASE_HZ = 10.0
"""from which cents are counted, as mir_eval and CREPE do"""
HIGHEST_HZ = 20_000.0

_NAME = "pitch tracking"
_FORM = "[time_s, hz]"
_MOST_DRAWN = 480
"""the width of the figure"""
_HIGHEST_MIDI = 108
"""the highest key of a piano"""
_FEWEST_MIDI = 3
"""pitches that a clip must have to be taken for MIDI numbers: a test tone of 100 Hz is none"""
_A4_HZ, _A4_MIDI = 440.0, 69

_VOICED = "labelled frames that have a pitch"
_RIGHT = "within 50 cents"
_METRICS = {
    "pitch_raw_accuracy": Metric(
        "ratio", "higher", f"Share of the {_VOICED} whose estimated pitch lies {_RIGHT}, whether found voiced or not."
    ),
    "pitch_chroma_accuracy": Metric(
        "ratio", "higher", f"Share of the {_VOICED} whose estimated pitch lies {_RIGHT} in some octave."
    ),
    "pitch_overall_accuracy": Metric(
        "ratio", "higher", f"Share of all labelled frames that are right: voiced and {_RIGHT}, or unvoiced in both."
    ),
    "pitch_voicing_recall": Metric("ratio", "higher", f"Share of the {_VOICED} that are found voiced."),
    "pitch_voicing_false_alarm": Metric(
        "ratio", "lower", "Share of the labelled frames without a pitch that are found voiced."
    ),
    "pitch_error_mean_cents": Metric(
        "cents", "lower", f"Mean distance from the label over the {_VOICED} whose estimate lies {_RIGHT}."
    ),
    "pitch_error_median_cents": Metric(
        "cents", "lower", f"Median distance from the label over the {_VOICED} whose estimate lies {_RIGHT}."
    ),
}


_AGREEMENTS = {
    "agreement_pitch_accuracy": Metric(
        "ratio",
        "higher",
        f"Share of the frames that the source finds voiced where the bundle's pitch lies {_RIGHT} of the source's.",
        tolerance=0.01,
    ),
    "agreement_pitch_cents": Metric(
        "cents",
        "lower",
        "Mean distance of the bundle's pitch from the source model's over the frames that both find voiced.",
        tolerance=1.0,
    ),
    "agreement_pitch_voicing": Metric(
        "ratio", "higher", "Share of the frames that both find voiced, or both unvoiced.", tolerance=0.01
    ),
}


class PitchOptions(FrameOptions):
    """Which outputs hold the pitch, and how it is read; the defaults of salience are CREPE's."""

    output: Literal["pitch_hz", "salience"] = "pitch_hz"
    """pitch_hz: one value a frame, in Hz, 0 or less where there is none · salience: one value a frame and bin"""
    confidence: bool = False
    """beside pitch_hz there is an output confidence, one value a frame, which says what is voiced"""
    voicing_threshold: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.5
    """from which confidence, or highest salience, on a frame is voiced"""
    first_bin_cents: Annotated[float, pydantic.Field(ge=0, le=20_000)] = 1997.3794084376191
    """of salience: the pitch of its first bin, above 10 Hz"""
    cents_per_bin: Annotated[float, pydantic.Field(gt=0, le=1200)] = 20.0
    averaged_bins: Annotated[int, pydantic.Field(ge=0, le=100)] = 4
    """how many bins at each side of the highest one are averaged with it, weighted by their salience"""


@dataclass(frozen=True, eq=False)
class PitchTrack:
    """A pitch over time, as labels or as an estimate."""

    times_s: Values
    pitch_hz: Values
    """0 where there is none"""
    voiced: npt.NDArray[np.bool_]
    """an estimate may have a pitch where it says that there is no voice"""


class Pitch(Task):
    """Pitch of a voice or a melody from the output `pitch_hz`, or from a salience over bins of equal width in cents.

    Labels are rows `[time_s, hz]`, with 0 Hz where there is no pitch. Every row counts as one frame; where the first
    comes after 0 s, mir_eval adds a frame with its pitch at 0 s. An estimate is brought to the labels' times, and
    scored, by `mir_eval.melody` (Source: Salamon, Gómez, Ellis and Richard, "Melody Extraction from Polyphonic Music
    Signals", IEEE Signal Processing Magazine 31(2), 2014). The two errors in cents are our own, over those frames that
    raw pitch accuracy counts as right: a pitch that is right but sharp shows there.

    The pitch of a salience is the mean of the bins' cents around the highest one, weighted by salience. Source: Kim,
    Salamon, Li and Bello, "CREPE: A Convolutional Representation for Pitch Estimation", ICASSP 2018, over the bins that
    its code takes (`to_local_average_cents`).

    Where there is nothing to count, mir_eval says 0 or 1, and here a metric has no value:

    - no labelled frame, or fewer than two frames in the output, of which no time line can be made: no metric has one;
    - no labelled frame with a pitch: raw and chroma accuracy, voicing recall and the errors have none;
    - no labelled frame without a pitch: the false alarm rate has none;
    - no frame with the right pitch: the errors have none.

    An estimate without any pitch has accuracies and recall of 0 by definition: nothing was found.
    """

    Options = PitchOptions
    label_keys = ("pitch",)
    label_columns = MappingProxyType(
        {"pitch": LabelColumns((Column(("time", "time_s")), Column(("hz", "f0", "frequency", "pitch_hz"))))}
    )
    metrics = MappingProxyType(_METRICS)
    agreements = MappingProxyType(_AGREEMENTS)
    libraries = ("mir_eval",)

    def __init__(self, options: PitchOptions | None = None) -> None:
        super().__init__(options)
        is_confident = self.options.confidence and self.options.output == "pitch_hz"
        self.required_outputs = (self.options.output, *(("confidence",) if is_confident else ()))

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> PitchTrack:
        """Read `pitch`, a list of `[time_s, hz]` in order of time; see `Task.parse_labels`."""
        rows = read_rows(
            line["pitch"],
            lambda row, earlier: _find_fault(row, earlier, clip.duration_s),
            key="pitch",
            form=_FORM,
            where=clip.where,
        )
        table = np.array(rows, np.float64).reshape(-1, 2)
        _refuse_midi(table[:, 1], clip.where)
        return PitchTrack(table[:, 0], table[:, 1], table[:, 1] > 0)

    def decode(self, outputs: Mapping[str, Stitched]) -> PitchTrack:
        """Read the pitch of every frame. See `Task.decode`."""
        options = self.options
        frames = read_frames(outputs, options.output, options, task=_NAME)
        if options.output == "salience":
            return self._decode_salience(frames)
        pitch_hz = _pick_only_column(frames, "pitch_hz")
        voiced = pitch_hz > 0
        if options.confidence:
            other = read_frames(outputs, "confidence", options, task=_NAME)
            confidence = _pick_only_column(other, "confidence")
            if len(confidence) != len(pitch_hz):
                raise EvaluationError(
                    f"outputs pitch_hz and confidence must have as many frames; found {len(pitch_hz)} and "
                    f"{len(confidence)}"
                )
            voiced &= confidence >= options.voicing_threshold
        return PitchTrack(frames.times_s, np.abs(pitch_hz), voiced)

    def _decode_salience(self, frames: Frames) -> PitchTrack:
        salience = frames.values
        bins = salience.shape[1]
        if salience.min(initial=0) < 0:
            raise EvaluationError("output 'salience' must not be negative: bins are averaged with it as weight")
        peaks = salience.argmax(axis=1)
        near = peaks[:, None] + np.arange(-self.options.averaged_bins, self.options.averaged_bins + 1)
        inside = (near >= 0) & (near < bins)
        weights = np.where(inside, np.take_along_axis(salience, near.clip(0, bins - 1), axis=1), 0.0)
        total = weights.sum(axis=1)
        cents = self.options.first_bin_cents + self.options.cents_per_bin * near
        mean_cents = (weights * cents).sum(axis=1) / np.where(total > 0, total, 1)
        pitch_hz = np.where(total > 0, BASE_HZ * 2 ** (mean_cents / 1200), 0.0)
        voiced = (salience.max(axis=1, initial=0) >= self.options.voicing_threshold) & (total > 0)
        return PitchTrack(frames.times_s, pitch_hz, voiced)

    def score(self, labels: PitchTrack, estimate: PitchTrack) -> Found:
        """Score one clip; where there is nothing to count, as the class says."""
        if not len(labels.times_s):
            return dict.fromkeys(self.metrics, Absent("no labelled frame"))
        if len(estimate.times_s) < 2:
            return dict.fromkeys(self.metrics, Absent("the model gave fewer than two frames"))
        import mir_eval.melody

        with warnings.catch_warnings():
            # It warns of a side without a voice, which is defined here, and of frames that are not quite evenly spaced.
            warnings.simplefilter("ignore", UserWarning)
            tracks = mir_eval.melody.to_cent_voicing(
                labels.times_s,
                labels.pitch_hz,
                estimate.times_s,
                estimate.pitch_hz,
                est_voicing=estimate.voiced.astype(np.float64),
            )
            found: dict[str, float | Absent] = {
                "pitch_raw_accuracy": mir_eval.melody.raw_pitch_accuracy(*tracks, cent_tolerance=TOLERANCE_CENTS),
                "pitch_chroma_accuracy": mir_eval.melody.raw_chroma_accuracy(*tracks, cent_tolerance=TOLERANCE_CENTS),
                "pitch_overall_accuracy": mir_eval.melody.overall_accuracy(*tracks, cent_tolerance=TOLERANCE_CENTS),
            }
            recall, false_alarm = mir_eval.melody.voicing_measures(tracks[0], tracks[2])
        found |= {"pitch_voicing_recall": recall, "pitch_voicing_false_alarm": false_alarm, **_find_errors(*tracks)}
        if not labels.voiced.any():
            without = [name for name in found if name not in ("pitch_overall_accuracy", "pitch_voicing_false_alarm")]
            found |= dict.fromkeys(without, Absent("no labelled frame has a pitch"))
        if labels.voiced.all():
            found["pitch_voicing_false_alarm"] = Absent("no labelled frame is without a pitch")
        return found

    def agree(self, clip: SideBySide) -> Found:
        """Frame by frame, since both have the same; without a voiced frame on a side, what is counted there is none."""
        source, found = clip.source, clip.estimate
        if not len(source.times_s):
            return dict.fromkeys(self.agreements, Absent("the models gave no frame"))
        theirs, ours = (each.voiced & (each.pitch_hz > 0) for each in (source, found))
        measured = theirs & (found.pitch_hz > 0)
        errors = np.abs(1200 * np.log2(found.pitch_hz[measured] / source.pitch_hz[measured]))
        both = ours[measured]
        no_pitch = Absent("the source finds no frame voiced")
        return {
            "agreement_pitch_accuracy": float((errors < TOLERANCE_CENTS).sum() / theirs.sum())
            if theirs.any()
            else no_pitch,
            "agreement_pitch_cents": float(errors[both].mean()) if both.any() else Absent("no frame is voiced in both"),
            "agreement_pitch_voicing": float((source.voiced == found.voiced).mean()),
        }

    def decide(self, estimate: PitchTrack) -> tuple[str, ...]:
        """Which frames have a pitch."""
        return tuple(f"a pitch at {time_s:.3f} s" for time_s in estimate.times_s[estimate.voiced])

    def draw(self, labels_or_estimate: PitchTrack) -> Pictures:
        """The pitch as a curve that breaks where there is none."""
        track = labels_or_estimate
        if len(track.times_s) < 2:
            return Pictures()
        # A curve's values are evenly spaced, and labels may be at any time. Values are picked and not put together, so
        # that source and bundle can be held against each other at the same times.
        times_s = np.linspace(track.times_s[0], track.times_s[-1], min(len(track.times_s), _MOST_DRAWN))
        after = np.searchsorted(track.times_s, times_s).clip(1, len(track.times_s) - 1)
        nearest = after - (times_s - track.times_s[after - 1] < track.times_s[after] - times_s)
        pitch_hz = np.where(track.voiced & (track.pitch_hz > 0), track.pitch_hz, np.nan)[nearest]
        return Pictures(curves=(draw_curve("pitch", pitch_hz, times_s, meaning="pitch_hz"),))


def _find_fault(row: Any, earlier: Sequence[Any], duration_s: float) -> str | None:
    if not are_numbers(row, 2):
        return f"must be {_FORM}, two numbers; found {show(row)}"
    time_s, pitch_hz = row
    fault = find_place_fault(time_s, time_s, duration_s)
    if fault:
        return fault
    if earlier and time_s <= earlier[-1][0]:
        return f"time {time_s} s must come after {earlier[-1][0]} s, the time before it"
    if pitch_hz != 0 and not BASE_HZ < pitch_hz <= HIGHEST_HZ:
        return f"pitch {pitch_hz} Hz must be 0, for none, or above {BASE_HZ:g} and at most {HIGHEST_HZ:g}"
    return None


def _refuse_midi(pitch_hz: Values, where: str) -> None:
    """Refuse what looks like keys of a piano; whole Hz so low are 16 cents apart and more, too coarse for a label."""
    found = np.unique(pitch_hz[pitch_hz > 0])
    if len(found) >= _FEWEST_MIDI and found[-1] <= _HIGHEST_MIDI and (found == np.round(found)).all():
        first = float(pitch_hz[pitch_hz > 0][0])
        in_hz = _A4_HZ * 2 ** ((first - _A4_MIDI) / 12)
        raise EvaluationError(
            f"{where}: pitch holds whole numbers up to {found[-1]:g} only, as MIDI numbers are; right is Hz: "
            f"{in_hz:.2f} for MIDI number {first:g}"
        )


def _pick_only_column(frames: Frames, name: str) -> Values:
    if frames.values.shape[1] != 1:
        raise EvaluationError(f"output '{name}' must have one value a frame; found {frames.values.shape[1]}")
    return frames.values.reshape(-1)


def _find_errors(
    reference_voicing: Values, reference_cents: Values, _: Values, estimate_cents: Values
) -> dict[str, float | Absent]:
    """Of the frames that raw pitch accuracy counts as right, how far off they are."""
    errors = np.abs(reference_cents - estimate_cents)[
        (reference_voicing > 0) & (reference_cents != 0) & (estimate_cents != 0)
    ]
    errors = errors[errors < TOLERANCE_CENTS]
    if not len(errors):
        return dict.fromkeys(
            ("pitch_error_mean_cents", "pitch_error_median_cents"), Absent("no labelled frame has the right pitch")
        )
    return {"pitch_error_mean_cents": float(errors.mean()), "pitch_error_median_cents": float(np.median(errors))}


TASK = Pitch
