"""Where a stranger's model is read and run: in a worker with limits, so that what it does ends there.

A file may crash its reader, loop without end or ask for all memory. The command then says so in one sentence and shows
what it learned before. The worker writes the text as well: this process imports nothing that knows models.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from device_profiles.errors import TestpressError
from device_profiles.files import is_file, is_folder
from device_profiles.record import Record
from packager.errors import PackagingError
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.workers import Ended, Job, Limits
from testpress.limits import LimitsSpec

READ_S = 120.0
"""for reading a file"""
CALL_S = 10.0
"""for loading a model and one call on zeros"""
RUN_S = 3600.0
"""for a whole recording"""
_LEAST_MEMORY = 3 * 2**30
_MEMORY_PER_BYTE = 6
"""a model's weights are held as the file has them, as the runtime lays them out, and expanded to float32"""
_MOST_MEMORY = 12 * 2**30
_MOST_FILES = 1000
"""a bundle has a dozen; the folder named may be that of the whole disk"""

OnStep = Callable[[int, int], None]


class Found(Record):
    """What a worker found."""

    data: dict[str, Any]
    """for --json"""
    text: str
    """for people"""
    fault: str | None = None
    """what is wrong with the file beside, if anything: told, and exit code 1"""


class Told(Record):
    """What a worker says: how far it is, or what it found; what it finds later replaces what it found before."""

    step: tuple[int, int] | None = None
    """how many steps are done, and of how many"""
    found: Found | None = None


class BrokenWorkerError(TestpressError):
    """A worker did not come to its end."""


def inspect_file(file: str, limits: LimitsSpec, signature: str | None = None) -> Found:
    """What is in a model file, even if the one call on zeros that it is tried with ends the worker.

    Args:
        file: As `locate_model` takes it.
        limits: What the user allows.
        signature: Which signature or function; else all.

    Raises:
        TestpressError: The file cannot be read.
    """
    call_s = CALL_S if limits.time_s is None else limits.time_s
    given = Limits(READ_S + call_s, limits.over(Limits(READ_S, _memory(file))).memory_bytes)
    found, ended = _run("inspect", {"file": file, "call_s": call_s, "signature": signature}, given)
    if ended.reason is None or found is None:
        return _finish(found, ended, file)
    reason = "did not end in time" if "SIGALRM" in ended.reason else ended.reason
    hint = "; --limit-time allows more" if "SIGALRM" in ended.reason else _hint(ended.reason)
    return found.model_copy(update={"fault": f"{file}: one call on zeros: {reason}{hint}"})


def predict_file(file: str, options: dict[str, Any], limits: LimitsSpec) -> Found:
    """What a model file would cost on phones.

    Args:
        file: As `locate_model` takes it.
        options: `devices`; `unit`, `threads` and `runtime`, or none for what the runtime's rules say; `signature`, or
            none for every one; `window` of what is open, or none; `calibrations`: files that `calibrate_phone` wrote;
            and `show_all`: whether to list every op.
        limits: What the user allows.

    Raises:
        TestpressError: The file cannot be read, or a phone is unknown.
    """
    found, ended = _run("predict", {"file": file, **options}, limits.over(Limits(READ_S, _memory(file))))
    return _finish(found, ended, file)


def calibrate_phone(measured: tuple[str, ...], options: dict[str, Any], limits: LimitsSpec) -> Found:
    """Hold measured times of a phone against its predictions.

    Args:
        measured: Files of measured times.
        options: `device`; `models`, `unit` and `threads`, for reports that do not say; and `out`: where to write the
            calibration, or none.
        limits: What the user allows.

    Raises:
        TestpressError: A file cannot be read, or no row can be predicted.
    """
    request = {"measured": measured, **options}
    found, ended = _run("calibrate", request, limits.over(Limits(READ_S, _MOST_MEMORY)))
    return _finish(found, ended, " ".join(measured))


def play_file(file: str, options: dict[str, Any], limits: LimitsSpec, on_step: OnStep) -> Found:
    """Play a model file on a recording.

    Args:
        file: As `locate_model` takes it.
        options: `make_request`'s, and `out`: where to write the outputs.
        limits: What the user allows.
        on_step: Called with the number of windows done and their total.

    Raises:
        TestpressError: The model cannot be played, the audio cannot be used, or the contract is not known.
    """
    found, ended = _run("play", {"file": file, **options}, limits.over(Limits(RUN_S, _memory(file))), on_step)
    return _finish(found, ended, file)


def call_file(file: str, options: dict[str, Any], limits: LimitsSpec) -> None:
    """Call a model with arrays.

    Args:
        file: As `locate_model` takes it.
        options: `calls`, an .npz of `INDEX/INPUT`, and `count` of them; `signature`; `out`: where to write the outputs,
            an .npz of `INDEX/OUTPUT`.
        limits: What the user allows.

    Raises:
        TestpressError: The model cannot be opened, or an input is not what it takes.
    """
    found, ended = _run("call", {"file": file, **options}, limits.over(Limits(RUN_S, _memory(file))))
    _finish(found, ended, file)


def watch_file(file: str, options: dict[str, Any], limits: LimitsSpec, on_step: OnStep) -> Found:
    """Watch a model at work; as `play_file`, with `make_request`'s options and `show_all`."""
    both = max(_memory(file), _memory(options["against"] or file))
    found, ended = _run("watch", {"file": file, **options}, limits.over(Limits(RUN_S, both)), on_step)
    return _finish(found, ended, file)


def probe_frontend(file: str, options: dict[str, Any], limits: LimitsSpec) -> Found:
    """Hold features against a front end.

    Args:
        file: A recipe or a bundle.
        options: `ProbeRequest`'s, and `out`: where to write the features.
        limits: What the user allows.

    Raises:
        TestpressError: There is no front end, no audio, or the features cannot be read.
    """
    found, ended = _run("probe", {"file": file, **options}, limits.over(Limits(RUN_S, _LEAST_MEMORY)))
    return _finish(found, ended, file)


def _run(
    verb: str, request: dict[str, Any], limits: Limits, on_step: OnStep = lambda *_: None
) -> tuple[Found | None, Ended]:
    found: Found | None = None

    def on_event(_: int, told: Told) -> None:
        nonlocal found
        found = told.found or found
        if told.step is not None:
            on_step(*told.step)

    plain = {name: str(value) if isinstance(value, Path) else value for name, value in request.items()}
    job = Job(f"testpress.sandbox_jobs:{verb}", plain, None, limits, Told)
    (ended,) = LocalExecutor().run([job], on_event)
    return found, ended


def _finish(found: Found | None, ended: Ended, file: str) -> Found:
    if ended.is_refusal:
        raise PackagingError(ended.reason)
    if ended.reason is not None or found is None:
        raise BrokenWorkerError(f"{file}: {ended.reason}{_hint(str(ended.reason))}")
    return found


def _hint(reason: str) -> str:
    """What would be right, as far as a worker's end tells."""
    if reason.startswith("took longer"):
        return "; --limit-time allows more"
    if reason.startswith("needed more"):
        return "; --limit-memory allows more"
    return "; the file is damaged, or the runtime has a fault" if "ended by SIG" in reason else ""


def _memory(file: str) -> int:
    """What an honest model of that size needs at most; a small one that asks for more is none."""
    path = Path(file)
    size = path.stat().st_size if is_file(path) else 0
    if is_folder(path):
        files = itertools.islice(path.rglob("*"), _MOST_FILES)
        size = sum(inner.stat().st_size for inner in files if is_file(inner))
    return min(_MOST_MEMORY, _LEAST_MEMORY + _MEMORY_PER_BYTE * size)
