"""What playing a model on one recording found, as `--json` writes it and as a terminal shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.picture_records import Note
from evaluators.score import Score
from packager.bundle import AudioContract
from reports.notation import format_number
from testpress.table import align

_PITCHES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


class OutputSummary(Record):
    """One output over the clip."""

    name: str
    shape: tuple[int, ...]
    """frames (or windows) first"""
    dtype: str
    per_window: int | None
    """frames a window; none where the model gives one value a window"""
    minimum: float | None
    """none where there is no value, or not all are finite"""
    maximum: float | None
    mean: float | None
    not_finite: int
    """how many values are NaN or infinite"""


class PlaySummary(Record):
    """What a play found, without the arrays."""

    file: str
    audio: str
    runtime: str
    contract: AudioContract
    contract_from: str
    duration_s: float
    windows: int
    outputs: tuple[OutputSummary, ...]
    timing: dict[str, Score]
    """load_ms, call_p50_ms, total_ms and real_time_factor, all measured on this host"""
    notes: tuple[Note, ...] | None
    """none where they were not asked for"""
    notices: tuple[str, ...]


def as_text(summary: PlaySummary, saved: Path | None = None) -> str:
    """A play for people."""
    contract, timing = summary.contract, {name: _measured(score) for name, score in summary.timing.items()}
    count = "1 window" if summary.windows == 1 else f"{summary.windows} windows"
    cut_to = f"{count} of {contract.window_samples} samples every {contract.hop_samples}"
    calls = f"{timing['total_ms']} for all calls, {timing['call_p50_ms']} for the middle one"
    facts = [
        ("played on", summary.runtime),
        ("audio", f"{summary.audio}, {summary.duration_s:.3f} s"),
        ("contract", f"{contract.sample_rate_hz} Hz, {cut_to} (from {summary.contract_from})"),
        ("time", f"{calls}, {timing['load_ms']} to load; real-time factor {_factor(summary.timing)}"),
        ("", "measured on this machine, which is no phone"),
        *(("notice", notice) for notice in summary.notices),
    ]
    parts = [f"{summary.file}\n{align(facts, indent='  ')}", align(_output_rows(summary.outputs), right=(4, 5, 6))]
    if summary.notes is not None:
        parts.append(_notes_text(summary.notes))
    if saved is not None:
        parts.append(f"outputs: {saved}")
    return "\n\n".join(parts)


def _factor(timing: dict[str, Score]) -> str:
    value = timing["real_time_factor"].value
    return "unknown" if value is None else format_number(value, "")  # a ratio's three decimals may all be 0


def _measured(score: Score) -> str:
    return "unknown" if score.value is None else format_number(score.value, score.unit)


def _output_rows(outputs: Sequence[OutputSummary]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("output", "shape", "dtype", "of a window", "min", "max", "mean")]
    for output in outputs:
        numbers = [output.minimum, output.maximum, output.mean]
        absent = f"{output.not_finite} not finite" if output.not_finite else _NO_NUMBER.get(output.dtype, "no value")
        rows.append(
            (
                shorten(output.name),
                str(list(output.shape)),
                output.dtype,
                _each_window(output),
                *(absent if number is None else f"{number:.4g}" for number in numbers),
            )
        )
    return rows


_NO_NUMBER = {"string": "text"}


def _each_window(output: OutputSummary) -> str:
    if output.per_window is not None:
        return "1 frame" if output.per_window == 1 else f"{output.per_window} frames"
    count = math.prod(output.shape[1:])
    return "1 value" if count == 1 else f"{count} values"


def _notes_text(notes: Sequence[Note]) -> str:
    if not notes:
        return "no notes found"
    rows = [("onset s", "offset s", "MIDI", "pitch")]
    rows += [
        (f"{note.onset_s:.3f}", f"{note.offset_s:.3f}", str(note.pitch_midi), _pitch_name(note.pitch_midi))
        for note in notes
    ]
    count = "1 note" if len(notes) == 1 else f"{len(notes)} notes"
    return f"{count}\n{align(rows, right=(0, 1, 2), indent='  ')}"


def _pitch_name(midi: int) -> str:
    """Scientific pitch notation: 60 is C4, 69 is A4 (440 Hz)."""
    return f"{_PITCHES[midi % 12]}{midi // 12 - 1}"
