"""What `test_workers.py` has real workers do. Each function is a job's target."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packager.errors import PackagingError
from packager.jobs.results import Made

Events = Iterator[dict[str, Any]]


def read_variable(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"value": os.environ[request["variable"]]}


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

    bare = [name for name in ("storage", "jobs", "formats") if importlib.util.find_spec(name) is not None]
    yield {"packager": packager.__file__, "folder": str(Path.cwd()), "bare": bare}


def say_raw(request: dict[str, Any]) -> Events:
    """Whatever the request says, as the bytes of the worker's own file of events."""
    if "quiet" not in request:
        yield {"before": True}
    folder = Path(os.environ["TESTPRESS_WORKER"])
    with (folder / "events").open("ab") as events:
        events.write(bytes.fromhex(request["bytes"]) * request.get("times", 1))


def close_output(_: dict[str, Any]) -> Events:
    yield {"before": True}
    sys.stdout.close()
    sys.stderr.close()
    os.close(1)
    os.close(2)


def fail_without_output(_: dict[str, Any]) -> Events:
    yield {"before": True}
    sys.stdout.close()
    sys.stderr.close()
    raise ValueError("told all the same")


def leave_by_exception(request: dict[str, Any]) -> Events:
    yield {"before": True}
    raise {"exit": SystemExit("enough"), "interrupt": KeyboardInterrupt(), "bare": BaseException("x")}[request["by"]]


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def fail_unprintably(_: dict[str, Any]) -> Events:
    yield {"before": True}
    raise Unprintable


def fail_oddly(_: dict[str, Any]) -> Events:
    yield {"before": True}
    raise PackagingError("\x1b[31mred\ud800\u202e" + "x" * 20_000)


_CHILD = """
import os, sys, time
held = b"x" * int(sys.argv[1])
open(sys.argv[2], "a").write(f"{os.getpid()}\\n")
time.sleep(120)
"""


def leave_children(request: dict[str, Any]) -> Events:
    """Children that stay: in the group, in a session of their own, and in one with nothing of the environment."""
    pids = Path(request["pids"])
    for options in ({}, {"start_new_session": True}, {"start_new_session": True, "env": {}})[: request["count"]]:
        subprocess.Popen([sys.executable, "-c", _CHILD, str(request.get("bytes", 1)), str(pids)], **options)
    while not pids.is_file() or len(pids.read_text().split()) < request["count"]:
        time.sleep(0.01)
    yield {"before": True}
    time.sleep(request["stay_s"])


def flood(request: dict[str, Any]) -> Events:
    yield {"before": True}
    print("the beginning")  # noqa: T201
    line = b"noise " * 2000 + b"\n"
    for _ in range(request["bytes"] // len(line)):
        os.write(1, line)
        time.sleep(0.0001)
    print("the end")  # noqa: T201


def leave_files(_: dict[str, Any]) -> Events:
    path = Path(tempfile.mkdtemp())
    (path / "half").write_bytes(b"x" * 1000)
    yield {"folder": str(path)}
    time.sleep(120)


def wait_for_another(request: dict[str, Any]) -> Events:
    """Ends well only where another job of this kind runs at the same time."""
    folder = Path(request["folder"])
    (folder / f"here-{request['name']}").touch()
    end = time.monotonic() + request["s"]
    while len(list(folder.glob("here-*"))) < 2:
        if time.monotonic() > end:
            raise PackagingError("nobody came")
        time.sleep(0.01)
    yield {"name": request["name"]}


def make(request: dict[str, Any], folder: Path) -> Iterator[dict[str, Any] | Made]:
    """Writes what it is told, and says so."""
    for name, text in request["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.symlink_to("/etc/passwd")
        else:
            path.write_text(text)
    yield from (Made(made=name) for name in request["made"])
    yield {"made": len(request["made"])}


def read(request: dict[str, Any]) -> Events:
    yield {"text": Path(request["path"]).read_text()}
    raise PackagingError(f"{request['path']}: read, and refused")
