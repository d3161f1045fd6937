"""Starts a case in a forked child and watches it: time, memory of all its processes, how it ends, what it leaves."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

import psutil

HANG_S = 60.0
MOST_MEMORY_BYTES = 4 * 2**30
_POLL_S = 0.1
_GRACE_S = 3.0
"""what a worker may take to end after its parent"""
_ENOUGH_BYTES = 6 * 2**30
"""more is not waited for: the machine has other work"""
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Ended:
    """How a case ended.

    Attributes:
        code: The exit code, negative for a signal.
        seconds: How long it took.
        cpu_seconds: Of all its processes that it waited for.
        memory_bytes: Largest sum of the resident memory of all its processes.
        hung: It was ended because it took too long.
        left: Names of processes that it left running.
    """

    code: int
    seconds: float
    cpu_seconds: float
    memory_bytes: int
    hung: bool = False
    left: tuple[str, ...] = ()


def adopt_orphans(parent: int) -> None:
    """Make this process the parent of those that lose theirs, so that what a case leaves behind is seen.

    It ends when its own parent ends, however that ends.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    die_with(parent)


def die_with(parent: int) -> None:
    """End this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def watch(child: Callable[[], NoReturn], *, hang_s: float = HANG_S) -> Ended:
    """Fork, run `child` there, and wait for its end. Only one at a time in a process."""
    begun_s, own = time.monotonic(), os.getpid()
    pid = os.fork()
    if pid == 0:
        die_with(own)
        child()
    hung, seen_bytes, pidfd = False, 0, os.pidfd_open(pid)
    try:
        while not select.select([pidfd], [], [], _POLL_S)[0]:
            seen_bytes = max(seen_bytes, _memory(pid))
            hung = time.monotonic() - begun_s > hang_s
            if hung or seen_bytes > _ENOUGH_BYTES:
                _kill_tree(pid)
                break
    finally:
        os.close(pidfd)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - begun_s
    left = _collect_orphans()
    code = os.waitstatus_to_exitcode(status)
    memory_bytes = max(seen_bytes, usage.ru_maxrss * 1024)
    return Ended(code, seconds, usage.ru_utime + usage.ru_stime, memory_bytes, hung, () if hung else left)


def _memory(pid: int) -> int:
    return sum(_resident(process) for process in _tree(pid))


def _tree(pid: int) -> Iterator[psutil.Process]:
    try:
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)
    except psutil.Error:  # it ended between two looks
        return


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _kill_tree(pid: int) -> None:
    for process in list(_tree(pid)):
        try:
            process.kill()
        except psutil.Error:
            continue


def _collect_orphans() -> tuple[str, ...]:
    """Wait for processes that the case left; those that stay are ended and named."""
    deadline_s = time.monotonic() + _GRACE_S
    while _reap() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    left = []
    for process in psutil.Process().children(recursive=True) if _reap() else []:
        try:
            left.append(" ".join(process.cmdline())[:200] or process.name())
            process.send_signal(signal.SIGKILL)
        except psutil.Error:
            continue
    while _reap():
        time.sleep(0.02)
    return tuple(left)


def _reap() -> bool:
    """Whether children of this process still run; those that ended are forgotten."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
