"""What a task is: what a model is for, how its outputs are read and how they are scored.

Adding a task is adding a file to `evaluators/tasks`: its name is the task's kind, and it holds `TASK`, an object that
offers what `Task` asks for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from device_profiles.record import suggest
from evaluators.errors import EvaluationError
from evaluators.evaluation import Basis, Direction, Note, Score
from evaluators.windows import Stitched


@dataclass(frozen=True)
class Metric:
    """How one of a task's numbers is to be read."""

    unit: str
    direction: Direction
    description: str
    """one sentence for the reviewer, with the definition's tolerances"""


class Task(Protocol):
    """What every task offers. Labels and estimates are the task's own types; others pass them on unread."""

    @property
    def kind(self) -> str:
        """The name recipes use, which is the file's name."""

    @property
    def label_keys(self) -> tuple[str, ...]:
        """The keys a dataset's line must hold besides `audio`."""

    @property
    def required_outputs(self) -> tuple[str, ...]:
        """Names of the model outputs `decode` reads."""

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Every metric `score` returns, by name, the leading one first."""

    def parse_labels(self, line: Mapping[str, Any], duration_s: float, where: str) -> Any:
        """Read a line's labels.

        Args:
            line: The line's JSON object; all of `label_keys` are there.
            duration_s: The clip's length.
            where: How messages name the line.

        Raises:
            EvaluationError: One line a fault.
        """

    def decode(self, outputs: Mapping[str, Stitched]) -> Any:
        """Turn a clip's outputs into the estimate.

        Raises:
            EvaluationError: An output is missing, has the wrong shape or is not finite.
        """

    def score(self, reference: Any, estimate: Any, *, basis: Basis = "emulated") -> dict[str, Score]:
        """Score one clip's estimate against its labels; the keys are those of `metrics`."""

    def notes(self, labels_or_estimate: Any) -> tuple[Note, ...] | None:
        """Labels or an estimate as note events for the report, or none where the task knows no notes."""


def task_kinds() -> tuple[str, ...]:
    """The kinds there are, sorted, from the file names; no task is imported."""
    folder = Path(__file__).parent / "tasks"
    return tuple(sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")))


def load_task(kind: str) -> Task:
    """The task of a kind.

    Raises:
        EvaluationError: There is no such kind.
    """
    kinds = task_kinds()
    if kind not in kinds:
        hint = suggest(kind, kinds) or f"; known kinds: {', '.join(kinds)}"
        raise EvaluationError(f"no task of kind {kind!r}{hint}")
    return cast("Task", importlib.import_module(f"evaluators.tasks.{kind}").TASK)


def absent(metric: Metric, reason: str, *, basis: Basis) -> Score:
    """A score without a value: there was nothing to score."""
    return Score(value=None, unit=metric.unit, direction=metric.direction, basis=basis, reason=reason)


def present(metric: Metric, value: float, *, basis: Basis) -> Score:
    """A score of one clip."""
    return Score(value=float(value), unit=metric.unit, direction=metric.direction, basis=basis)
