"""Which of a dataset's windows a proof and a calibration hear: from all of it, and from quiet to loud."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BATCH = 1024
"""windows read at once"""


def choose_windows(windows: npt.NDArray[np.float32], count: int, *, stretch: int = 1) -> list[int]:
    """Stretches of windows, half of them spread evenly over the dataset, half over its range of loudness.

    The first and the last stretch, the quietest and the loudest are among them. Whoever sorts the clips of a dataset
    in another way changes little of what is heard.

    Args:
        windows: Float32 (windows, …); a memory map is read in parts.
        count: How many stretches, at most.
        stretch: How many windows in a row each has; a rest at the end that is shorter is never chosen.

    Returns:
        The index of each stretch's first window, ascending.
    """
    n_stretches = max(len(windows) // stretch, 1)
    levels = measure_levels(windows)[: n_stretches * stretch].reshape(n_stretches, -1).max(axis=1)
    by_time, by_level = np.arange(n_stretches), np.argsort(levels, kind="stable")
    half = max(count // 2, 1)
    wanted = [*_spread(by_time, count - half), *_spread(by_level, half)] if count < n_stretches else [*by_time]
    rest = (*_spread(by_level, count), *_spread(by_time, count), *by_time)
    chosen = list(dict.fromkeys(int(index) for index in (*wanted, *rest)))[:count]
    return [index * stretch for index in sorted(chosen)]


def _spread(places: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.intp]:
    """So many of the places at even distances, both ends among them."""
    at = np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)
    return np.asarray(places[at], np.intp)


def measure_levels(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Each window's mean square; a memory map is read in parts."""
    parts = (windows[first : first + _BATCH] for first in range(0, len(windows), _BATCH))
    return np.concatenate([np.square(part, dtype=np.float64).reshape(len(part), -1).mean(axis=1) for part in parts])
