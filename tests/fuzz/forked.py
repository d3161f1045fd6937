"""What a forked child does: become what a shell would have started, run the command, end as an interpreter ends."""

from __future__ import annotations

import atexit
import io
import os
import resource
import signal
import sys
import tempfile
import threading
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tests.fuzz.cases import Case, Stream

MOST_FILE_BYTES = 4 * 2**30
"""of one file, so that a fault fills no disk"""
_UNFLUSHED = 120
"""Python's own exit code when standard output cannot be written at the end"""


def become_command(case: Case, folder: Path, environment: dict[str, str], out: Path, err: Path) -> NoReturn:
    """Run a case; standard output and error go to `out` and `err`. Never returns."""
    try:
        os.setsid()
        _place_streams(case, out, err)
        os.closerange(3, 256)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        _forget_parent()
        _limit()
        sys.argv = ["testpress", *case.arguments]
        _open_streams(case)
        code = _end(_run(case.call or _command))
    except BaseException:  # noqa: BLE001  a fault of this file must not return into the parent's code
        os.write(2, f"the fuzzer's own fault: {traceback.format_exc()}".encode())
        code = 99
    os._exit(code)


def _command() -> int:
    from testpress.__main__ import main

    main()
    return 0


def _place_streams(case: Case, out: Path, err: Path) -> None:
    for number, stream, path in ((0, case.stdin, None), (1, case.stdout, out), (2, case.stderr, err)):
        if stream == "closed":
            os.close(number)
            continue
        source = _open(stream, path)
        os.dup2(source, number)
        os.close(source)


def _open(stream: Stream, path: Path | None) -> int:
    if stream == "full":
        return os.open("/dev/full", os.O_WRONLY)
    if stream == "no reader":
        read, write = os.pipe()
        os.close(read)
        return write
    return os.open(os.devnull, os.O_RDONLY) if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _open_streams(case: Case) -> None:
    """As the interpreter does at its start; a stream that is closed is None."""
    sys.stdin = None if case.stdin == "closed" else open(0, encoding=case.encoding, closefd=False)  # noqa: SIM115
    sys.stdout = None if case.stdout == "closed" else _text(1, case.encoding, "strict")
    sys.stderr = None if case.stderr == "closed" else _text(2, case.encoding, "backslashreplace")
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr


def _text(number: int, encoding: str, errors: str) -> io.TextIOWrapper:
    raw = open(number, "wb", closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(raw, encoding=encoding, errors=errors, line_buffering=number == 2)


def _forget_parent() -> None:
    """What the parent wanted done at its end is not this process's to do."""
    atexit._clear()
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]
    tempfile.tempdir = None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE_BYTES, MOST_FILE_BYTES))


def _run(call: Callable[[], int]) -> int:
    try:
        return call()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return (ended.code or 0) & 0xFF
        _say(f"{ended.code}\n")
        return 1
    except BaseException:  # noqa: BLE001  what the interpreter does with it
        _say(traceback.format_exc())
        return 1


def _end(code: int) -> int:
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if sys.stdout is not None and not sys.stdout.closed:
        try:
            sys.stdout.flush()
        except (OSError, ValueError) as fault:
            _say(f"Exception ignored in: {sys.stdout!r}\n{type(fault).__name__}: {fault}\n")
            return _UNFLUSHED
    _say("")
    return code


def _say(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):  # closed or full
        return
