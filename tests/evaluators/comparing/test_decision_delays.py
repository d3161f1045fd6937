"""Decisions matched one to one in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.comparing.decision_delays import list_decisions, match_decisions
from evaluators.picture_records import Note, Pictures, Span


@given(
    gaps=st.lists(st.floats(0.3, 5), min_size=1, max_size=30),
    delay_s=st.floats(-0.14, 0.14),
    data=st.data(),
)
def test_a_constant_delay_is_found_whatever_is_missing(gaps: list[float], delay_s: float, data: st.DataObject) -> None:
    times = np.cumsum(gaps)
    kept = data.draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times)))
    later = times[np.array(kept)] + delay_s
    found = match_decisions({"a": times}, {"a": later})
    assert len(found.delays_s) == len(later)
    assert (found.reference_alone, found.estimate_alone) == (len(times) - len(later), 0)
    if all(kept):
        assert found.delays_s == pytest.approx(np.full(len(times), delay_s), abs=1e-9)


def test_labels_are_matched_apart_and_far_decisions_not_at_all() -> None:
    first = {"a": np.array([1.0, 9.0]), "b": np.array([1.05])}
    second = {"a": np.array([1.1]), "b": np.array([3.0]), "c": np.array([1.0])}
    found = match_decisions(first, second)
    assert found.delays_s == pytest.approx([0.1])
    assert (found.reference_alone, found.estimate_alone) == (2, 2)


def test_sides_may_be_empty() -> None:
    assert len(match_decisions({}, {}).delays_s) == 0
    assert match_decisions({"a": np.array([1.0])}, {}).reference_alone == 1


def test_decisions_are_what_a_task_draws() -> None:
    spans = (Span(start_s=2.0, end_s=3.0, label="speech"), Span(start_s=0.5, end_s=1.0, label="speech"))
    notes = (Note(onset_s=1.0, offset_s=2.0, pitch_midi=60),)
    found = list_decisions(Pictures(spans=spans, events=notes))
    assert found is not None
    assert {label: times.tolist() for label, times in found.items()} == {"speech": [0.5, 2.0], "midi 60": [1.0]}
    assert list_decisions(Pictures(text="hello")) is None
    assert list_decisions(Pictures(spans=())) == {}
