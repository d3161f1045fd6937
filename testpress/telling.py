"""What `--verbose` tells of work that is done: what was made, in what time, by which log, and how a log ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from device_profiles.files import open_file
from evaluators.errors import EvaluationError
from evaluators.evaluation import VariantResult
from packager.package import Packaged

_MOST_LINES = 20
_MOST_BYTES = 16_384

Say = Callable[[str], None]


def tell_packaged(outcomes: Sequence[Packaged], say: Say) -> None:
    """One line a bundle; of one that failed also the end of its log."""
    for outcome in outcomes:
        log = "" if outcome.log is None else f" (log: {outcome.log})"
        if outcome.bundle is None:
            say(f"{outcome.variant.name}: not made: {outcome.reason}{log}")
            _tell_end(outcome.log, say)
        else:
            took = "" if outcome.seconds is None else f" in {outcome.seconds:.1f} s"
            how = "was there already" if outcome.reused else f"made{took}{log}"
            say(f"{outcome.variant.name}: {how}: {outcome.bundle.path}")


def tell_evaluated(rows: Sequence[VariantResult], out: Path, say: Say) -> None:
    """One line a row that was evaluated; of one that failed its log's end."""
    for row in rows:
        if row.failure is None:
            say(f"{row.variant}: evaluated; {'; '.join(row.notices)}")
        elif row.failure.stage == "evaluate":
            log = None if row.failure.log is None else out / row.failure.log
            say(f"{row.variant}: no result: {row.failure.reason}{'' if log is None else f' (log: {log})'}")
            _tell_end(log, say)


def _tell_end(log: Path | None, say: Say) -> None:
    """The last lines of a log, each set off; nothing where there is none."""
    if log is None:
        return
    try:
        with open_file(log, error=EvaluationError) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _MOST_BYTES))
            lines = file.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
    except EvaluationError:
        return
    for line in [line for line in lines if line.strip()][-_MOST_LINES:]:
        say(f"  | {line}")
