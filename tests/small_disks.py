"""File systems that are really full: a tmpfs of a few kilobytes, which root on Linux can mount."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own at `path`."""

    path: Path

    def resize(self, size_bytes: int) -> None:
        """What is on it stays; smaller than that it cannot be."""
        _mount("remount,", size_bytes, self.path)

    @property
    def used_bytes(self) -> int:
        found = os.statvfs(self.path)
        return (found.f_blocks - found.f_bfree) * found.f_frsize


@contextmanager
def small_disk(path: Path, size_bytes: int, *, n_files: int = 0) -> Iterator[SmallDisk]:
    """Mount one for as long as the block runs; where this machine lets nobody mount, the test is skipped.

    Args:
        path: Where; the folder is made.
        size_bytes: Its size, in whole pages.
        n_files: How many files and folders it holds, itself too; 0 is any number.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small file system")
    path.mkdir(parents=True, exist_ok=True)
    try:
        _mount(f"nr_inodes={n_files},", size_bytes, path)
    except subprocess.CalledProcessError as fault:
        pytest.skip(f"this machine lets not even root mount: {fault.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def _mount(how: str, size_bytes: int, path: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"{how}size={size_bytes}", "none", str(path)]
    subprocess.run(command, check=True, capture_output=True, text=True)
