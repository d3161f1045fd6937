"""One worker as its parent sees it: started, read, held to its limits, and ended with all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from device_profiles.record import Record, parse_json, parse_record
from device_profiles.text import clean_text
from packager.disk import explain_no_space, refuse_write, tells_of_disk
from packager.errors import PackagingError
from packager.jobs.inputs import Input
from packager.jobs.results import ResultsFolder
from packager.jobs.scratch import MARK, Scratch
from packager.jobs.worker import DONE, EVENT, FAULT, MADE, REFUSAL

MOST_EVENT_BYTES = 256 * 2**20
"""of all events of one worker: the scores of a million notes take 60 MB"""
MOST_LOG_BYTES = 64 * 2**20
_KEPT_LOG_BYTES = 8 * 2**20
"""of the beginning and the end of a log that grew beyond `MOST_LOG_BYTES`"""
_MOST_REASON = 10_000
_START = ("-P", "-m", "packager.jobs.worker")
_READ_BYTES = 16 * 2**20
_LOOK_S = 0.25
"""how often new children are looked for"""
POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
"""what tells libraries how many threads to compute with; sums are added in another order then"""


@dataclass(frozen=True)
class Limits:
    """What a worker and all that it starts may use before it is ended."""

    time_s: float = 900.0
    memory_bytes: int = 12 * 2**30


@dataclass(frozen=True)
class Job:
    """One call to be made in a worker.

    Attributes:
        target: `module:function`; it takes the request and yields records, or dictionaries that JSON can hold.
        request: The function's argument, as JSON can hold it.
        log: Where the worker's output goes; None drops it.
        limits: Time and memory.
        event: What each event must be; None takes any dictionary.
        results: Name → where the file or folder of that name belongs, see `ResultsFolder`. Where there are any, the
            target takes as second argument the folder to make them in, and yields a `Made` for each.
        code: The modules that the worker begins with or loads by name: with all that they import they decide what it
            makes, see `packager.jobs.code`.
        inputs: What the request names and the worker reads; anything else it cannot see elsewhere than here.
        is_alone: Whether nothing else may run beside it: what is timed.
        threads: How many threads libraries compute with that are told no number; None lets them take all cores. Two
            workers that both take all cores wait for each other, and each takes twice as long.
    """

    target: str
    request: dict[str, Any]
    log: Path | None
    limits: Limits = Limits()
    event: type[Record] | None = None
    results: Mapping[str, Path] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    is_alone: bool = False
    threads: int | None = None


@dataclass(frozen=True)
class Ended:
    """How a worker ended.

    Attributes:
        reason: None when all went well, else one sentence.
        is_refusal: Whether the reason is a message of our own, which says what would be right; else the job broke.
    """

    reason: str | None
    is_refusal: bool = False


class WorkerProcess:
    """A worker, from its start to its end."""

    def __init__(self, job: Job) -> None:
        """Start it.

        Raises:
            PackagingError: Its log or its temporary folder cannot be written.
        """
        self._job = job
        self._scratch = Scratch()
        self._results: ResultsFolder | None = None
        try:
            self._results = ResultsFolder(job.results) if job.results else None
            self._log = _open_log(job.log or self._scratch.path / "log.txt")
            self._process = self._start()
        except BaseException:
            self._remove_folders()
            raise
        self._buffer, self._n_read = b"", 0
        self._is_done = self._is_distrusted = self._is_refusal = False
        self._reason: str | None = None
        self._deadline = time.monotonic() + job.limits.time_s
        self._next_look = 0.0
        self._tree: list[psutil.Process] = []

    def _start(self) -> subprocess.Popen[bytes]:
        folder = self._scratch.path
        (folder / "request.json").write_text(json.dumps(self._job.request))
        (folder / "events").touch()
        self._events: BinaryIO = (folder / "events").open("rb")
        out = Path(self._log.name).absolute().parent
        results = [] if self._results is None else [str(self._results.path)]
        return subprocess.Popen(
            [sys.executable, *_START, self._job.target, str(folder), str(os.getpid()), str(out), *results],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=_environment(self._scratch, self._job.threads),
            start_new_session=True,  # an interrupt from the terminal is this process's to handle
        )

    def is_over(self) -> bool:
        """Whether it has ended, by itself or since it passed a limit."""
        if self._process.poll() is None:
            self._enforce_limits()
        return self._process.poll() is not None

    def events(self) -> Iterator[Any]:
        """What it has said since the last look; an event that is none is its fault, and ends it."""
        while not self._is_distrusted and (data := self._events.read(_READ_BYTES)):
            self._n_read += len(data)
            if self._n_read > MOST_EVENT_BYTES:
                self.distrust(f"the worker said more than {MOST_EVENT_BYTES} bytes")
                return
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            for line in lines:
                try:
                    event = self._read_line(line)
                except PackagingError as fault:
                    self.distrust(str(fault))
                    return
                if event is not None:
                    yield event

    def distrust(self, reason: str) -> None:
        """End it since what it says cannot be, and hear no more of it."""
        self._is_distrusted = True
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        """End it for a reason; the first one counts. What it said before is still heard."""
        self._reason = self._reason or reason
        self._kill()

    def close(self) -> Ended:
        """End it and all that it started, remove its folder, and say how it ended."""
        self._kill()
        code = self._process.wait()
        self._events.close()
        reason = self._explain_end(code)
        self._remove_folders()
        self._cap_log()
        self._log.close()
        return Ended(None if reason is None else clean_text(reason)[:_MOST_REASON], self._is_refusal)

    def _remove_folders(self) -> None:
        self._scratch.remove()
        if self._results is not None:
            self._results.remove()

    def _explain_end(self, code: int) -> str | None:
        """Why it failed; asked while what it left is still there, since a full disk kills without a word."""
        folders = [] if self._job.log is None else [self._job.log.parent]
        if self._reason is not None and tells_of_disk(self._reason):
            return self._reason
        if self._reason is not None:
            return explain_no_space(folders, PackagingError(self._reason)) or self._reason
        if code == 0 and self._is_done:
            return None
        return explain_no_space(folders) or _describe_end(code)

    def _read_line(self, line: bytes) -> Any:
        word, _, text = line.partition(b" ")
        where = "the worker said what it may not"
        if word == DONE and not text:
            self._is_done = True
            return None
        if word not in (EVENT, MADE, FAULT, REFUSAL):
            raise PackagingError(f"{where}: {line[:80]!r}")
        try:
            value = parse_json(text.decode(), where=where, error=PackagingError)
        except UnicodeDecodeError as fault:
            raise PackagingError(f"{where}: {fault}") from None
        if word in (FAULT, REFUSAL):
            if not isinstance(value, str):
                raise PackagingError(f"{where}: a fault that is no text")
            if self._reason is None:
                self._reason, self._is_refusal = value, word == REFUSAL
            return None
        if word == MADE:
            self._take(value)
            return None
        if not isinstance(value, dict):
            raise PackagingError(f"{where}: an event that is no object")
        event = self._job.event
        return value if event is None else parse_record(value, event, where=where, error=PackagingError)

    def _take(self, name: Any) -> None:
        if self._results is None or not isinstance(name, str):
            raise PackagingError(f"the worker made {name!r}, which it was not asked for")
        self._results.take(name)

    def _enforce_limits(self) -> None:
        self._cap_log()
        limits = self._job.limits
        if time.monotonic() > self._deadline:
            self._fail(f"took longer than {limits.time_s:g} s")
        elif self._memory_bytes() > limits.memory_bytes:
            self._fail(f"needed more than {limits.memory_bytes / 2**30:.3g} GiB of memory")

    def _memory_bytes(self) -> int:
        """Resident memory of it and its children."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_S
            with contextlib.suppress(psutil.Error):  # it ended between two looks
                process = psutil.Process(self._process.pid)
                self._tree = [process, *process.children(recursive=True)]
        total = 0
        for process in self._tree:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def _cap_log(self) -> None:
        """Keep the beginning and the end of a log that grows without end."""
        if os.fstat(self._log.fileno()).st_size <= MOST_LOG_BYTES:
            return
        self._signal(signal.SIGSTOP)  # what it wrote while the log is cut would be lost, its last words among it
        try:
            with Path(self._log.name).open("rb") as log:
                log.seek(-_KEPT_LOG_BYTES, os.SEEK_END)
                end = log.read(_KEPT_LOG_BYTES)
            self._log.truncate(_KEPT_LOG_BYTES)
            self._log.write(f"\n(more than {MOST_LOG_BYTES} bytes: some are left out here)\n".encode() + end)
            self._log.flush()
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker with its group, if it still runs."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _kill(self) -> None:
        """Kill the worker with its group and the children that were seen; what is left is ended with its folder."""
        self._signal(signal.SIGKILL)
        for process in self._tree[1:]:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _describe_end(code: int) -> str:
    if code > 0:
        return f"the worker ended with exit code {code}"
    if code == 0:
        return "the worker ended with exit code 0 before its work was done"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # one of the real-time signals
        name = f"signal {-code}"
    return f"the worker was ended by {name}"


def _open_log(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        return path.open("ab")  # so that a writer goes on at the end of a log that was cut
    except OSError as fault:
        raise refuse_write(path, fault) from None


def _environment(scratch: Scratch, threads: int | None) -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ,
        **({} if threads is None else dict.fromkeys(POOLS, str(threads))),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(scratch.temporary),
        "KERAS_HOME": str(scratch.temporary),  # else Keras obeys, and writes, a file in the user's home
        MARK: str(scratch.path),
    }
