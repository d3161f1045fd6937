"""How much faster two workers play a recipe's bundles than one, measured by turns in one run.

    python -m benchmarks.parallel_playing examples/basic_pitch/testpress.toml --rounds 3

The bundles are made once. Then the playing stage alone is repeated, its results removed before each round; all else is
stored. The ratio is that of the medians, and says little on a machine that does something else: its load is printed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from evaluators.environment import describe_machine
from packager.jobs.executors.local import LocalExecutor
from testpress import pipeline
from testpress.recipe import Recipe, read_recipe
from testpress.work import Work

STAGE = "play the clips"


class StageClock:
    """Progress that nobody sees, with the time that one stage took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began: float | None = None

    def stage(self, name: str, done: int, total: int) -> None:
        if name != STAGE:
            return
        self._began = time.monotonic() if self._began is None else self._began
        if done == total:
            self.seconds = time.monotonic() - self._began

    def say(self, text: str) -> None:
        print(text, flush=True)


def evaluate(recipe: Recipe, out: Path, jobs: int) -> float:
    """Seconds of the playing stage, from the first worker's start to the last one's end."""
    shutil.rmtree(out / "cache" / "play", ignore_errors=True)
    clock, began = StageClock(), time.monotonic()
    work = Work(recipe, out, clock, LocalExecutor(jobs))
    pipeline.evaluate_recipe(work, (), command="benchmark")
    assert 0 < clock.seconds <= time.monotonic() - began
    return clock.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, nargs="?", default=Path("examples/basic_pitch/testpress.toml"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="keep the bundles in a folder, for a second run")
    given = parser.parse_args()
    recipe = read_recipe(given.recipe)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        out = given.out or Path(folder)
        pipeline.package_recipe(Work(recipe, out, StageClock()))
        evaluate(recipe, out, 2)  # everything else is stored from here on
        print(f"{describe_machine()}, {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC")
        found: dict[int, list[float]] = {1: [], 2: []}
        for number in range(given.rounds):
            for jobs in (1, 2) if number % 2 == 0 else (2, 1):
                load = os.getloadavg()[0]
                found[jobs].append(evaluate(recipe, out, jobs))
                print(f"{jobs} job(s): {found[jobs][-1]:.2f} s (load before {load:.1f})", flush=True)
    one, two = (statistics.median(found[jobs]) for jobs in (1, 2))
    print(f"median {one:.2f} s with one job, {two:.2f} s with two: {one / two:.2f} times as fast")


if __name__ == "__main__":
    main()
