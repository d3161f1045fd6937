"""Notes out of polyphonic audio, scored by onset, pitch and offset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from evaluators.errors import EvaluationError
from evaluators.evaluation import Basis, Note, Score
from evaluators.notes import NoteRules, create_notes
from evaluators.task import Metric, Task, absent, present
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


@dataclass(frozen=True)
class NoteTranscription:
    """Polyphonic note transcription from the outputs `note` and `onset`, each `(frames, 88)` from A0 to C8.

    Labels and estimates are tuples of `Note`, sorted by onset. Scores are mir_eval's
    (`transcription.precision_recall_f1_overlap`; Source: Bay, Ehmann and Downie, "Evaluation of multiple-F0 estimation
    and tracking systems", ISMIR 2009), but for clips where one side is empty, for which mir_eval warns and says 0:

    - no labelled and no estimated note: nothing to score, no metric has a value;
    - no labelled note, some estimated: precision and F1 are 0 (all that was found is wrong), recall has no value;
    - some labelled, none estimated: recall and F1 are 0 by definition (nothing was found), precision has no value.
    """

    kind: str = "note_transcription"
    label_keys: tuple[str, ...] = ("notes",)
    required_outputs: tuple[str, ...] = ("note", "onset")
    onset_threshold: float = 0.5
    frame_threshold: float = 0.3
    minimum_note_length_ms: float = 127.70
    energy_tolerance_frames: int = 11

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """note_f1 first, then its parts, then the same with offsets."""
        return METRICS

    def parse_labels(self, line: Mapping[str, Any], duration_s: float, where: str) -> tuple[Note, ...]:
        """Read `notes`, a list of `[onset_s, offset_s, midi]`; see `Task.parse_labels`."""
        rows = line["notes"]
        if not isinstance(rows, list):
            raise EvaluationError(f"{where}: notes must be a list of [onset_s, offset_s, midi]; found {_show(rows)}")
        faults, notes = [], []
        for index, row in enumerate(rows):
            fault = _fault_of(row, duration_s)
            if fault:
                faults.append(f"{where}: notes[{index}]: {fault}")
            else:
                notes.append(Note(onset_s=float(row[0]), offset_s=float(row[1]), pitch_midi=int(row[2])))
        if faults:
            raise EvaluationError("\n".join(faults))
        return _sorted(notes)

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
            onset_threshold=self.onset_threshold,
            frame_threshold=self.frame_threshold,
            minimum_frames=round(self.minimum_note_length_ms / 1000 / frame_s),
            energy_tolerance_frames=self.energy_tolerance_frames,
        )
        return _sorted(
            Note(
                onset_s=max(float(note.times_s[event.start_frame]), 0.0),
                offset_s=float(note.times_s[event.end_frame]),
                pitch_midi=event.pitch_index + LOWEST_PITCH_MIDI,
            )
            for event in create_notes(note.values, onset.values, rules)
        )

    def score(
        self, reference: Sequence[Note], estimate: Sequence[Note], *, basis: Basis = "emulated"
    ) -> dict[str, Score]:
        """Score one clip; empty sides as the class says."""
        if not reference or not estimate:
            return _score_empty(bool(reference), bool(estimate), basis)
        import mir_eval.transcription

        reference_arrays, estimate_arrays = _arrays(reference), _arrays(estimate)
        scores = {}
        for prefix, offset_ratio in (("note", None), ("note_with_offset", OFFSET_RATIO)):
            precision, recall, f1, _ = mir_eval.transcription.precision_recall_f1_overlap(
                *reference_arrays,
                *estimate_arrays,
                onset_tolerance=ONSET_TOLERANCE_S,
                pitch_tolerance=PITCH_TOLERANCE_CENTS,
                offset_ratio=offset_ratio,
                offset_min_tolerance=OFFSET_MIN_TOLERANCE_S,
            )
            for name, value in (("f1", f1), ("precision", precision), ("recall", recall)):
                scores[f"{prefix}_{name}"] = present(METRICS[f"{prefix}_{name}"], value, basis=basis)
        return scores

    def notes(self, labels_or_estimate: Sequence[Note]) -> tuple[Note, ...]:
        """Labels and estimates are notes already."""
        return tuple(labels_or_estimate)


def _fault_of(row: Any, duration_s: float) -> str | None:
    if not isinstance(row, list) or len(row) != 3 or not all(_is_number(value) for value in row):
        return f"must be [onset_s, offset_s, midi], three numbers; found {_show(row)}"
    onset_s, offset_s, pitch = row
    if onset_s < 0 or offset_s > duration_s:
        return f"{onset_s} s to {offset_s} s lies outside the clip, which is {duration_s:.6g} s long"
    if offset_s <= onset_s:
        return f"offset {offset_s} s must come after onset {onset_s} s"
    if pitch != int(pitch) or not LOWEST_PITCH_MIDI <= pitch <= HIGHEST_PITCH_MIDI:
        return f"pitch {pitch} must be a whole MIDI number from {LOWEST_PITCH_MIDI} (A0) to {HIGHEST_PITCH_MIDI} (C8)"
    return None


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _sorted(notes: Any) -> tuple[Note, ...]:
    return tuple(sorted(notes, key=lambda note: (note.onset_s, note.pitch_midi, note.offset_s)))


def _activations(outputs: Mapping[str, Stitched], name: str) -> Stitched:
    if name not in outputs:
        raise EvaluationError(
            f"note transcription needs the output '{name}'; the model has {', '.join(sorted(outputs)) or 'none'}"
        )
    output = outputs[name]
    if output.values.ndim != 2 or output.values.shape[1] != N_PITCHES:
        raise EvaluationError(
            f"output '{name}' must be (frames, {N_PITCHES}), one column a piano key; found {output.values.shape}"
        )
    finite = np.isfinite(output.values)
    if not finite.all():
        frame = int(np.argmin(finite.all(axis=1)))
        raise EvaluationError(f"output '{name}' is not finite, first at {output.times_s[frame]:.3f} s")
    return output


def _arrays(notes: Sequence[Note]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Intervals in seconds, `(notes, 2)`, and pitches in Hz, as mir_eval takes them."""
    intervals = np.array([(note.onset_s, note.offset_s) for note in notes])
    return intervals, 440.0 * 2.0 ** ((np.array([note.pitch_midi for note in notes]) - 69) / 12)


def _score_empty(has_reference: bool, has_estimate: bool, basis: Basis) -> dict[str, Score]:
    scores = {}
    for name, metric in METRICS.items():
        if not has_reference and not has_estimate:
            scores[name] = absent(metric, "no labelled and no estimated note", basis=basis)
        elif name.endswith("precision") and not has_estimate:
            scores[name] = absent(metric, "no estimated note", basis=basis)
        elif name.endswith("recall") and not has_reference:
            scores[name] = absent(metric, "no labelled note", basis=basis)
        else:
            scores[name] = present(metric, 0.0, basis=basis)
    return scores


METRICS: Mapping[str, Metric] = MappingProxyType(_metrics())
TASK: Task = NoteTranscription()
