from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evaluators.datasets.builtin.collection import LabelledClip
from evaluators.datasets.builtin.joining import join_clips
from evaluators.errors import EvaluationError

RATE_HZ = 8000


def _clip(name: str, seconds: float, *, rate_hz: int = RATE_HZ, **labels: Any) -> LabelledClip:
    return LabelledClip(name, np.full(round(seconds * rate_hz), 0.5, np.float32), rate_hz, labels)


def test_sounds_and_labels_are_where_the_pauses_put_them() -> None:
    first = _clip("a", 1.0, speech=[[0.25, 0.75]], text="one", tags=["digits"])
    second = _clip("b", 0.5, speech=[[0.0, 0.1], [0.4, 0.5]], text="two", tags=["digits", "loud"])
    joined = join_clips("ab", [first, second], [0.5, 2.0, 0.25])
    assert len(joined.samples) == round(4.25 * RATE_HZ)
    sounding = np.zeros(len(joined.samples), bool)
    sounding[round(0.5 * RATE_HZ) : round(1.5 * RATE_HZ)] = sounding[round(3.5 * RATE_HZ) : round(4 * RATE_HZ)] = True
    np.testing.assert_array_equal(joined.samples, np.where(sounding, np.float32(0.5), np.float32(0)))
    assert joined.labels == {
        "speech": [[0.75, 1.25], [3.5, 3.6], [3.9, 4.0]],
        "text": "one two",
        "tags": ["digits", "loud"],
    }


def test_without_pauses_clips_follow_each_other() -> None:
    joined = join_clips("ab", [_clip("a", 0.2, identity="de"), _clip("b", 0.3, identity="de")])
    assert (len(joined.samples), joined.labels) == (round(0.5 * RATE_HZ), {"identity": "de"})


def test_what_is_not_true_of_the_whole_is_left_out() -> None:
    parts = [_clip("a", 0.2, identity="de", text="x", speech=[]), _clip("b", 0.3, identity="en", text="y")]
    assert join_clips("ab", parts).labels == {"text": "x y"}


def test_rates_are_not_mixed() -> None:
    with pytest.raises(EvaluationError, match="ab: joins clips of 8000 Hz, 16000 Hz; right is one"):
        join_clips("ab", [_clip("a", 0.1), _clip("b", 0.1, rate_hz=16000)])
