"""Notes out of polyphonic audio, scored by onset, pitch and offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
import pydantic

from device_profiles.record import Record
from evaluators.decoding.notes import NoteRules, create_notes
from evaluators.decoding.outputs import check_finite, take_output
from evaluators.errors import EvaluationError
from evaluators.label_columns import END, START, Column, LabelColumns
from evaluators.labels import are_numbers, find_place_fault, read_rows, show
from evaluators.picture_records import Note, Pictures
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

LOWEST_PITCH_MIDI = 21
HIGHEST_PITCH_MIDI = 108
N_PITCHES = HIGHEST_PITCH_MIDI - LOWEST_PITCH_MIDI + 1

ONSET_TOLERANCE_S = 0.05
PITCH_TOLERANCE_CENTS = 50.0
OFFSET_RATIO = 0.2
OFFSET_MIN_TOLERANCE_S = 0.05

_ONSET_RULE = "a note is found when its onset is within 50 ms and its pitch within 50 cents of a labelled one's"
_OFFSET_RULE = _ONSET_RULE + ", and its offset within 50 ms or a fifth of the labelled length, whichever is more"


def _metrics() -> dict[str, Metric]:
    metrics = {}
    for prefix, rule in (("note", _ONSET_RULE), ("note_with_offset", _OFFSET_RULE)):
        for name, words in (
            ("f1", "Harmonic mean of precision and recall"),
            ("precision", "Share of the estimated notes that are right"),
            ("recall", "Share of the labelled notes that are found"),
        ):
            metrics[f"{prefix}_{name}"] = Metric("ratio", "higher", f"{words}; {rule}.")
    return metrics


_SAME = "a note is the same when its onset is within 50 ms"
_OFFSET_TOLERANCE = "within 50 ms or a fifth of the source's length, whichever is more"
_AGREEMENTS = {
    f"agreement_note_{name}": Metric(
        "ratio",
        "higher",
        f"F1 of the bundle's notes, with the source model's in the place of labels; {_SAME}{rule}.",
        tolerance=0.01,
    )
    for name, rule in (
        ("f1", " and its pitch within 50 cents"),
        ("with_offset_f1", f", its pitch within 50 cents and its offset {_OFFSET_TOLERANCE}"),
    )
}


class NoteOptions(Record):
    """The thresholds of Basic Pitch's note creation, with its defaults."""

    onset_threshold: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.5
    """from which onset activation on a note begins"""
    frame_threshold: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.3
    """below which note activation a note ends"""
    minimum_note_length_ms: Annotated[float, pydantic.Field(ge=0, le=10_000)] = 127.70
    energy_tolerance_frames: Annotated[int, pydantic.Field(ge=0, le=1000)] = 11
    """how many frames below the threshold a note survives"""


