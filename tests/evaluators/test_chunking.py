"""Whatever the pieces, the windows are those of the whole clip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.chunking import WindowBuffer, stream_windows
from evaluators.errors import EvaluationError
from evaluators.windows import cut
from packager.bundle import AudioContract


@given(
    window=st.integers(1, 60),
    share=st.floats(0.01, 1),
    channels=st.integers(1, 2),
    length=st.integers(1, 400),
    chunk=st.integers(1, 500),
)
def test_windows_of_pieces_are_those_of_the_whole(
    window: int, share: float, channels: int, length: int, chunk: int
) -> None:
    audio = AudioContract(
        sample_rate_hz=8000, channels=channels, window_samples=window, hop_samples=max(1, int(window * share))
    )
    samples = np.random.default_rng(5).normal(size=(channels, length)).astype(np.float32)
    found = list(stream_windows(samples, chunk, audio))
    np.testing.assert_array_equal(np.stack(found), cut(samples, audio))


def test_a_window_is_given_as_soon_as_it_is_full() -> None:
    """An overlap's lead-in of two zeros counts: 6 of 8 samples fill the first window, 4 more the second."""
    buffer = WindowBuffer(AudioContract(sample_rate_hz=8000, window_samples=8, hop_samples=4))
    ramp = np.arange(1, 11, dtype=np.float32)[None]
    assert buffer.push(ramp[:, :5]) == []
    (first,) = buffer.push(ramp[:, 5:6])
    assert first.tolist() == [[0, 0, 1, 2, 3, 4, 5, 6]]
    (second,) = buffer.push(ramp[:, 6:])
    assert second.tolist() == [[3, 4, 5, 6, 7, 8, 9, 10]]
    (last,) = buffer.flush()
    assert last.tolist() == [[7, 8, 9, 10, 0, 0, 0, 0]]


def test_after_a_reset_nothing_is_left_of_the_clip_before() -> None:
    buffer = WindowBuffer(AudioContract(sample_rate_hz=8000, window_samples=4, hop_samples=4))
    buffer.push(np.ones((1, 3), np.float32))
    buffer.reset()
    assert buffer.flush() == []
    (window,) = buffer.push(np.full((1, 4), 2, np.float32))
    assert window.tolist() == [[2, 2, 2, 2]]


def test_pieces_of_other_channels_are_refused() -> None:
    buffer = WindowBuffer(AudioContract(sample_rate_hz=8000, window_samples=4, hop_samples=4))
    with pytest.raises(EvaluationError, match=r"shape \(2, 3\); \(1, samples\) is expected, channels first"):
        buffer.push(np.ones((2, 3), np.float32))
