from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.page.word_alignment import MOST_WORDS, align_words

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "שלום"]), max_size=9).map(" ".join)


def test_every_kind_of_edit_has_its_place() -> None:
    found = align_words("turn the kitchen light on", "turn a kitchen light right on please")
    kinds = [(step.kind, step.reference, step.estimate) for step in found.steps]
    assert kinds == [
        ("same", "turn", "turn"),
        ("substituted", "the", "a"),
        ("same", "kitchen", "kitchen"),
        ("same", "light", "light"),
        ("inserted", "", "right"),
        ("same", "on", "on"),
        ("inserted", "", "please"),
    ]
    assert (found.substituted, found.inserted, found.deleted, found.is_same) == (1, 2, 0, False)


@pytest.mark.parametrize(("said", "heard", "counts"), [("", "", (0, 0)), ("a b", "", (0, 2)), ("", "a b", (2, 0))])
def test_either_side_may_be_empty(said: str, heard: str, counts: tuple[int, int]) -> None:
    found = align_words(said, heard)
    assert (found.inserted, found.deleted) == counts


@settings(max_examples=300, deadline=None)
@given(WORDS, WORDS)
def test_both_texts_can_be_read_off_the_steps(said: str, heard: str) -> None:
    found = align_words(said, heard)
    assert " ".join(step.reference for step in found.steps if step.reference) == said
    assert " ".join(step.estimate for step in found.steps if step.estimate) == heard


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(WORDS.filter(bool), WORDS)
def test_the_counts_are_those_of_jiwer(said: str, heard: str) -> None:
    jiwer = pytest.importorskip("jiwer")
    found, expected = align_words(said, heard), jiwer.process_words(said, heard)
    counts = (found.substituted, found.inserted, found.deleted)
    assert counts == (expected.substitutions, expected.insertions, expected.deletions)


def test_long_texts_are_cut_and_say_so() -> None:
    start = time.process_time()
    found = align_words("a " * 10_000, "b " * 10_000)
    assert time.process_time() - start < 10
    assert (found.is_cut, found.substituted, found.left_out) == (True, MOST_WORDS, MOST_WORDS - 100)
