from __future__ import annotations

import ctypes
from collections import OrderedDict

import numpy as np
import numpy.typing as npt
import pytest

LINE, PAGE = 64, 4096


class _Cache:
    """Least recently used, a dictionary in the order of use for each set."""

    def __init__(self, size: int, ways: int) -> None:
        self._ways = ways
        self._sets: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(size // ways // LINE)]

    def holds(self, line: int) -> bool:
        lines = self._sets[line % len(self._sets)]
        found = lines.pop(line, 0) is None
        lines[line] = None
        if len(lines) > self._ways:
            lines.popitem(last=False)
        return found


def _simulate(l1d: _Cache, l2: _Cache, addresses: npt.NDArray[np.uint64], sizes: npt.NDArray[np.uint32]) -> list[int]:
    pages: dict[int, int] = {}
    accesses = first = second = 0
    for address, size in zip(addresses.tolist(), sizes.tolist(), strict=True):
        for line in range(address // LINE, (address + size - 1) // LINE + 1):
            page, within = divmod(line, PAGE // LINE)
            place = pages.setdefault(page, len(pages)) * (PAGE // LINE) + within
            accesses += 1
            if not l1d.holds(place):
                first += 1
                second += not l2.holds(place)
    return [accesses, first, second]


def _count(
    parts: ctypes.CDLL, l1d: str, l2: str, addresses: npt.NDArray[np.uint64], sizes: npt.NDArray[np.uint32]
) -> list[int]:
    found = np.zeros(3, np.uint64)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (addresses, sizes, found)]
    done = parts.testpress_simulate(
        l1d.encode(), l2.encode(), *pointers[:2], ctypes.c_uint64(len(addresses)), pointers[2]
    )
    assert done, "the caches' sizes were refused"
    return found.tolist()


def _draw_addresses(kind: str, count: int) -> npt.NDArray[np.uint64]:
    rng = np.random.default_rng(16)
    if kind == "stream":
        return np.arange(count, dtype=np.uint64) * 24 % (3 << 18)
    if kind == "anywhere":
        return rng.integers(0, 2**48, count, dtype=np.uint64)
    if kind == "few pages":
        return rng.choice(rng.integers(0, 2**36, 300, dtype=np.uint64), count) * PAGE + rng.integers(
            0, PAGE, count, dtype=np.uint64
        )
    near = np.cumsum(rng.integers(-300, 310, count)) + 2**40
    return near.astype(np.uint64)


@pytest.mark.parametrize(
    ("l1d", "l2"), [((65536, 4), (262144, 8)), ((32768, 2), (1048576, 16)), ((1024, 16), (4096, 1))]
)
@pytest.mark.parametrize("kind", ["stream", "anywhere", "few pages", "walk"])
def test_misses_are_those_of_an_independent_simulation(
    parts: ctypes.CDLL, kind: str, l1d: tuple[int, int], l2: tuple[int, int]
) -> None:
    addresses = _draw_addresses(kind, 20_000)
    sizes = np.random.default_rng(17).choice([1, 2, 4, 8, 16, 64], len(addresses)).astype(np.uint32)
    right = _simulate(_Cache(*l1d), _Cache(*l2), addresses, sizes)
    assert _count(parts, f"{l1d[0]}:{l1d[1]}", f"{l2[0]}:{l2[1]}", addresses, sizes) == right
    assert right[0] > len(addresses), "some cross a line"


def test_where_pages_lie_does_not_matter(parts: ctypes.CDLL) -> None:
    rng = np.random.default_rng(18)
    pages, within = rng.integers(0, 500, 30_000), rng.integers(0, PAGE - 8, 30_000).astype(np.uint64)
    sizes = np.full(len(pages), 8, np.uint32)
    here, there = (np.unique(rng.integers(0, 2**36, 600, dtype=np.uint64))[:500] for _ in range(2))
    counts = [_count(parts, "32768:4", "524288:16", where[pages] * PAGE + within, sizes) for where in (here, there)]
    assert counts[0] == counts[1]
    assert counts[0][1] > counts[0][2] > 0


@pytest.mark.parametrize(
    "size", ["", "65536", "65536:", ":4", "65536:0", "65536:3", "65537:4", "64:2", "x:4", "65536:4x", "9" * 30 + ":4"]
)
def test_sizes_that_no_cache_has_are_refused(parts: ctypes.CDLL, size: str) -> None:
    nothing = np.zeros(3, np.uint64).ctypes.data_as(ctypes.c_void_p)
    for sizes in ((size, "4096:4"), ("4096:4", size)):
        texts = [one.encode() for one in sizes]
        assert not parts.testpress_simulate(*texts, nothing, nothing, ctypes.c_uint64(0), nothing)
