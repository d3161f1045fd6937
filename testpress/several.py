"""Several recipes in one run: each in a folder of its own, with one table at the end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_profiles.errors import TestpressError
from testpress import pipeline, summary
from testpress.errors import RecipeError
from testpress.pipeline import Progress, RunResult, Work
from testpress.recipe import Recipe
from testpress.searching.settling import settle
from testpress.table import align

_RECIPE_NAME = "testpress.toml"
_MOST_THREADS = 16
"""recipes at once on a cluster: each waits for others most of its time"""


@dataclass(frozen=True)
class Ended:
    """How one recipe's run ended.

    Attributes:
        path: The recipe.
        result: What it made.
        reason: Why it made nothing.
    """

    path: Path
    result: RunResult | None
    reason: str | None = None


class _NamedProgress:
    """Tells whose stages they are: those of several recipes may come between each other."""

    def __init__(self, progress: Progress, name: str, lock: threading.Lock) -> None:
        self._progress, self._name, self._lock = progress, name, lock
        self._stage = ""

    def stage(self, name: str, done: int, total: int) -> None:
        if name != self._stage and total > done:
            self._stage = name
            self.say(f"{name} …")

    def say(self, text: str) -> None:
        with self._lock:
            self._progress.say(f"{self._name}: {text}")


def choose_folders(recipes: Sequence[Recipe], out: Path | None) -> list[Path]:
    """Each recipe's output folder: beside it; of several with `-o`, one in that folder, named after the recipe.

    Args:
        recipes: One or more.
        out: What `-o` says.

    Raises:
        RecipeError: Two would write to the same folder.
    """
    if out is None:
        places = [pipeline.default_out(recipe) for recipe in recipes]
    else:
        places = [out] if len(recipes) == 1 else [out / _name(recipe) for recipe in recipes]
    counts = Counter(place.resolve() for place in places)
    for place in places:
        if counts[place.resolve()] > 1:
            writers = " and ".join(
                str(recipe.path)
                for recipe, other in zip(recipes, places, strict=True)
                if other.resolve() == place.resolve()
            )
            raise RecipeError(f"{place}: {writers} would both write here; give them names or folders of their own")
    return places


def _name(recipe: Recipe) -> str:
    """Of `name/testpress.toml` the folder's name, else that of the file."""
    path = recipe.path.resolve()
    return path.parent.name if path.name == _RECIPE_NAME else path.stem


def run_all(works: Sequence[Work], *, command: str, sign: Path | None = None) -> list[Ended]:
    """Run recipes, side by side where the executor has more than this machine; one that cannot be run ends no other.

    Args:
        works: What to do, all with one executor.
        command: What reproduces this, for the reports.
        sign: A private key to sign the bundles with.
    """
    lock = threading.Lock()
    named = [replace(work, progress=_NamedProgress(work.progress, str(work.recipe.path), lock)) for work in works]

    def run(work: Work) -> Ended:
        try:
            return Ended(work.recipe.path, pipeline.run(settle(work, command=command), command=command, sign=sign))
        except TestpressError as fault:
            work.progress.say(str(fault))
            return Ended(work.recipe.path, None, str(fault))

    if not works[0].executor.spreads:
        return [run(work) for work in named]
    with ThreadPoolExecutor(_MOST_THREADS) as pool:
        try:
            return list(pool.map(run, named))
        except BaseException:
            works[0].executor.close()  # else each thread would go on to its end
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def as_text(ended: Sequence[Ended]) -> str:
    """One line a recipe."""
    rows = [("recipe", "verdict", "bundles", "report")]
    for one in ended:
        if one.result is None:
            rows.append((str(one.path), "not run", "", (one.reason or "").split("\n")[0]))
            continue
        made = sum(outcome.bundle is not None for outcome in one.result.packaged)
        status = one.result.comparison.outcome.status
        rows.append((str(one.path), status, f"{made} of {len(one.result.packaged)}", str(one.result.report.html)))
    reasons = [
        f"{one.path}: {reason}"
        for one in ended
        if one.result is not None
        for reason in one.result.comparison.outcome.reasons
    ]
    return "\n".join([align(rows), *(f"  - {reason}" for reason in reasons)])


def as_data(ended: Sequence[Ended]) -> list[dict[str, Any]]:
    """What `testpress run --json` writes of several recipes."""
    return [
        {"recipe": str(one.path), "error": one.reason, **({} if one.result is None else summary.run_data(one.result))}
        for one in ended
    ]
