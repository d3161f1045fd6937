"""Blocks placed by hand, and what holds of every plan."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.costs.arena import FOREVER, Block, place_blocks


@pytest.mark.parametrize(
    ("blocks", "offsets", "size"),
    [
        pytest.param([Block(100, 0, 1), Block(60, 1, 2), Block(90, 2, 3)], [0, 128, 0], 188, id="freed room is used"),
        pytest.param(
            [Block(256, 0, 9), Block(128, 0, 0), Block(64, 0, 9), Block(64, 1, 1)], [0, 256, 384, 256], 448,
            id="a gap between others",
        ),
        pytest.param(
            [Block(192, 0, 0), Block(64, 0, 9), Block(64, 1, 1), Block(64, 0, 9), Block(64, 1, 1), Block(60, 1, 1)],
            [0, 192, 0, 256, 64, 128], 320, id="the tightest gap",
        ),
        pytest.param([Block(0, 0, 9), Block(10, 0, FOREVER), Block(10, 5, 5)], [0, 0, 64], 74, id="an empty one"),
        pytest.param([], [], 0, id="nothing"),
    ],
)  # fmt: skip
def test_blocks_by_hand(blocks: list[Block], offsets: list[int], size: int) -> None:
    assert place_blocks(blocks, 64) == (offsets, size)


LIVES = st.lists(
    st.builds(
        lambda size, first, life: Block(size, first, FOREVER if life is None else first + life),
        st.integers(0, 5000), st.integers(0, 30), st.none() | st.integers(0, 12),
    ),
    max_size=40,
)  # fmt: skip


@given(LIVES, st.sampled_from([1, 16, 64]))
def test_no_two_blocks_share_room_while_both_live(blocks: list[Block], alignment: int) -> None:
    offsets, size = place_blocks(blocks, alignment)
    spans = [(b, o) for b, o in zip(blocks, offsets, strict=True) if b.size]
    for index, (one, begin) in enumerate(spans):
        assert begin % alignment == 0
        assert begin + one.size <= size
        for other, start in spans[:index]:
            if one.first <= other.last and other.first <= one.last:
                assert begin + one.size <= start or start + other.size <= begin
    steps = range(44)
    least = max((sum(b.size for b in blocks if b.first <= step <= b.last) for step in steps), default=0)
    assert least <= size <= sum(-(-b.size // alignment) * alignment for b in blocks)


def test_three_thousand_ops_are_planned_at_once() -> None:
    """A chain with skips of up to 200 ops: a tenth of a second where nothing else runs."""
    blocks = [Block(1000 + 7919 * k % 65537, k, k + (1, 1, 2, 5, 200)[k % 5]) for k in range(3000)]
    begin = time.process_time()
    place_blocks(sorted(blocks, key=lambda block: -block.size), 64)
    assert time.process_time() - begin < 3


@pytest.mark.slow
def test_a_graph_whose_blocks_all_live_at_once_is_bounded() -> None:
    """Each of 20,000 would be held against all others."""
    begin = time.process_time()
    offsets, size = place_blocks([Block(64, 0, FOREVER)] * 20_000, 64)
    assert (len(set(offsets)), size) == (20_000, 64 * 20_000)
    assert time.process_time() - begin < 10
