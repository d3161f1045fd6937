"""Ctrl-C at any moment: exit code 130, no traceback, no worker and no half-written file left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.specimens import Job
from tests.testpress.tiny_tflite import write_gain

pytestmark = [pytest.mark.slow, pytest.mark.tflite]

SEED = 4
MOMENTS = 8
"""of each command"""


def _devices(_: Path, __: Job) -> list[str]:
    return ["devices", "--json"]


def _inspect(folder: Path, _: Job) -> list[str]:
    return ["inspect", str(write_gain(folder / "x.tflite"))]


def _run(_: Path, job: Job) -> list[str]:
    job.write()
    return ["run", str(job.path), "-o", str(job.out)]


COMMAND = """
import os, signal, sys
from testpress.__main__ import main

signal.signal(signal.SIGINT, signal.SIG_IGN)  # until `main` has its own: what comes before it is the test's
ready = int(sys.argv.pop(1))
os.write(ready, b"x")
os.close(ready)
main()
"""


def _start(arguments: list[str], output: Path, temporary: Path) -> subprocess.Popen[bytes]:
    """The command, ready to begin when this returns: the interrupt is not to meet the interpreter's own start."""
    reader, writer = os.pipe()
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(writer), *arguments],
            stdout=file,
            stderr=file,
            env={**os.environ, "TMPDIR": str(temporary)},
            pass_fds=[writer],
            start_new_session=True,
        )
    os.close(writer)
    ready = os.read(reader, 1)
    os.close(reader)
    assert ready == b"x", output.read_text()
    return process


@pytest.mark.parametrize(
    ("make", "longest_s"), [(_devices, 0.4), (_inspect, 1.5), (_run, 6.0)], ids=["devices", "inspect", "run"]
)
def test_an_interrupt_at_any_moment(
    make: Callable[[Path, Job], list[str]], longest_s: float, notes_job: Job, tmp_path: Path
) -> None:
    generator = random.Random(f"{SEED}/{make.__name__}")
    arguments, temporary = make(tmp_path, notes_job), tmp_path / "tmp"
    temporary.mkdir()
    codes = []
    for number in range(MOMENTS):
        output = tmp_path / f"{number}.txt"
        process = _start(arguments, output, temporary)
        time.sleep(generator.uniform(0, longest_s))
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        code = process.wait()
        # Of a process that the signal itself ended, in the interpreter's last moments, a shell says the same.
        codes.append(130 if code == -signal.SIGINT else code)
        text = output.read_text()
        assert "Traceback" not in text, text
        assert "Exception ignored" not in text, text
        assert psutil.wait_procs(workers, timeout=10)[1] == []
        assert not list(notes_job.out.rglob("*.partial"))
    assert set(codes) <= {0, 3, 130}, [codes, [(tmp_path / f"{n}.txt").read_text() for n in range(MOMENTS)]]
    assert 130 in codes
