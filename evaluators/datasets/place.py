"""Where the parts of an evaluation are made, and by whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from packager.jobs.executors import Executor
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.workers import Limits

LONG = Limits(time_s=6 * 3600)
"""for work over a whole dataset"""


@dataclass(frozen=True)
class Place:
    """Where a dataset is prepared and its source run, and by whom.

    Attributes:
        out: The output folder: windows and what was found go to its cache, logs to its logs.
        limits: What one worker may use.
        executor: Who runs the workers.
    """

    out: Path
    limits: Limits = LONG
    executor: Executor = field(default_factory=LocalExecutor)
