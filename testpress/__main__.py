"""The one place where errors, interrupts and verdicts become text and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

# Nothing else is imported here: an interrupt while the rest is imported is handled by `main` as well.

INTERRUPTED = 130
TERMINATED = 143


def main() -> NoReturn:
    """Run the command: 0 good · 1 the user can mend it · 2 usage · 3 a budget or limit broke · 130 interrupted."""
    _catch_signals()
    try:
        try:
            from testpress.edge import run_arguments

            code = run_arguments()
        except KeyboardInterrupt:
            code = INTERRUPTED
        _flush(code)
        signal.signal(signal.SIGINT, lambda *_: os._exit(code))  # the interpreter's end is no place for an exception
    except KeyboardInterrupt:  # while the outcome was told
        os._exit(INTERRUPTED)
    sys.exit(code)


def _catch_signals() -> None:
    """The first interrupt unwinds, which ends the workers; a second one ends this process at once, and so do they."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _carry_on


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    raise KeyboardInterrupt


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(TERMINATED)


def _carry_on(unraisable: Any) -> None:
    """An interrupt that fell into a place where Python drops exceptions counts all the same."""
    if unraisable.exc_type is KeyboardInterrupt:
        os._exit(INTERRUPTED)
    sys.__unraisablehook__(unraisable)


def _flush(code: int) -> None:
    """Write what is still held, so that a full disk or a closed pipe is told, not dropped by the interpreter's end."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError as fault:
        if not isinstance(fault, BrokenPipeError):
            os.write(2, f"testpress: standard output cannot be written: {fault.strerror}\n".encode())
        os._exit(code or 1)


if __name__ == "__main__":
    main()
