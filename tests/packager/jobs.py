"""What `test_workers.py` has real workers do. Each function is a job's target."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packager.errors import PackagingError

Events = Iterator[dict[str, Any]]


def count(request: dict[str, Any]) -> Events:
    for number in range(request["to"]):
        yield {"number": number}


def refuse(_: dict[str, Any]) -> Events:
    yield {"before": True}
    raise PackagingError("the model has two heads; one is expected\nsecond line, kept")


def fail(_: dict[str, Any]) -> Events:
    yield {"before": True}
    raise ValueError("first line\nsecond line")


def fail_silently(_: dict[str, Any]) -> Events:
    yield {"before": True}
    raise KeyError


def be_noisy(_: dict[str, Any]) -> Events:
    print("noise on standard output")  # noqa: T201
    print("noise on standard error", file=sys.stderr)  # noqa: T201
    os.write(1, b"noise from below Python\n")
    yield {"heard": True}


def crash(_: dict[str, Any]) -> Events:
    yield {"before": True}
    os.kill(os.getpid(), signal.SIGSEGV)
    yield {"after": True}


def leave(request: dict[str, Any]) -> Events:
    yield {"before": True}
    os._exit(request["code"])


def hang(request: dict[str, Any]) -> Events:
    yield {"pid": os.getpid()}
    if "pid_file" in request:
        Path(request["pid_file"]).write_text(str(os.getpid()))
    time.sleep(120)


def hoard(request: dict[str, Any]) -> Events:
    yield {"before": True}
    held = b"x" * request["bytes"]  # written to, so that it is resident
    time.sleep(120)
    yield {"bytes": len(held)}


def say_nan(_: dict[str, Any]) -> Events:
    yield {"value": float("nan")}


def say_much(request: dict[str, Any]) -> Events:
    yield {"text": "é" * request["characters"]}


def where_from(_: dict[str, Any]) -> Events:
    import packager

    yield {"packager": packager.__file__, "folder": str(Path.cwd())}
