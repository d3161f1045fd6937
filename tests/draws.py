"""Numbers for tests, drawn anew for each call: what one case is given does not depend on the cases before it."""

from __future__ import annotations

import numpy as np


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Of mean 0 and deviation 1, float32; another `seed` where one case takes two of a shape."""
    return _generator(shape, seed).standard_normal(shape).astype(np.float32)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    """From 0.1 to 0.9, float32."""
    return _generator(shape, seed).uniform(0.1, 0.9, shape).astype(np.float32)


def integers(*shape: int, low: int = -9, high: int = 9, seed: int = 0) -> np.ndarray:
    """From `low` to below `high`, int32."""
    return _generator(shape, seed).integers(low, high, shape).astype(np.int32)


def _generator(shape: tuple[int, ...], seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *shape])
