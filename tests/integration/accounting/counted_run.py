"""counted_run.py RECIPE OUT: run a recipe, one job at a time, and tell each job's target, code and processes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from packager.jobs.executors import OnEvent
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.worker_process import Ended, Job
from testpress import pipeline
from testpress.progress import TerminalProgress
from testpress.recipe import read_recipe
from testpress.work import Work


class OneByOne:
    """The local executor, which says of each job what process was its worker."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, object]] = []

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> list[Ended]:
        ended = []
        for index, job in enumerate(jobs):
            before = set(_accounts())
            ended += LocalExecutor(1).run([job], lambda _, event, index=index: on_event(index, event))
            told = sorted(set(_accounts()) - before)  # the worker, and what it started
            self.jobs.append({"target": job.target, "code": job.code, "accounts": told})
        return ended

    def close(self) -> None:
        pass


def _accounts() -> list[str]:
    return [path.name for path in Path(os.environ["ACCOUNTS"]).iterdir()]


executor = OneByOne()
with TerminalProgress(quiet=True) as progress:
    work = Work(read_recipe(Path(sys.argv[1])), Path(sys.argv[2]), progress, executor)
    result = pipeline.run(work, command="counted")
reasons = [variant.failure and variant.failure.reason for variant in result.evaluation.variants]
json.dump({"jobs": executor.jobs, "reasons": reasons}, sys.stdout)
