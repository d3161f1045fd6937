from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import numpy as np
import pydantic
import pytest
import soundfile

from evaluators.evaluation import ClipScores
from evaluators.picture_records import Spectrogram
from evaluators.pictures.previews import MAX_CLIPS, add_previews, choose_clips, draw_spectrogram
from evaluators.score import Score
from tests.benches import AUDIO, TASK, read_dataset, write_dataset


def _clips(metric: str, direction: str, *values: float | None) -> list[ClipScores]:
    def score(value: float | None) -> Score:
        reason = "nothing to score" if value is None else None
        return Score.model_validate(
            {"value": value, "unit": "ratio", "direction": direction, "basis": "emulated", "reason": reason}
        )

    return [ClipScores(clip=f"c{number}", scores={metric: score(value)}) for number, value in enumerate(values)]


def test_the_largest_loss_comes_first_then_the_worst_score() -> None:
    source = _clips("note_f1", "higher", 0.9, 0.8, 0.3, None)
    good = _clips("note_f1", "higher", 0.9, 0.9, 0.3, 0.5)
    bad = _clips("note_f1", "higher", 0.8, 0.5, 0.4, None)
    assert choose_clips(source, [good, bad], "note_f1") == ["c1", "c0", "c2", "c3"]


def test_without_a_metric_the_largest_error_comes_first() -> None:
    source = [ClipScores(clip=f"c{number}", scores={}) for number in range(20)]
    bundle = _clips("max_abs_error", "lower", *[0.01 * (number % 7) for number in range(20)])
    chosen = choose_clips(source, [bundle], None)
    assert chosen[:2] == ["c6", "c13"]
    assert len(chosen) == MAX_CLIPS


def test_without_a_bundle_no_clip_is_chosen() -> None:
    assert choose_clips(_clips("note_f1", "higher", 0.5), [], "note_f1") == []


def test_a_preview_is_a_file_beside_the_evaluation_named_by_what_it_holds(tmp_path: Path) -> None:
    dataset = read_dataset(write_dataset(tmp_path / "data"))
    info = dataset.describe(TASK)
    made = add_previews(info, dataset, ["b"], audio=AUDIO, out=tmp_path / "out")
    assert (made.clips[0].preview, made.clips[0].spectrogram) == (None, None)
    preview = made.clips[1].preview
    assert preview is not None
    data = (tmp_path / "out" / preview.path).read_bytes()
    assert hashlib.sha256(data).hexdigest() == preview.sha256
    samples, rate_hz = soundfile.read(tmp_path / "out" / preview.path)
    assert (rate_hz, len(samples)) == (AUDIO.sample_rate_hz, 100)
    assert preview.duration_s == pytest.approx(100 / AUDIO.sample_rate_hz)
    assert add_previews(info, dataset, ["b"], audio=AUDIO, out=tmp_path / "again") == made


@pytest.mark.parametrize("damaged", [b"", b"fLaC", bytes(500)])
def test_a_preview_that_was_damaged_is_made_again(damaged: bytes, tmp_path: Path) -> None:
    dataset = read_dataset(write_dataset(tmp_path / "data"))
    info = dataset.describe(TASK)
    preview = add_previews(info, dataset, ["b"], audio=AUDIO, out=tmp_path).clips[1].preview
    assert preview is not None
    path = tmp_path / preview.path
    age = path.stat().st_mtime_ns
    add_previews(info, dataset, ["b"], audio=AUDIO, out=tmp_path)
    assert path.stat().st_mtime_ns == age
    path.write_bytes(damaged)
    add_previews(info, dataset, ["b"], audio=AUDIO, out=tmp_path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == preview.sha256


def test_a_tone_is_the_brightest_in_its_time_and_band() -> None:
    rate_hz = 16_000
    times_s = np.arange(4 * rate_hz) / rate_hz
    samples = np.where(times_s >= 2, np.sin(2 * np.pi * 1000 * times_s), 0).astype(np.float32)
    found = draw_spectrogram(samples, rate_hz)
    levels = np.frombuffer(base64.b64decode(found.levels), np.uint8).reshape(found.bands, found.frames)
    assert levels[:, : found.frames // 2 - 8].max() == 0
    brightest = set(levels[:, found.frames // 2 + 8 :].argmax(axis=0))
    assert len(brightest) == 1
    edges_hz = np.geomspace(found.high_hz, found.low_hz, found.bands + 1)
    band = brightest.pop()
    assert edges_hz[band + 1] <= 1000 <= edges_hz[band]


@pytest.mark.parametrize("n_samples", [1, 199, 5000])
def test_short_and_silent_clips_have_a_spectrogram_too(n_samples: int) -> None:
    assert draw_spectrogram(np.zeros(n_samples, np.float32), 880).frames == 200


@pytest.mark.parametrize("levels", ["AAAA", "not base64!", "AAAAA"])
def test_levels_that_are_not_what_they_say_are_refused(levels: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"levels (hold|are not)"):
        Spectrogram(frames=2, bands=2, low_hz=40, high_hz=8000, range_db=80, levels=levels)
