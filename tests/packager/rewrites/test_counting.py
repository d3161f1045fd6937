"""Counts by kind and shifts, rewritten, against torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.pytorch

FORMULAS: dict[str, Callable[..., Any]] = {
    "counts": lambda x, k: torch.bincount(k, minlength=9),
    "weighted counts": lambda x, k: torch.bincount(k, weights=x, minlength=9),
    "histogram": lambda x, k: torch.histc(x, bins=10, min=-2, max=2),
    "histogram of all": lambda x, k: torch.histc(x, bins=7),
    "histogram of one value": lambda x, k: torch.histc(x * 0, bins=7),
    "shifts": lambda x, k: ((k - 4) << 2, (k - 4) >> 1, torch.bitwise_left_shift(k, k % 3)),
    "powers": lambda x, k: torch.linalg.vander(x, N=4),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMULAS)
def test_counts_and_shifts(prove: Any, audio: Any, kind: str) -> None:
    x = audio.noise(200)
    snr_db, applied = prove(FORMULAS[kind], x, (x.sigmoid() * 8).long())
    assert snr_db >= 120
    assert "counting" in applied


@pytest.mark.slow
def test_bins_that_nobody_counted_are_refused(refusal: Any, audio: Any) -> None:
    said = refusal(lambda x: torch.bincount(x.abs().long()), audio.noise(200))
    assert "depends on the data" in said
    assert "say minlength" in said
