"""Asking git about a folder: nothing of the repository's own is run, nobody is asked, and nothing is locked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
_SETTINGS = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def run_git(folder: Path, *arguments: str, timeout_s: float = 20.0) -> subprocess.CompletedProcess[bytes]:
    """What git says in a folder, with its exit code.

    Args:
        folder: Any in the repository.
        arguments: Of git.
        timeout_s: After which it is ended.

    Raises:
        OSError: There is no git, or no such folder.
        ValueError: An argument holds what no argument can.
        subprocess.TimeoutExpired: It did not answer in time.
    """
    return subprocess.run(
        [*_GIT, *arguments],
        cwd=folder,
        env={**os.environ, **_SETTINGS},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
