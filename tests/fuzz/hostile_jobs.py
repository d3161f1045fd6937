"""What a worker may do to the process that reads its events: targets of jobs, run by `packager.jobs.worker`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class _Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def run(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an event, write given bytes beside it, and end in the way that is asked for."""
    yield {"event": "begun"}
    with (Path(os.environ["TESTPRESS_WORKER"]) / "events").open("ab") as file:
        file.write(bytes.fromhex(request["events"]))
    ENDS[request["end"]]()
    yield {"event": "ended"}


def _raise(fault: BaseException) -> None:
    raise fault


def _close_output() -> None:
    os.close(1)
    os.close(2)


def _leave_child() -> None:
    if os.fork() == 0:
        time.sleep(600)
        os._exit(0)


def _raise_huge() -> None:
    raise ValueError("x" * 10_000_000)


def _hold_memory() -> None:
    held = bytearray(1 << 30)
    held[::4096] = b"\1" * len(held[::4096])
    time.sleep(5)


def _write_log() -> None:
    for _ in range(200):
        os.write(1, b"noise\x1b[31m\n" * 100_000)


ENDS: dict[str, Callable[[], object]] = {
    "whole": lambda: None,
    "os._exit(0)": lambda: os._exit(0),
    "os._exit(3)": lambda: os._exit(3),
    "SystemExit": lambda: _raise(SystemExit(0)),
    "SystemExit text": lambda: _raise(SystemExit("over\x1b[31m\n::error::x")),
    "KeyboardInterrupt": lambda: _raise(KeyboardInterrupt()),
    "unprintable": lambda: _raise(_Unprintable()),
    "abort": os.abort,
    "closed": _close_output,
    "child": _leave_child,
    "huge": _raise_huge,
    "memory": _hold_memory,
    "log": _write_log,
    "sleep": lambda: time.sleep(600),
}
"""name → how a worker ends, or what it does before it ends well"""
