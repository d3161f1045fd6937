"""The worker process, as `workers.py` starts it: `packager.jobs.worker MODULE:FUNCTION FOLDER PARENT OUT [RESULTS]`."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from device_profiles.errors import TestpressError
from packager.diagnosis import report_fault
from packager.disk import explain_no_space
from packager.jobs.results import Made

EVENT, MADE, REFUSAL, FAULT, DONE = b"event", b"made", b"refusal", b"fault", b"done"
"""first words of the lines of `FOLDER/events`; behind all but the last stands JSON"""

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Run one job; every dictionary or record it yields becomes a line of `FOLDER/events`."""
    target, folder, parent, out, *results = arguments
    _die_with(int(parent))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # held by the parent while it started
    _be_expendable()
    module, _, function = target.partition(":")
    request = json.loads((Path(folder) / "request.json").read_text())
    with (Path(folder) / "events").open("ab") as events:
        try:
            for event in getattr(importlib.import_module(module), function)(request, *map(Path, results)):
                if isinstance(event, Made):
                    _say(events, MADE, event.made)
                else:
                    _say(events, EVENT, event if isinstance(event, dict) else event.model_dump(mode="json"))
        except BaseException as fault:  # noqa: BLE001  frameworks raise anything; the whole of it is in the log
            reason = report_fault(fault)
            full = explain_no_space([Path(out)], fault)
            _say(events, REFUSAL if full or isinstance(fault, TestpressError) else FAULT, full or reason)
        else:
            events.write(DONE + b"\n")
    return 0


def _say(events: BinaryIO, word: bytes, value: Any) -> None:
    events.write(word + b" " + json.dumps(value, allow_nan=False).encode() + b"\n")
    events.flush()


def _die_with(parent: int) -> None:
    """End when the parent ends, however it ends, so that a killed run leaves nobody writing behind it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call above
            os._exit(1)


def _be_expendable() -> None:
    """Leave no image of its memory behind, and go first where the system runs out of memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _end(code: int) -> NoReturn:
    """Leave without taking the frameworks apart, object by object: seconds, and now and then a crash."""
    atexit._run_exitfuncs()  # temporary folders are removed there
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a full disk; a stream that the job closed
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    _end(main(sys.argv[1:]))
