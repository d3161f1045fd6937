"""The worker process: `python -m packager.worker MODULE:FUNCTION FOLDER PARENT`. Started by `packager.workers` only."""

from __future__ import annotations

import atexit
import ctypes
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from packager.diagnosis import report_fault

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Run one job; every dictionary it yields becomes a line of `FOLDER/events.jsonl`."""
    target, folder, parent = arguments
    _die_with(int(parent))
    module, _, function = target.partition(":")
    request = json.loads((Path(folder) / "request.json").read_text())
    with (Path(folder) / "events.jsonl").open("a") as events:
        try:
            for event in getattr(importlib.import_module(module), function)(request):
                events.write(json.dumps(event, allow_nan=False) + "\n")
                events.flush()
        except Exception as fault:  # noqa: BLE001  frameworks raise anything; the whole of it is in the log
            events.write(json.dumps({"worker_fault": report_fault(fault)}) + "\n")
    return 0


def _die_with(parent: int) -> None:
    """End when the parent ends, however it ends, so that a killed run leaves nobody writing behind it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call above
            os._exit(1)


def _end(code: int) -> NoReturn:
    """Leave without taking the frameworks apart, object by object: seconds, and now and then a crash."""
    atexit._run_exitfuncs()  # temporary folders are removed there
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _end(main(sys.argv[1:]))
