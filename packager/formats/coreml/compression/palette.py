"""The values a weight tensor is drawn from when it is palettised: k-means in one dimension, the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_ROUNDS = 100
_BINS = 64


def make_palette(weights: npt.NDArray[Any], bits: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Values that stand for weights with a small sum of squared errors, and which of them stands for each weight.

    Lloyd's algorithm on sorted weights: each weight takes the nearest value, each value the mean of its weights, until
    nothing changes. It starts from values as dense as the third root of the weights' density, the optimum for many
    values (Panter and Dite 1951, Quantization distortion in pulse-count modulation).

    Args:
        weights: Any shape, finite.
        bits: The palette has `2 ** bits` entries; those that are not needed are 0.

    Returns:
        The palette in the weights' dtype, and indices into it, in the order of the flat weights.
    """
    flat = weights.reshape(-1).astype(np.float64)
    values, inverse, counts = np.unique(flat, return_inverse=True, return_counts=True)
    size = 2**bits
    palette = np.zeros(size, weights.dtype)
    if len(values) <= size:
        palette[: len(values)] = values
        return palette, inverse.reshape(-1).astype(np.uint8)
    weight = np.concatenate([[0.0], np.cumsum(counts)])
    total = np.concatenate([[0.0], np.cumsum(counts * values)])
    centres = _start(flat, size)
    for _ in range(_ROUNDS):
        edges = _edges(values, centres)
        held = weight[edges[1:]] - weight[edges[:-1]]
        means = (total[edges[1:]] - total[edges[:-1]]) / np.maximum(held, 1)
        moved = np.where(held > 0, means, centres)
        if np.array_equal(moved, centres):
            break
        centres = np.sort(moved)
    palette[:] = centres
    edges = _edges(values, np.sort(palette.astype(np.float64)))
    palette.sort()
    of_value = np.repeat(np.arange(size, dtype=np.uint8), np.diff(edges))
    return palette, of_value[inverse.reshape(-1)]


def _start(flat: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
    counts, ends = np.histogram(flat, bins=_BINS)
    mass = np.concatenate([[0.0], np.cumsum(np.cbrt(counts))])
    centres: npt.NDArray[np.float64] = np.interp((np.arange(size) + 0.5) / size * mass[-1], mass, ends)
    return centres


def _edges(values: npt.NDArray[np.float64], centres: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Where, in sorted values, one centre's share ends and the next one's begins."""
    inner = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2)
    return np.concatenate([[0], inner, [len(values)]])
