"""Which windows of a dataset are heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from packager.proving.window_choice import choose_windows


def _windows(levels: list[float]) -> np.ndarray:
    noise = np.random.default_rng(3).choice([-1.0, 1.0], (len(levels), 1, 32)).astype(np.float32)
    return noise * np.array(levels, np.float32)[:, None, None]


def test_both_ends_the_quietest_and_the_loudest_are_heard() -> None:
    levels = [0.1] * 1000
    levels[123], levels[777] = 0.9, 0.001
    chosen = choose_windows(_windows(levels), 16)
    assert len(set(chosen)) == 16
    assert chosen == sorted(chosen)
    assert {0, 999, 123, 777} <= set(chosen)
    assert max(np.diff(chosen)) < 250


@pytest.mark.parametrize("loud_at", ["first", "last", "middle"])
def test_the_order_of_clips_changes_little(loud_at: str) -> None:
    """A tenth is loud: wherever it lies, about as much of it is heard."""
    quiet, loud = list(np.linspace(0.001, 0.01, 900)), list(np.linspace(0.3, 0.9, 100))
    levels = {"first": loud + quiet, "last": quiet + loud, "middle": quiet[:450] + loud + quiet[450:]}[loud_at]
    heard = [levels[index] for index in choose_windows(_windows(levels), 16)]
    assert max(heard) == max(levels)
    assert min(heard) == min(levels)
    assert 1 <= sum(level > 0.2 for level in heard) <= 4


@pytest.mark.parametrize(
    ("n_windows", "count", "stretch", "expected"),
    [
        (1, 16, 1, [0]),
        (5, 16, 1, [0, 1, 2, 3, 4]),
        (16, 16, 1, list(range(16))),
        (10, 8, 4, [0, 4]),
        (3, 8, 4, [0]),
        (17, 2, 8, [0, 8]),
    ],
)
def test_what_is_short_is_heard_whole(n_windows: int, count: int, stretch: int, expected: list[int]) -> None:
    assert choose_windows(_windows([0.5] * n_windows), count, stretch=stretch) == expected


def test_stretches_do_not_overlap_and_hold_the_loudest() -> None:
    levels = [0.1] * 640
    levels[333] = 1.0
    chosen = choose_windows(_windows(levels), 8, stretch=16)
    assert len(chosen) == 8
    assert all(first % 16 == 0 for first in chosen)
    assert 320 in chosen


def test_a_file_is_read_in_parts(tmp_path: Path) -> None:
    windows = _windows(list(np.random.default_rng(5).uniform(0, 1, 3000)))
    np.save(tmp_path / "w.npy", windows)
    assert choose_windows(np.load(tmp_path / "w.npy", mmap_mode="r"), 16) == choose_windows(windows, 16)
