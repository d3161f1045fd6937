from __future__ import annotations

import math

import numpy as np
import pytest

from packager.proving.clips import departure_db
from packager.snr import bounded_db, snr_db

TINY, HUGE = 1e-320, 1e308


@pytest.mark.parametrize(
    ("signal", "error", "expected"),
    [
        (100.0, 1.0, 20.0),
        (1.0, 2.0, -3.0103),
        (1.0, 0.0, math.inf),
        (0.0, 0.0, math.inf),
        (math.inf, 0.0, math.inf),
        (0.0, 1e-30, None),
        (0.0, math.nan, None),
        (math.nan, 1.0, None),
        (math.inf, 1.0, None),
        (math.nan, math.nan, None),
        (1.0, math.nan, -math.inf),
        (1.0, math.inf, -math.inf),
        (HUGE, TINY, 6280.0),
        (TINY, HUGE, -6280.0),
    ],
)
def test_every_pair_has_one_answer(signal: float, error: float, expected: float | None) -> None:
    found = snr_db(signal, error)
    assert found == expected if expected is None or math.isinf(expected) else found == pytest.approx(expected, abs=1e-3)
    bounded = bounded_db(signal, error, 150.0)
    assert bounded == pytest.approx(150.0 if expected is None else min(150.0, max(-150.0, expected)), abs=1e-3)


def test_what_is_the_same_is_identical_whatever_it_holds() -> None:
    odd = np.array([np.inf, 1.0], np.float32)
    assert departure_db(odd, odd.copy(), 1.0) == math.inf
    assert departure_db(np.ones(4), np.ones(4) + 0.1, 1.0) == pytest.approx(20.0)
    assert departure_db(np.ones(2), np.array([1.0, np.nan]), 1.0) == -math.inf
    assert departure_db(np.zeros(2), np.ones(2), 0.0) is None
