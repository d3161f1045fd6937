"""Progress on standard error: a bar where a terminal is there, a line a stage elsewhere, nothing when told so."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from device_profiles.text import defuse
from testpress.options import tell


class TerminalProgress:
    """Shows stages one after another. A context manager, so that a bar is always closed."""

    def __init__(self, *, quiet: bool, verbose: bool = False) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._began: float | None = None
        self._live = sys.stderr.isatty() and not quiet
        self._bar: Any = None
        self._name = ""

    def stage(self, name: str, done: int, total: int) -> None:
        """`done` of `total` steps of a stage are finished; a new name closes the stage before."""
        if name != self._name:
            self._close()
            self._name, self._began = name, time.monotonic() if total else None
            if total == 0:
                return
            if self._live:
                from tqdm import tqdm

                self._bar = tqdm(total=total, desc=name, file=sys.stderr, leave=True, dynamic_ncols=True)
            elif not self._quiet:
                tell(f"{name} …")
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def say(self, text: str) -> None:
        """A line of its own, above the bar."""
        if self._bar is not None:
            self._bar.write(defuse(text), file=sys.stderr)
        elif not self._quiet:
            tell(text)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._verbose and self._began is not None:
            tell(f"{self._name}: {time.monotonic() - self._began:.1f} s")
            self._began = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
