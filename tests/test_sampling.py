from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests import sampling


def _items(**counts: int) -> list[Any]:
    """`slow_` functions are marked so."""
    return [
        SimpleNamespace(
            nodeid=f"tests/test_x.py::{name}[{case}]",
            get_closest_marker=lambda _, slow=name.startswith("slow"): "slow" if slow else None,
        )
        for name, count in counts.items()
        for case in range(count)
    ]


def test_a_few_cases_of_each_slow_test_and_all_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TESTPRESS_CASES", raising=False)
    monkeypatch.delenv("TESTPRESS_SEED", raising=False)
    items = _items(slow_many=50, slow_few=2, quick=30)
    kept, left_out = sampling.choose(items)
    assert len(kept) == sampling.CASES + 2 + 30
    assert [one for one in items if one in kept] == kept
    assert sorted(map(id, [*kept, *left_out])) == sorted(map(id, items))
    again, _ = sampling.choose(reversed(items))
    assert {one.nodeid for one in again} == {one.nodeid for one in kept}


def test_another_seed_takes_others_and_all_are_all(monkeypatch: pytest.MonkeyPatch) -> None:
    items = _items(slow_many=50)
    chosen = set()
    for seed in "12":
        monkeypatch.setenv("TESTPRESS_SEED", seed)
        chosen.add(tuple(one.nodeid for one in sampling.choose(items)[0]))
    assert len(chosen) == 2
    monkeypatch.setenv("TESTPRESS_CASES", "all")
    assert sampling.choose(items) == (items, [])
