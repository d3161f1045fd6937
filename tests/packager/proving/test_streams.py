from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from packager.errors import PackagingError
from packager.proving.streams import Stream, carry, silence
from tests.one_pole import AUDIO, STATE, OnePole

pytestmark = pytest.mark.tflite

WINDOWS = np.random.default_rng(5).normal(size=(5, 1, AUDIO.window_samples)).astype(np.float32)


def test_carried_states_make_windows_one_clip() -> None:
    source = OnePole()
    carried = list(carry(source, [{"audio": window} for window in WINDOWS], STATE))
    whole = source.run({"audio": np.concatenate(WINDOWS, axis=1), **silence(source, STATE)})
    np.testing.assert_allclose(np.concatenate([one["filtered"] for one in carried], axis=1), whole["filtered"], 1e-5)


def test_a_stream_begins_anew_after_a_reset() -> None:
    stream = Stream(OnePole(), AUDIO, STATE)
    first = [stream.run_window(window)["filtered"] for window in WINDOWS]
    assert not np.array_equal(stream.run_window(WINDOWS[0])["filtered"], first[0])
    stream.reset()
    np.testing.assert_array_equal([stream.run_window(window)["filtered"] for window in WINDOWS], first)


def test_an_input_that_nothing_feeds_is_refused() -> None:
    with pytest.raises(PackagingError, match="the model takes audio, level; to be played on audio it must take one"):
        Stream(OnePole(), AUDIO, {})
