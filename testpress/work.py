"""What is done with one recipe: the recipe, where output goes, who is told and who runs the workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from evaluators.datasets.place import LONG, Place
from packager.jobs.executors import Executor
from packager.jobs.executors.local import LocalExecutor
from testpress.recipe import Recipe

EVALUATION_NAME = "evaluation.json"
"""what an output folder's evaluation is called"""


class Progress(Protocol):
    """Who is told how far the work is."""

    def stage(self, name: str, done: int, total: int) -> None:
        """`done` of `total` steps of a stage are finished."""

    def say(self, text: str) -> None:
        """Something worth a line happened."""


@dataclass(frozen=True)
class Work:
    """What is done with one recipe.

    Attributes:
        recipe: The recipe.
        out: The output folder.
        progress: Who is told.
        executor: Who runs the workers.
        verbose: Whether the progress is also told what was made and where logs are.
    """

    recipe: Recipe
    out: Path
    progress: Progress
    executor: Executor = field(default_factory=LocalExecutor)
    verbose: bool = False

    @property
    def place(self) -> Place:
        """Where its dataset is prepared."""
        return Place(self.out, self.recipe.limits.over(LONG), self.executor)


def default_out(recipe: Recipe) -> Path:
    """Where output goes unless `-o` says otherwise."""
    return recipe.folder / "testpress-out"
