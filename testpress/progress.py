"""Progress on standard error: a bar where a terminal is there, a line a stage elsewhere, nothing when told so."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from device_profiles.text import defuse
from testpress.options import tell


class TerminalProgress:
    """Shows stages one after another. A context manager, so that a bar is always closed."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._bar: Any = None
        self._name = ""

    def stage(self, name: str, done: int, total: int) -> None:
        """`done` of `total` steps of a stage are finished; a new name closes the stage before."""
        if name != self._name:
            self._close()
            self._name = name
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
