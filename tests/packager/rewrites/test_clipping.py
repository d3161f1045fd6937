"""Whole numbers as bounds, in both formats."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.tflite, pytest.mark.coreml]


def test_bounds_of_whole_numbers(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        functional = torch.nn.functional
        return functional.hardtanh(x * 9, 0, 20), functional.hardtanh(x * 9), functional.hardtanh(x * 9, -2.5, 3)

    found = prove_both(formula, audio.noise(2, 50))
    assert min(found.values()) >= 140, found  # values are moved or cut, and only multiplied once
