"""Ctrl-C at any moment: exit code 130, no traceback, no worker and no half-written file left."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from specimens import Job
from tiny_tflite import write_gain

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


def _start(arguments: list[str], output: Path, temporary: Path) -> int:
    """The command in a child of this process, which is ready when this returns: no interpreter has to start."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        handle = os.open(output, os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(handle, stream)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        tempfile.tempdir, sys.argv = str(temporary), ["testpress", *arguments]
        from testpress.__main__ import main

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # until `main` has its own: what comes before it is the test's
        os.write(writer, b"x")
        try:
            main()
        except SystemExit as end:
            os._exit(int(end.code or 0))
        finally:
            os._exit(99)
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    os.close(writer)
    return child


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
        child = _start(arguments, output, temporary)
        time.sleep(generator.uniform(0, longest_s))
        workers = psutil.Process(child).children(recursive=True)
        os.kill(child, signal.SIGINT)
        _, status = os.waitpid(child, 0)
        codes.append(os.waitstatus_to_exitcode(status))
        text = output.read_text()
        assert "Traceback" not in text, text
        assert "Exception ignored" not in text, text
        assert psutil.wait_procs(workers, timeout=10)[1] == []
        assert not list(notes_job.out.rglob("*.partial"))
    assert set(codes) <= {0, 3, 130}, [codes, [(tmp_path / f"{n}.txt").read_text() for n in range(MOMENTS)]]
    assert 130 in codes
