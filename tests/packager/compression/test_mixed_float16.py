"""The search, on errors that are known in closed form: each op adds its own harm while it computes in float16."""

from __future__ import annotations

import math
from collections.abc import Collection

import pytest

from packager.compression.mixed_float16 import find_float32_ops
from packager.compression.model_runner import MixedOp


class Harms:
    """Names are `op0`, `op1` … in a chain."""

    def __init__(self, count: int, harms: dict[int, float], macs: dict[int, int] | None = None) -> None:
        self.ops = [MixedOp(f"op{i}", (macs or {}).get(i, 0), (f"op{i - 1}",) if i else ()) for i in range(count)]
        self._harms = {f"op{index}": harm for index, harm in harms.items()}
        self.asked = 0

    def error(self, kept: Collection[str], bound: float) -> float:
        self.asked += 1
        return sum(harm for name, harm in self._harms.items() if name not in kept)

    def find(self, limit: float = 1.0) -> set[int]:
        return {int(name.removeprefix("op")) for name in find_float32_ops(self.ops, self.error, limit)}


def test_float16_that_holds_keeps_nothing_and_is_asked_once() -> None:
    harms = Harms(100, dict.fromkeys(range(100), 0.001))
    assert harms.find() == set()
    assert harms.asked == 1


@pytest.mark.parametrize("place", [0, 41, 99])
def test_one_harmful_op_is_all_that_stays(place: int) -> None:
    harms = Harms(100, {place: math.inf})
    assert harms.find() == {place}
    assert harms.asked <= 2 * math.ceil(math.log2(100)) + 4


def test_ops_without_macs_between_harmful_ones_stay() -> None:
    assert Harms(100, {40: 5.0, 42: 5.0}).find() == {40, 41, 42}
    assert Harms(100, {40: 5.0, 42: 5.0}, macs={41: 7}).find() == {40, 42}


def test_what_has_macs_is_given_up_where_the_limit_allows_it() -> None:
    """Both would take more than half of the limit alone; one of them may."""
    assert Harms(50, {10: 0.6, 20: 0.6}, macs={10: 1_000_000, 20: 10}).find() == {20}


def test_small_harms_count_where_they_make_up_the_error() -> None:
    found = Harms(64, dict.fromkeys(range(10, 20), 0.3)).find()
    assert found == set(range(10, 20))


def test_where_nothing_holds_everything_stays() -> None:
    ops = [MixedOp(f"op{i}", 1) for i in range(8)]
    assert find_float32_ops(ops, lambda kept, bound: 2.0, 1.0) == {op.name for op in ops}


@pytest.mark.slow
def test_large_programs_are_looked_into_in_parts() -> None:
    """1,000 ops, all harmful: each asked about by itself would be 2,000 runs."""
    harms = Harms(1000, dict.fromkeys(range(1000), 2.0))
    assert harms.find() == set(range(1000))
    assert harms.asked < 600