class NoteTranscription(Task):
    """Polyphonic note transcription from the outputs `note` and `onset`, each `(frames, 88)` from A0 to C8.

    Labels and estimates are tuples of `Note`, sorted by onset. Scores are mir_eval's
    (`transcription.precision_recall_f1_overlap`; Source: Bay, Ehmann and Downie, "Evaluation of multiple-F0 estimation
    and tracking systems", ISMIR 2009), but for clips where one side is empty, for which mir_eval warns and says 0:

    - no labelled and no estimated note: nothing to score, no metric has a value;
    - no labelled note, some estimated: precision and F1 are 0 (all that was found is wrong), recall has no value;
    - some labelled, none estimated: recall and F1 are 0 by definition (nothing was found), precision has no value.
    """

    Options = NoteOptions
    label_keys = ("notes",)
    label_columns = MappingProxyType(
        {"notes": LabelColumns((START, END, Column(("midi", "pitch", "pitch_midi", "note"))))}
    )
    required_outputs = ("note", "onset")
    metrics = MappingProxyType(_metrics())
    agreements = MappingProxyType(_AGREEMENTS)
    libraries = ("mir_eval",)

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> tuple[Note, ...]:
        """Read `notes`, a list of `[onset_s, offset_s, midi]`; see `Task.parse_labels`."""
        rows = read_rows(
            line["notes"],
            lambda row, _: _fault_of(row, clip.duration_s),
            key="notes",
            form="[onset_s, offset_s, midi]",
            where=clip.where,
        )
        return _sorted(Note(onset_s=float(row[0]), offset_s=float(row[1]), pitch_midi=int(row[2])) for row in rows)

    def decode(self, outputs: Mapping[str, Stitched]) -> tuple[Note, ...]:
        """Find the notes; frames become seconds by the exact frame times of `windows.stitch`. See `Task.decode`."""
        note, onset = (_activations(outputs, name) for name in self.required_outputs)
        if note.values.shape != onset.values.shape:
            raise EvaluationError(
                f"outputs note {note.values.shape} and onset {onset.values.shape} must have the same shape"
            )
        if len(note.times_s) < 2:
            return ()
        frame_s = float(np.median(np.diff(note.times_s)))
        rules = NoteRules(
            onset_threshold=self.options.onset_threshold,
            frame_threshold=self.options.frame_threshold,
            minimum_frames=round(self.options.minimum_note_length_ms / 1000 / frame_s),
            energy_tolerance_frames=self.options.energy_tolerance_frames,
        )
        return _sorted(
            Note(
                onset_s=max(float(note.times_s[event.start_frame]), 0.0),
                offset_s=float(note.times_s[event.end_frame]),
                pitch_midi=event.pitch_index + LOWEST_PITCH_MIDI,
            )
            for event in create_notes(note.values, onset.values, rules)
        )

    def score(self, labels: Sequence[Note], estimate: Sequence[Note]) -> Found:
        """Score one clip; empty sides as the class says."""
        if not labels or not estimate:
            return _score_empty(bool(labels), bool(estimate))
        import mir_eval.transcription

        reference_arrays, estimate_arrays = _arrays(labels), _arrays(estimate)
        scores: dict[str, float | Absent] = {}
        for prefix, offset_ratio in (("note", None), ("note_with_offset", OFFSET_RATIO)):
            precision, recall, f1, _ = mir_eval.transcription.precision_recall_f1_overlap(
                *reference_arrays,
                *estimate_arrays,
                onset_tolerance=ONSET_TOLERANCE_S,
                pitch_tolerance=PITCH_TOLERANCE_CENTS,
                offset_ratio=offset_ratio,
                offset_min_tolerance=OFFSET_MIN_TOLERANCE_S,
            )
            scores |= {f"{prefix}_f1": f1, f"{prefix}_precision": precision, f"{prefix}_recall": recall}
        return scores

    def agree(self, clip: SideBySide) -> Found:
        """The source's notes are the labels; no value where neither has any."""
        if not clip.source and not clip.estimate:
            return dict.fromkeys(self.agreements, Absent("neither the source nor the bundle finds a note"))
        found = self.score(clip.source, clip.estimate)
        return {name: found[name.removeprefix("agreement_")] for name in self.agreements}

    def draw(self, labels_or_estimate: Sequence[Note]) -> Pictures:
        """Labels and estimates are notes already."""
        return Pictures(events=tuple(labels_or_estimate))


def _fault_of(row: Any, duration_s: float) -> str | None:
    if not are_numbers(row, 3):
        return f"must be [onset_s, offset_s, midi], three numbers; found {show(row)}"
    onset_s, offset_s, pitch = row
    fault = find_place_fault(onset_s, offset_s, duration_s)
    if fault:
        return fault
    if offset_s <= onset_s:
        return f"offset {offset_s} s must come after onset {onset_s} s"
    if pitch != int(pitch) or not LOWEST_PITCH_MIDI <= pitch <= HIGHEST_PITCH_MIDI:
        return f"pitch {pitch} must be a whole MIDI number from {LOWEST_PITCH_MIDI} (A0) to {HIGHEST_PITCH_MIDI} (C8)"
    return None


def _sorted(notes: Any) -> tuple[Note, ...]:
    return tuple(sorted(notes, key=lambda note: (note.onset_s, note.pitch_midi, note.offset_s)))


def _activations(outputs: Mapping[str, Stitched], name: str) -> Stitched:
    output = take_output(outputs, name, "note transcription")
    if output.kind not in ("frames", "window"):
        raise EvaluationError(f'output \'{name}\' is of kind "{output.kind}"; right is "frames" or "window"')
    if output.values.ndim != 2 or output.values.shape[1] != N_PITCHES:
        raise EvaluationError(
            f"output '{name}' must be (frames, {N_PITCHES}), one column a piano key; found {output.values.shape}"
        )
    check_finite(np.isfinite(output.values).all(axis=1), output.times_s, name)
    return output


def _arrays(notes: Sequence[Note]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Intervals in seconds, `(notes, 2)`, and pitches in Hz, as mir_eval takes them."""
    intervals = np.array([(note.onset_s, note.offset_s) for note in notes])
    return intervals, 440.0 * 2.0 ** ((np.array([note.pitch_midi for note in notes]) - 69) / 12)


def _score_empty(has_labels: bool, has_estimate: bool) -> Found:
    scores: dict[str, float | Absent] = {}
    for name in NoteTranscription.metrics:
        if not has_labels and not has_estimate:
            scores[name] = Absent("no labelled and no estimated note")
        elif name.endswith("precision") and not has_estimate:
            scores[name] = Absent("no estimated note")
        elif name.endswith("recall") and not has_labels:
            scores[name] = Absent("no labelled note")
        else:
            scores[name] = 0.0
    return scores


TASK = NoteTranscription
