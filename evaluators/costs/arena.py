"""Where a runtime puts tensors of known size and life into one block of memory: largest first, each into the best gap.

TFLite's planner and XNNPACK's work alike; what differs is the order, the lives and the alignment that they are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FOREVER = 2**31 - 1
"""last step of what is never freed"""

_MOST_COMPARED = 5_000_000
"""pairs of blocks that are held against each other; 3000 ops in a row come to some 100,000"""


@dataclass(frozen=True)
class Block:
    """A tensor's need of memory."""

    size: int
    """in bytes"""
    first: int
    """step that writes it"""
    last: int
    """last step that reads it; both are included"""


def place_blocks(blocks: Sequence[Block], alignment: int) -> tuple[list[int], int]:
    """Give each block, in this order, the smallest gap among those placed before it that live at the same time.

    Source: LiteRT, `tflite/simple_memory_arena.cc`, `Allocate`; XNNPACK, `src/memory-planner.c`,
    `find_value_alloc_offset` (2026-08), which come to the same for sizes that are multiples of the alignment.

    Args:
        blocks: In the order in which they are placed.
        alignment: Of every block's begin, in bytes.

    Returns:
        Offsets in bytes, one a block (0 for empty ones), and the bytes of the whole: an upper bound for graphs so large
        and entangled that the rest is put behind all others unseen.
    """
    placed = _Placed(1 + max((block.first for block in blocks), default=0))
    offsets, end, compared = [0] * len(blocks), 0, 0
    for place, block in enumerate(blocks):
        if block.size == 0:
            continue
        if compared < _MOST_COMPARED:
            others = sorted(placed.during(block))
            compared += len(others)
            offset = _best_gap(others, block.size, alignment)
        else:
            offset = -(-end // alignment) * alignment
        offsets[place] = offset
        end = max(end, offset + block.size)
        placed.add(block, offset)
    return offsets, end


def _best_gap(spans: list[tuple[int, int]], size: int, alignment: int) -> int:
    """Where a block fits between others, given as begin and end, sorted; behind all where no gap is wide enough."""
    reached, best, width = 0, -1, 0
    for begin, end in spans:
        start = -(-reached // alignment) * alignment
        if start + size <= begin and (best < 0 or begin - start < width):
            best, width = start, begin - start
        reached = max(reached, end)
    return best if best >= 0 else -(-reached // alignment) * alignment


class _Placed:
    """Blocks by when they live: those that begin at a step, and, in a tree of halved spans of time, those that last."""

    def __init__(self, steps: int) -> None:
        self._leaves = 1 << (steps - 1).bit_length()
        self._begins: list[list[tuple[int, int]]] = [[] for _ in range(steps)]
        self._lasts: dict[int, list[tuple[int, int]]] = {}

    def add(self, block: Block, offset: int) -> None:
        span = (offset, offset + block.size)
        self._begins[block.first].append(span)
        low, high = block.first + self._leaves, min(block.last, self._leaves - 1) + self._leaves + 1
        while low < high:
            if low & 1:
                self._lasts.setdefault(low, []).append(span)
                low += 1
            if high & 1:
                high -= 1
                self._lasts.setdefault(high, []).append(span)
            low, high = low >> 1, high >> 1

    def during(self, block: Block) -> Iterator[tuple[int, int]]:
        """Spans of memory of those that live while a block does."""
        node = block.first + self._leaves
        while node:
            yield from self._lasts.get(node, ())
            node >>= 1
        for begins in self._begins[block.first + 1 : block.last + 1]:
            yield from begins
