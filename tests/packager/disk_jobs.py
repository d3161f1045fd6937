"""What `test_disk.py` has real workers do on disks that are too small. Each function is a job's target."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TOO_MUCH_BYTES = 4 << 20

Events = Iterator[dict[str, Any]]


def write_to_map(request: dict[str, Any]) -> Events:
    """As libraries do: a file with holes that is mapped; the page that finds no room ends the process (SIGBUS)."""
    yield {"before": True}
    with Path(request["folder"], ".x.abcd1234.partial").open("w+b") as file:
        file.truncate(_TOO_MUCH_BYTES)
        with mmap.mmap(file.fileno(), 0) as mapped:
            mapped[:] = bytes(_TOO_MUCH_BYTES)


def fill_temporary(_: dict[str, Any]) -> Events:
    yield {"before": True}
    (Path(tempfile.gettempdir()) / "x").write_bytes(bytes(_TOO_MUCH_BYTES))


def fill_temporary_and_hide_it(_: dict[str, Any]) -> Events:
    yield {"before": True}
    try:
        (Path(tempfile.gettempdir()) / "x").write_bytes(bytes(_TOO_MUCH_BYTES))
    except OSError:
        raise RuntimeError("failed to serialize the program") from None


def print_without_end(_: dict[str, Any]) -> Events:
    yield {"before": True}
    while True:
        print("x" * 10_000)  # noqa: T201


def end_without_a_word(_: dict[str, Any]) -> Events:
    yield {"before": True}
    os._exit(3)
