from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evaluators.comparing.flips import FlipCounter
from evaluators.core_records import MOST_EXAMPLES

DECISIONS = st.lists(st.sampled_from("abcde"))


def test_gained_and_lost_decisions_are_told_with_their_clip() -> None:
    counter = FlipCounter()
    counter.add("one.wav", ["C4 at 1 s", "E4 at 1 s"], ["C4 at 1 s", "G4 at 2 s"])
    counter.add("two.wav", ["dog"], ["dog"])
    found = counter.result()
    assert (found.decisions, found.gained, found.lost, found.count) == (3, 1, 1, 2)
    assert found.examples == ("one.wav: + G4 at 2 s", "one.wav: - E4 at 1 s")


@given(DECISIONS, DECISIONS)
def test_what_is_gained_one_way_is_lost_the_other(before: list[str], after: list[str]) -> None:
    there, back = FlipCounter(), FlipCounter()
    there.add("c", before, after)
    back.add("c", after, before)
    first, second = there.result(), back.result()
    assert (first.gained, first.lost) == (second.lost, second.gained)
    assert len(before) - first.lost + first.gained == len(after)
    assert len(first.examples) <= MOST_EXAMPLES
    assert (first.count == 0) == (sorted(before) == sorted(after))
