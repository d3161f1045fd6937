from __future__ import annotations

import numpy as np
import pytest

from packager.audio_windows import fix_audio_shape, name_audio_axes, shape_window
from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.proving.probes import probe_windows

MONO = AudioContract(sample_rate_hz=8000, window_samples=100, hop_samples=80)
STEREO = MONO.model_copy(update={"channels": 2})


@pytest.mark.parametrize(
    ("shape", "audio", "fixed", "axes"),
    [
        ((None, None), MONO, (1, 100), ("batch", "sample")),
        ((None, 100), MONO, (1, 100), ("batch", "sample")),
        ((1, 100), MONO, (1, 100), ("batch", "sample")),
        ((None,), MONO, None, None),
        ((100,), MONO, (100,), ("sample",)),
        ((None, None, 1), MONO, (1, 100, 1), ("batch", "sample", "channel")),
        ((None, 1, None), MONO, (1, 1, 100), ("batch", "channel", "sample")),
        ((None, 2, None), STEREO, (1, 2, 100), ("batch", "channel", "sample")),
        ((None, 100, 2), STEREO, (1, 100, 2), ("batch", "sample", "channel")),
        ((None, 99), MONO, None, None),
        ((None, 50, 2), MONO, None, None),  # as many numbers as a window, but no window
        ((2, 100), MONO, None, None),
        ((None, None), STEREO, None, None),
        ((None, None, None), MONO, None, None),
    ],
)
def test_shapes_and_axes(
    shape: tuple[int | None, ...],
    audio: AudioContract,
    fixed: tuple[int, ...] | None,
    axes: tuple[str, ...] | None,
) -> None:
    if fixed is None:
        with pytest.raises(PackagingError) as caught:
            fix_audio_shape(shape, audio, where="m: input 'x'")
        assert str(caught.value) == (
            f"m: input 'x' has shape {list(shape)}, which does not hold one window of 100 samples and "
            f"{audio.channels} channel(s); make audio.window_samples and audio.channels in the recipe match the model"
        )
    else:
        assert fix_audio_shape(shape, audio, where="x") == fixed
        assert name_audio_axes(fixed, audio) == axes


def test_stereo_windows_are_laid_out_as_the_axes_say() -> None:
    window = np.arange(200, dtype=np.float32).reshape(2, 100)
    first = shape_window(window, (1, 2, 100), ("batch", "channel", "sample"))
    last = shape_window(window, (1, 100, 2), ("batch", "sample", "channel"))
    np.testing.assert_array_equal(first[0], window)
    np.testing.assert_array_equal(last[0], window.T)
    assert last.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("audio", [MONO, STEREO, MONO.model_copy(update={"window_samples": 1, "hop_samples": 1})])
def test_probes_are_seeded_finite_and_as_loud_as_told(audio: AudioContract) -> None:
    probes = probe_windows(audio)
    assert list(probes) == ["chirp", "noise"]
    for name, window in probes.items():
        assert window.shape == (audio.channels, audio.window_samples)
        assert window.dtype == np.float32
        assert np.isfinite(window).all()
        np.testing.assert_array_equal(window, probe_windows(audio)[name])
    assert np.abs(probes["chirp"]).max() <= 0.5


def test_the_chirp_sweeps_from_50_hz_to_45_percent_of_the_rate() -> None:
    """Zero crossings of the first and last tenth give the frequencies there, the sweep's own movement allowed for."""
    audio = AudioContract(sample_rate_hz=16000, window_samples=64000, hop_samples=64000)
    chirp, noise = probe_windows(audio)["chirp"][0], probe_windows(audio)["noise"][0]
    assert 20 * np.log10(np.sqrt(np.mean(noise.astype(np.float64) ** 2))) == pytest.approx(-40, abs=0.1)
    tenth = 6400
    for part, low, high in ((chirp[:tenth], 50, 85), (chirp[-tenth:], 4300, 7200)):
        hz = np.count_nonzero(np.diff(np.signbit(part))) / 2 / (tenth / 16000)
        assert low <= hz <= high
