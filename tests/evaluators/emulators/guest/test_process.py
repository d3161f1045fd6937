"""A guest that crashes, hangs, lies or writes without end is one fault, and nothing of it goes on."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from evaluators.emulators.guest.process import MOST_FILE_BYTES, GuestProcess
from evaluators.errors import EvaluationError

HEAD = "import json, os, struct, sys, time, signal\nout = sys.stdout.buffer\nsys.stdin.buffer.read(4)\n"
SAY = HEAD + "def say(text, data=b''):\n    out.write(struct.pack('<I', len(text)) + text + data); out.flush()\n"


@contextmanager
def guest(code: str, folder: Path, patience_s: float = 20.0) -> Iterator[GuestProcess]:
    process = GuestProcess(
        [sys.executable, "-c", code],
        os.environ,
        title="m.tflite on the emulated X",
        folder=folder,
        patience_s=patience_s,
    )
    try:
        yield process
    finally:
        process.close()
    assert not [one for one in psutil.Process().children(recursive=True) if code in one.cmdline()]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (HEAD + "os.kill(os.getpid(), signal.SIGSEGV)", r"crashed \(signal SIGSEGV\)"),
        (HEAD + "sys.exit(3)", "ended with exit code 3 and without an answer"),
        (HEAD + "out.close(); os.close(1); time.sleep(0.3)", "ended with exit code 0 and without an answer"),
        (HEAD + "out.write(b'Hello, world!' * 9); out.flush(); time.sleep(9)", "its head is too long"),
        (SAY + "say(b'[' * 99999); time.sleep(9)", r"its head is damaged \((JSONDecodeError|RecursionError)\)"),
        (SAY + "say(b'[1]'); time.sleep(9)", r"its head is damaged \(AttributeError\)"),
        (SAY + 'say(b\'{"arrays": [{"name": 1}]}\'); time.sleep(9)', r"its head is damaged \(KeyError\)"),
        (
            SAY + "say(json.dumps({'arrays': [{'name': 'a', 'dtype': 'O', 'shape': [1]}]}).encode()); time.sleep(9)",
            r"its head is damaged \(ValueError\)",
        ),
        (
            SAY + "say(json.dumps({'arrays': [{'name': 'a', 'dtype': '<f4', 'shape': [-1]}]}).encode()); time.sleep(9)",
            r"its head is damaged \(ValueError\)",
        ),
        (
            SAY
            + "one = {'name': 'a', 'dtype': '<f4', 'shape': [2**29, 8]}; say(json.dumps({'arrays': [one]}).encode())",
            "its arrays are too large",
        ),
        (
            SAY + "say(json.dumps({'arrays': [{'name': 'a', 'dtype': '<f4', 'shape': [9]}]}).encode(), b'half')",
            "ended with exit code 0 and without an answer",
        ),
        (SAY + 'say(b\'{"fault": "no such\\\\u001b[31m op"}\')', "^no such.* op$"),
    ],
)
def test_a_guest_that_does_not_answer_is_one_fault(code: str, message: str, tmp_path: Path) -> None:
    with guest(code, tmp_path) as process, pytest.raises(EvaluationError, match=message) as caught:
        process.ask("run", {"x": np.zeros(3, np.float32)})
    assert "\x1b" not in str(caught.value)


def test_a_guest_that_hangs_is_ended(tmp_path: Path) -> None:
    with guest(HEAD + "time.sleep(99)", tmp_path, patience_s=0.3) as process:
        with pytest.raises(EvaluationError, match=r"gave no answer in 0\.3 s, and was ended"):
            process.ask("run", {})
        with pytest.raises(EvaluationError):
            process.ask("run", {})


def test_a_guest_that_fills_the_disk_is_ended(tmp_path: Path) -> None:
    code = HEAD + "f = open('big', 'wb')\nwhile True: f.write(bytes(2**22))"
    with guest(code, tmp_path) as process, pytest.raises(EvaluationError, match=r"wrote more than 64 MiB|exit code 1"):
        process.ask("run", {})
    assert (tmp_path / "big").stat().st_size <= MOST_FILE_BYTES


def test_arrays_go_and_come_as_they_are(tmp_path: Path) -> None:
    code = """
import json, struct, sys
i, o = sys.stdin.buffer, sys.stdout.buffer
while len(n := i.read(4)) == 4:
    head = json.loads(i.read(struct.unpack('<I', n)[0]))
    data = i.read(sum(8 if a['dtype'] == '<f8' else 1 for a in head['arrays'] for _ in range(6)))
    text = json.dumps({'arrays': head['arrays']}).encode()
    o.write(struct.pack('<I', len(text)) + text + data); o.flush()
"""
    sent = {"a": np.arange(6, dtype=np.float64).reshape(2, 3), "b": np.arange(6, dtype=np.uint8).reshape(3, 2).T}
    with guest(code, tmp_path) as process:
        for _ in range(2):
            found = process.ask("run", sent).arrays
            assert list(found) == ["a", "b"]
            for name, value in sent.items():
                np.testing.assert_array_equal(found[name], value)
                assert found[name].dtype == value.dtype
    assert struct.calcsize("<I") == 4


def test_what_cannot_be_started_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="the emulator cannot be started: No such file"):
        GuestProcess([str(tmp_path / "no")], {}, title="the emulator", folder=tmp_path, patience_s=1)
