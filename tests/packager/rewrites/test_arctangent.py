"""Phase in both formats, on the axes too, where the converters' own arctangents are wrong."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.tflite, pytest.mark.coreml]

LEAST_DB = 100.0
"""one division and one arctangent, each rounded to float32"""


def test_every_quadrant_and_both_axes(prove_both: Any) -> None:
    """-0 is left out: there the angle may be pi or -pi, which is the same direction."""
    steps = torch.tensor([-2.0, -1e-6, 0.0, 1e-6, 3.0])
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    found = prove_both(lambda y, x: torch.atan2(y, x), y.contiguous(), x.contiguous())
    assert min(found.values()) >= LEAST_DB, found
