"""Datasets of the registries themselves, the small ones; skipped by name where a registry does not answer."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate, resample_poly

from evaluators.datasets.builtin.making import find_dataset, locate_builtin, make_dataset
from evaluators.errors import EvaluationError
from evaluators.registries.cache import CACHE_VARIABLE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))


def read(name: str, label_keys: tuple[str, ...], options: Mapping[str, Any] | None = None) -> tuple[Path, list[Any]]:
    """The folder and lines of a dataset; skips where it cannot be fetched, but not where it is another file."""
    chosen = find_dataset(name, options)
    for module in chosen.collection.list_needs(chosen.options):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{name}: {module} is not installed")
    try:
        manifest = locate_builtin(chosen, label_keys)
    except EvaluationError as fault:
        if "cannot be fetched" in str(fault) and "another file" not in str(fault):
            pytest.skip(f"{name}: {str(fault).splitlines()[0]}")
        raise
    return manifest.parent, [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def minutes(folder: Path) -> float:
    return sum(soundfile.info(path).duration for path in (folder / "audio").rglob("*.flac")) / 60


def test_the_keyboard_is_what_the_list_says() -> None:
    folder, lines = read("keyboard-noise", ("speech",))
    collection = find_dataset("keyboard-noise").collection
    assert (len(lines), round(minutes(folder), 1)) == (collection.clips, collection.minutes)
    assert {tuple(line["tags"]) for line in lines} == {("keyboard", "press"), ("keyboard", "release")}
    assert "Ico Doornekamp" in (folder / "ATTRIBUTION.txt").read_text(encoding="utf-8")


def test_the_music_is_what_the_list_says() -> None:
    folder, lines = read("hold-music", ())
    collection = find_dataset("hold-music").collection
    assert (len(lines), round(minutes(folder), 1)) == (collection.clips, collection.minutes)
    assert len({line["tags"][0] for line in lines}) == 5
    assert "Reno Project" in (folder / "ATTRIBUTION.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("language", "silent", "texts", "said"),
    [
        ("en", 17, 549, {"digits/1": "one", "letters/dash": "dash"}),
        ("es", None, 476, {"digits/2": "dos"}),
        ("fr", 15, 506, {"digits/2": "deux"}),
        ("it", None, 566, {"digits/2": "due", "letters/dash": "trattino"}),
        ("ru", None, 553, {"digits/2": "два"}),
    ],
)
def test_prompts_through_gsm_are_what_the_list_says(
    language: str, silent: int | None, texts: int, said: dict[str, str]
) -> None:
    name = f"speech-prompts-{language}"
    collection = find_dataset(name).collection
    folder, lines = read(name, (), {"codec": "gsm"})
    assert len(lines) == collection.clips
    padding = collection.clips * 0.02 / 60  # each to whole frames of 20 ms
    assert collection.minutes - 0.05 <= minutes(folder) <= collection.minutes + 0.05 + padding
    _, spoken = read(name, ("text",), {"codec": "gsm"})
    by_name = {line["audio"]: line["text"] for line in spoken}
    assert len(by_name) == texts
    assert {key: by_name[f"audio/{key}.flac"] for key in said} == said
    if silent is None:
        assert "speech" not in collection.labels
        return
    _, lines = read(name, ("speech",), {"codec": "gsm"})
    quiet = [line["audio"] for line in lines if not line["speech"]]
    assert len(quiet) == silent
    assert sum("silence" in name for name in quiet) == 10
    for line in lines:
        duration_s = soundfile.info(folder / line["audio"]).duration
        assert all(0 <= start < end <= duration_s for start, end in line["speech"])


def test_prompts_through_g722_are_the_same_prompts_in_a_wider_band() -> None:
    """Both copies are of one master: the wide one has what the other has, at the same time, and more above 4 kHz."""
    wide, lines = read("speech-prompts-en", ("text",), {"codec": "g722", "clips": 12})
    narrow, _ = read("speech-prompts-en", ("text",), {"codec": "gsm", "clips": 12})
    assert len(lines) == 12
    lags, above = [], 0.0
    for line in lines:
        samples, rate_hz = soundfile.read(wide / line["audio"])
        assert rate_hz == 16_000
        other = resample_poly(soundfile.read(narrow / line["audio"])[0], 2, 1)
        lags.append(int(np.argmax(correlate(samples, other, method="fft"))) - (len(other) - 1))
        spectrum = np.abs(np.fft.rfft(samples)) ** 2
        above += spectrum[len(spectrum) // 2 :].sum() / spectrum.sum()
    assert abs(np.median(lags)) <= 32  # 2 ms
    assert above / len(lines) > 1e-3


def test_melodies_sound_as_they_are_labelled() -> None:
    """The strongest period of the middle of each long note is the labelled one, within 20 cents."""
    folder, lines = read("rendered-melodies", ("notes", "pitch"), {"clips": 10})
    for line in lines:
        samples, rate_hz = soundfile.read(folder / line["audio"])
        onset_s, offset_s, midi = max(line["notes"], key=lambda note: note[1] - note[0])
        middle = samples[round((onset_s + 0.1) * rate_hz) : round((offset_s - 0.02) * rate_hz)]
        expected_hz = 440 * 2 ** ((midi - 69) / 12)
        assert abs(1200 * np.log2(_find_pitch_hz(middle, rate_hz, expected_hz) / expected_hz)) < 20, line["audio"]
        labelled = [hz for time_s, hz in line["pitch"] if onset_s <= time_s < offset_s]
        assert labelled == pytest.approx([expected_hz] * len(labelled), abs=1e-3)


def _find_pitch_hz(samples: np.ndarray, rate_hz: int, near_hz: float) -> float:
    """The period of highest autocorrelation within half a tone of a pitch."""
    spectrum = np.fft.rfft(samples, 2 * len(samples))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: len(samples)] / np.arange(len(samples), 0, -1)
    lags = np.arange(int(rate_hz / near_hz * 0.944), int(rate_hz / near_hz * 1.06) + 2)
    best = lags[np.argmax(correlation[lags])]
    before, peak, after = correlation[best - 1 : best + 2]
    return float(rate_hz / (best + 0.5 * (before - after) / (before - 2 * peak + after)))


def test_pieces_are_what_the_list_says_and_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, lines = read("rendered-pieces", ("notes",), {"clips": 3, "seconds": 5.0})
    assert len(lines) == 3
    for line in lines:
        duration_s = soundfile.info(folder / line["audio"]).duration
        assert line["notes"]
        assert all(0 <= onset_s < offset_s <= duration_s for onset_s, offset_s, _ in line["notes"])
    digests = _digest(folder)
    archives = folder.parent.parent / "archives"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    (tmp_path / "archives").symlink_to(archives)
    again = make_dataset(find_dataset("rendered-pieces", {"clips": 3, "seconds": 5.0}))
    assert again != folder
    assert _digest(again) == digests


def _digest(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
