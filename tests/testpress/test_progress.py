from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import sys
import termios
import threading
from collections.abc import Callable

import pytest

from testpress.progress import TerminalProgress


def _work(progress: TerminalProgress) -> None:
    progress.stage("package", 0, 2)
    progress.stage("package", 1, 2)
    progress.say("one failed")
    progress.stage("package", 2, 2)
    progress.stage("nothing to do", 0, 0)
    progress.stage("play", 0, 3)
    progress.stage("play", 3, 3)


def _without_terminal(work: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> str:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    work()
    return stream.getvalue()


def _on_terminal(work: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a real pseudo-terminal is sent."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    pieces: list[bytes] = []

    def read() -> None:
        while piece := os.read(master, 4096):
            pieces.append(piece)
            if b"\x04" in piece:
                return

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(slave, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        work()
        stream.write("\x04")
        stream.flush()
        reader.join(10)
    os.close(master)
    return b"".join(pieces).decode()


def test_without_a_terminal_each_stage_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with TerminalProgress(quiet=False) as progress:
            _work(progress)

    assert _without_terminal(work, monkeypatch) == "package …\none failed\nplay …\n"


def test_quiet_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with TerminalProgress(quiet=True) as progress:
            _work(progress)

    assert _without_terminal(work, monkeypatch) == ""
    assert _on_terminal(work, monkeypatch).rstrip("\x04^D\x08") == ""


def test_a_terminal_shows_a_bar_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with TerminalProgress(quiet=False) as progress:
            _work(progress)

    shown = _on_terminal(work, monkeypatch)
    assert "package: 100%" in shown
    assert "2/2" in shown
    assert "play: 100%" in shown
    assert "3/3" in shown
    assert "nothing to do" not in shown
    assert "one failed" in shown


@pytest.mark.parametrize("quiet", [True, False])
def test_nothing_goes_to_standard_output(quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress(quiet=quiet) as progress:
        _work(progress)
    assert capsys.readouterr().out == ""


def test_an_exception_closes_the_bar_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        with pytest.raises(KeyboardInterrupt), TerminalProgress(quiet=False) as progress:
            progress.stage("package", 1, 2)
            raise KeyboardInterrupt

    shown = _on_terminal(work, monkeypatch)
    assert "package:  50%" in shown
    assert "\n" in shown[shown.rindex("1/2") :]  # what is printed next stands on a line of its own
