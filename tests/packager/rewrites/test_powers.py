"""Powers with constant exponents: the values of torch's own, and in five dimensions through both formats."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.pytorch


@pytest.mark.parametrize("exponent", [-2, -1.0, -0.5, 0.5, 1, 2, 2.0, 3, 4])
def test_small_exponents(prove: Any, audio: SimpleNamespace, exponent: float) -> None:
    found, applied = prove(lambda x: x**exponent, audio.noise(3, 40).abs() + 0.1)
    assert found >= 135  # up to two products, each rounded to float32
    assert applied == (("elementary", "powers") if exponent < 0 else ("powers",))


def test_other_exponents_of_few_dimensions_are_left_alone(prove: Any, audio: SimpleNamespace) -> None:
    _, applied = prove(lambda x: x**0.3, audio.noise(3, 40).abs() + 0.1)
    assert applied == ()


@pytest.mark.slow
@pytest.mark.tflite
@pytest.mark.coreml
def test_five_dimensions_in_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    found = prove_both(lambda x: (x**2, x.abs() ** 0.3, (x * x) ** -0.5), audio.noise(1, 2, 5, 4, 2) + 3)
    assert min(found.values()) >= 110, found  # a logarithm and an exponential, each rounded
