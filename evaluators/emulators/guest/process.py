"""A process that plays a model: started, asked, believed only as far as it can be checked, and ended.

What runs inside is a stranger's model. It may crash, hang, print or write without end: each of these ends the process
and is one fault with its reason. What it prints goes to standard error, which is the log of the worker that started it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import resource
import selectors
import signal
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.text import clean_text, shorten
from evaluators.emulators.guest import program
from evaluators.errors import EvaluationError

PROGRAM = Path(program.__file__)
"""what is run"""
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
"""all that is seen of the environment in there"""
MOST_HEAD_BYTES = 4 * 2**20
MOST_BYTES = 2**30
"""of one answer"""
MOST_SECONDS = 600.0
"""that one answer may take"""
MOST_FILE_BYTES = 64 * 2**20
"""that it may write into one file"""
_DTYPE = re.compile(r"[<|][fiub][1248]|[<|]S[0-9]{1,6}")

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Answer:
    """What the guest said: a head, and arrays by name."""

    head: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


class GuestProcess:
    """One process that answers questions."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, title: str, folder: Path, patience_s: float
    ) -> None:
        """Start it.

        Args:
            command: What to run.
            environment: All that it sees of the environment.
            title: How messages name it.
            folder: Where it runs.
            patience_s: How long one answer may take.

        Raises:
            EvaluationError: It cannot be started.
        """
        self._title, self._patience_s = title, patience_s
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=dict(environment),
                cwd=folder,
            )
        except OSError as fault:
            raise EvaluationError(f"{title} cannot be started: {fault.strerror}") from None
        _limit(self._process.pid)

    def ask(self, what: str, inputs: Arrays, **more: Any) -> Answer:
        """Ask, and wait for the answer.

        Args:
            what: `load`, `run`, `count` or `reset`.
            inputs: Arrays by name.
            more: What else the question says.

        Raises:
            EvaluationError: The runtime refuses, the process died, took too long, or its answer cannot be read.
        """
        values = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        arrays = [{"name": name, "dtype": one.dtype.str, "shape": one.shape} for name, one in values.items()]
        head = json.dumps({"do": what, "arrays": arrays, **more}).encode()
        self._write([struct.pack("<I", len(head)), head, *(value.tobytes() for value in values.values())])
        return self.hear()

    def hear(self) -> Answer:
        """The next answer; errors as those of `ask`."""
        deadline = time.monotonic() + self._patience_s
        size = struct.unpack("<I", self._read(4, deadline))[0]
        if size > MOST_HEAD_BYTES:
            raise self._distrust("its head is too long")
        try:
            head = json.loads(self._read(size, deadline))
            listed = [_check_array(one) for one in head.get("arrays", ())]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
            raise self._distrust(f"its head is damaged ({type(fault).__name__})") from None
        if isinstance(head.get("fault"), str):
            raise EvaluationError(shorten(clean_text(head["fault"].strip()), 2000) or "no reason was given")
        if sum(dtype.itemsize * math.prod(shape) for _, dtype, shape in listed) > MOST_BYTES:
            raise self._distrust("its arrays are too large")
        found = {}
        for name, dtype, shape in listed:
            data = self._read(dtype.itemsize * math.prod(shape), deadline)
            found[name] = np.frombuffer(data, dtype).reshape(shape).copy()
        return Answer(head, found)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _write(self, parts: Sequence[bytes]) -> None:
        assert self._process.stdin is not None
        try:
            for part in parts:
                self._process.stdin.write(part)
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise self._explain_end() from None

    def _read(self, size: int, deadline: float) -> bytes:
        assert self._process.stdout is not None
        number, parts, left = self._process.stdout.fileno(), [], size
        with selectors.DefaultSelector() as selector:
            selector.register(number, selectors.EVENT_READ)
            while left:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self.close()
                    raise EvaluationError(f"{self._title} gave no answer in {self._patience_s:g} s, and was ended")
                part = os.read(number, min(left, 2**20))
                if not part:
                    raise self._explain_end()
                parts.append(part)
                left -= len(part)
        return b"".join(parts)

    def _explain_end(self) -> EvaluationError:
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.close()
            return EvaluationError(f"{self._title} closed its answers, and was ended")
        self.close()
        if code >= 0:
            return EvaluationError(f"{self._title} ended with exit code {code} and without an answer")
        name = signal.Signals(-code).name if -code in {int(one) for one in signal.Signals} else str(-code)
        if name == "SIGXFSZ":
            return EvaluationError(f"{self._title} wrote more than {MOST_FILE_BYTES >> 20} MiB into a file, and ended")
        return EvaluationError(f"{self._title} crashed (signal {name})")

    def _distrust(self, why: str) -> EvaluationError:
        self.close()
        return EvaluationError(f"{self._title} answered what cannot be read: {why}; it was ended")


def _check_array(one: Any) -> tuple[str, np.dtype[Any], tuple[int, ...]]:
    name, dtype, shape = one["name"], one["dtype"], one["shape"]
    if not (isinstance(name, str) and isinstance(dtype, str) and _DTYPE.fullmatch(dtype)):
        raise ValueError("an array has no name or another type")
    if len(shape) > 32 or not all(type(size) is int and 0 <= size <= MOST_BYTES for size in shape):
        raise ValueError("an array has no shape")
    return name, np.dtype(dtype), tuple(shape)


def _limit(process: int) -> None:
    """Before it is asked anything: no dump of a crash, and no file without end, where the system can say so."""
    # From outside: a function between fork and exec must not run where other threads hold locks, as frameworks' do.
    if not hasattr(resource, "prlimit"):
        return
    for what, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, MOST_FILE_BYTES)):
        with contextlib.suppress(OSError, ValueError):  # it has ended, or its own limit is lower
            resource.prlimit(process, what, (most, most))
