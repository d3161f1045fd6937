from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evaluators.decoding.waveforms import Waveform, align, find_recording, find_waveform
from evaluators.errors import EvaluationError
from evaluators.task import ClipContext
from evaluators.windows import Stitched

RATE_HZ = 8000


def _write(path: Path, samples: Any, rate_hz: int = RATE_HZ) -> Path:
    soundfile.write(path, np.asarray(samples), rate_hz, subtype="FLOAT")
    return path


def _clip(path: Path, n_samples: int = 800) -> ClipContext:
    return ClipContext(n_samples / RATE_HZ, "x.jsonl:1", {"reference": path})


def _stitched(values: Any, kind: Any = "audio", rate_hz: int = RATE_HZ) -> dict[str, Stitched]:
    array = np.asarray(values, np.float32)
    return {"out": Stitched(array, np.arange(array.shape[-1]) / rate_hz, kind)}


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape)


def test_a_recording_is_read_at_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    samples = _noise(800, 2).astype(np.float32)
    recording = find_recording(_clip(_write(tmp_path / "r.wav", samples)), "reference")
    assert recording.channels == 2
    assert np.array_equal(recording.read(RATE_HZ), samples.T)
    assert recording.read(2 * RATE_HZ).shape == (2, 1600)


def _bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    (folder / "text.wav").write_text("words")
    return {
        "short": (
            _write(folder / "s.wav", _noise(799)),
            "is 0.099875 s long where the clip is 0.1 s; both must be cut",
        ),
        "long": (_write(folder / "l.wav", _noise(801)), "is 0.100125 s long where the clip is 0.1 s; both must be cut"),
        "infinite": (_write(folder / "i.wav", np.full(800, np.inf)), "holds a value that is not finite"),
        "no audio": (folder / "text.wav", "cannot be read as audio"),
        "missing": (folder / "nothing.wav", "no such file"),
    }


@pytest.mark.parametrize("case", ["short", "long", "infinite", "no audio", "missing"])
def test_a_recording_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    path, message = _bad_files(tmp_path)[case]
    with pytest.raises(EvaluationError) as caught:
        find_recording(_clip(path), "reference")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"x.jsonl:1: reference {path}")
    assert "\n" not in str(caught.value)


def test_of_another_rate_a_part_of_a_sample_may_be_rounded(tmp_path: Path) -> None:
    for count in (1103, 1102):  # 0.1 s and a bit at 11025 Hz
        find_recording(_clip(_write(tmp_path / "r.wav", _noise(count), 11025)), "reference")


@pytest.mark.parametrize("shape", [(50,), (1, 50), (1, 1, 50), (2, 50), (1, 2, 50), (2, 1, 50)])
def test_a_waveform_has_channels(shape: tuple[int, ...]) -> None:
    values = _noise(*shape).astype(np.float32)
    found = find_waveform(_stitched(values), "out")
    assert found.rate_hz == RATE_HZ
    assert np.array_equal(found.samples, values.reshape(-1, 50))


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "the task needs the output 'out'; the model has none"),
        (
            _stitched(np.zeros(50), "frames"),
            'is of kind "frames" where a waveform is needed; say model.outputs.out.kind',
        ),
        (_stitched(np.zeros((2, 2, 50))), "must be (samples,) or (channels, samples); found (2, 2, 50)"),
        (_stitched(np.zeros(1)), "has 1 samples, which make no waveform"),
        (_stitched([0, 0, np.nan]), "is not finite, first at 0.000 s"),
    ],
)
def test_what_is_no_waveform(outputs: dict[str, Stitched], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        find_waveform(outputs, "out")
    assert message in str(caught.value)


def test_ends_that_rounding_moved_are_cut(tmp_path: Path) -> None:
    samples = _noise(800)
    recording = find_recording(_clip(_write(tmp_path / "r.wav", samples)), "reference")
    right, found = align(recording, Waveform(samples[None, :798], RATE_HZ), name="out")
    assert right.shape == found.shape == (1, 798)
    right, found = align(recording, Waveform(samples[None], RATE_HZ), name="out", delay_samples=5)
    assert np.allclose(right[0], samples[:795], atol=1e-7)
    assert np.array_equal(found[0], samples[5:])


@pytest.mark.parametrize(
    ("shape", "delay", "message"),
    [
        ((1, 700), 0, "output 'out' has 700 samples at 8000 Hz where r.wav has 800"),
        ((1, 803), 0, "output 'out' has 803 samples at 8000 Hz where r.wav has 800"),
        ((2, 800), 0, "output 'out' has 2 channels where r.wav has 1"),
        ((1, 800), 800, "task.options.delay_samples: 800 leaves nothing of a clip of 800 samples"),
    ],
)
def test_what_cannot_be_aligned(shape: tuple[int, int], delay: int, message: str, tmp_path: Path) -> None:
    recording = find_recording(_clip(_write(tmp_path / "r.wav", _noise(800))), "reference")
    with pytest.raises(EvaluationError) as caught:
        align(recording, Waveform(_noise(*shape), RATE_HZ), name="out", delay_samples=delay)
    assert str(caught.value) == message
