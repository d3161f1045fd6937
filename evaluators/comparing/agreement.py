"""Whether a bundle decides as its source does, in the task's own units, and on how many clips it is no worse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from evaluators.comparing.statistics import Groups, aggregate
from evaluators.evaluation import ClipScores
from evaluators.metrics import BUILT_IN, CLIPS_NOT_WORSE
from evaluators.score import Score
from evaluators.task import Found, SideBySide, Task
from evaluators.task_loading import TaskInfo


class Agreement(Task):
    """A task's agreements, scored as metrics are: a clip's labels are the two estimates `SideBySide`."""

    def __init__(self, task: Task) -> None:
        """`task` is whose agreements they are."""
        super().__init__()
        self._task = task
        self.metrics = task.agreements

    def score(self, labels: SideBySide, estimate: Any) -> Found:  # noqa: ARG002
        """See `Task.agree`."""
        return self._task.agree(labels)

    def score_dataset(self, pairs: Sequence[tuple[SideBySide, Any]]) -> Found:
        """See `Task.agree_dataset`."""
        return self._task.agree_dataset([clip for clip, _ in pairs])

    def name_verb(self, scope: Literal["clip", "dataset"]) -> str:
        """As the task's author wrote it."""
        return f"{type(self._task).__name__}.{'agree' if scope == 'clip' else 'agree_dataset'}"


def count_not_worse(
    source: Sequence[ClipScores], bundle: Sequence[ClipScores], task: TaskInfo, groups: Groups
) -> Score:
    """The share of clips on which a bundle is no worse than its source, with its interval.

    Clips on which either has no value are left out. It has no value itself where there are no labels, or where the task
    scores no clip by itself.

    Args:
        source: The source model's clips.
        bundle: The same clips, in the same order.
        task: The first of its metrics of clips is compared, and its tolerance holds.
        groups: Of each clip, what it is drawn together with.
    """
    name = next(iter(task.names_of_scope("clip")), None)
    if name is None:
        reason = "the task scores no clip by itself" if task.reference.labels else "the clips have no labels"
        return _make_score(None, reason)
    tolerance = task.metrics[name].tolerance
    pairs = zip(source, bundle, strict=True)
    found = [_compare(before.scores[name], after.scores[name], tolerance) for before, after in pairs]
    return aggregate(found, groups=groups)


def _compare(source: Score, bundle: Score, tolerance: float) -> Score:
    before, after = source.goodness, bundle.goodness
    if before is None or after is None:
        return _make_score(None, (bundle if before is not None else source).reason)
    return _make_score(float(after >= before - tolerance - _ROUNDING * abs(before)), None)


_ROUNDING = 1e-12
"""by which two sums of the same numbers may differ"""


def _make_score(value: float | None, reason: str | None) -> Score:
    info = BUILT_IN[CLIPS_NOT_WORSE]
    return Score(value=value, unit=info.unit, direction=info.direction, basis="emulated", reason=reason)
