from __future__ import annotations

import numpy as np
import pytest

from packager.formats.coreml.compression.palette import make_palette


@pytest.mark.parametrize("bits", [4, 6, 8])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_is_as_good_as_many_values_can_be(bits: int, dtype: type) -> None:
    """Panter and Dite: with n values the error of a normal distribution tends to sqrt(3) pi / 2 / n²."""
    weights = np.random.default_rng(7).normal(size=(50, 40, 5)).astype(dtype)
    palette, indices = make_palette(weights, bits)
    assert palette.shape == (2**bits,)
    assert (palette.dtype, indices.dtype) == (np.dtype(dtype), np.dtype(np.uint8))
    error = np.mean((palette[indices].reshape(weights.shape).astype(np.float64) - weights) ** 2)
    assert error <= 1.1 * np.sqrt(3) * np.pi / 2 / 4**bits


def test_every_weight_has_the_nearest_value() -> None:
    weights = np.random.default_rng(7).laplace(size=3000).astype(np.float32)
    palette, indices = make_palette(weights, 4)
    nearest = np.abs(weights[:, None] - palette).min(1)
    np.testing.assert_array_equal(np.abs(weights - palette[indices]), nearest)


@pytest.mark.parametrize("weights", [[0.0, 1.0, 0.0, -2.0], [3.0] * 8, [np.finfo(np.float16).max, 0.0]])
def test_few_values_are_kept_as_they_are(weights: list[float]) -> None:
    given = np.array(weights, np.float16)
    palette, indices = make_palette(given, 4)
    np.testing.assert_array_equal(palette[indices], given)


def test_is_the_same_every_time() -> None:
    weights = np.random.default_rng(7).normal(size=20_000).astype(np.float32)
    (first, one), (second, other) = make_palette(weights, 6), make_palette(weights.copy(), 6)
    assert first.tobytes() == second.tobytes()
    assert one.tobytes() == other.tobytes()
