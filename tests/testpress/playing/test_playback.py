from __future__ import annotations

import pytest

from evaluators.picture_records import Note
from evaluators.score import Score
from packager.bundle import AudioContract
from testpress.playing.playback import OutputSummary, PlaySummary, as_text


def summary(notes: tuple[Note, ...] | None = None, windows: int = 1) -> PlaySummary:
    score = Score(value=12.5, unit="ms", direction="lower", basis="measured_host")
    return PlaySummary(
        file="x.tflite",
        audio="x.wav",
        runtime="LiteRT 2.3.0",
        contract=AudioContract(sample_rate_hz=8000, window_samples=64, hop_samples=48),
        contract_from="the recipe",
        duration_s=0.5,
        windows=windows,
        outputs=(
            OutputSummary(
                name="note",
                shape=(4, 88),
                dtype="float32",
                per_window=2,
                minimum=0.25,
                maximum=1.0,
                mean=0.5,
                not_finite=0,
            ),
            OutputSummary(
                name="tag",
                shape=(0, 3),
                dtype="int8",
                per_window=None,
                minimum=None,
                maximum=None,
                mean=None,
                not_finite=0,
            ),
        ),
        timing=dict.fromkeys(("load_ms", "call_p50_ms", "total_ms", "real_time_factor"), score),
        notes=notes,
        notices=("resampled from 1 Hz to 2 Hz",),
    )


def test_outputs_are_a_table() -> None:
    lines = [line.split() for line in as_text(summary()).splitlines()]
    assert ["note", "[4,", "88]", "float32", "2", "frames", "0.25", "1", "0.5"] in lines
    assert ["tag", "[0,", "3]", "int8", "3", "values", *["no", "value"] * 3] in lines
    assert ["notice", "resampled", "from", "1", "Hz", "to", "2", "Hz"] in lines


def test_a_small_factor_is_not_0() -> None:
    fast = Score(value=0.000295, unit="ratio", direction="lower", basis="measured_host")
    told = summary()
    told = told.model_copy(update={"timing": {**told.timing, "real_time_factor": fast}})
    assert "real-time factor 0.000295" in as_text(told)


@pytest.mark.parametrize(("windows", "words"), [(1, "1 window of 64"), (3, "3 windows of 64")])
def test_windows_are_counted(windows: int, words: str) -> None:
    assert f"8000 Hz, {words} samples every 48 (from the recipe)" in as_text(summary(windows=windows))


@pytest.mark.parametrize(
    ("midi", "name"),
    [(60, "C4"), (69, "A4"), (21, "A0"), (108, "C8"), (61, "C♯4"), (59, "B3")],  # scientific pitch notation
)
def test_pitches_have_their_names(midi: int, name: str) -> None:
    text = as_text(summary((Note(onset_s=0.1, offset_s=0.25, pitch_midi=midi),)))
    assert "1 note\n" in text
    assert ["0.100", "0.250", str(midi), name] in [line.split() for line in text.splitlines()]


def test_no_notes_are_said_only_where_they_were_looked_for() -> None:
    assert "no notes found" in as_text(summary(()))
    assert "notes" not in as_text(summary(None))
