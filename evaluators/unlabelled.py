"""A task whose clips have no labels: bundles are held against the source model, and scored by what needs no labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evaluators.picture_records import Pictures
from evaluators.pictures.sounds import Sound
from evaluators.task import ClipContext, Found, SideBySide, Task
from evaluators.windows import Stitched


class Unlabelled(Task):
    """Another task without what needs labels; lines may hold its labels, which are not read."""

    def __init__(self, task: Task) -> None:
        """`task` is the labelled one."""
        super().__init__(task.options)
        self._task = task
        self.kind, self.options = task.kind, task.options
        self.unread_keys = (*task.label_keys, *task.unread_keys)
        self.required_outputs, self.column_option = task.required_outputs, task.column_option
        self.metrics = {name: metric for name, metric in task.metrics.items() if name in task.label_free}
        self.agreements = {name: metric for name, metric in task.agreements.items() if not metric.needs_labels}
        self.libraries, self.extra = task.libraries, task.extra

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> None:
        """There are none."""

    def decode(self, outputs: Mapping[str, Stitched]) -> Any:
        """The task's own; so are the others."""
        return self._task.decode(outputs)

    def score(self, labels: None, estimate: Any) -> Found:  # noqa: ARG002
        """See `Task.score_alone`."""
        return self._task.score_alone(estimate)

    def name_verb(self, scope: Literal["clip", "dataset"]) -> str:
        """As the task's author wrote it."""
        return f"{type(self._task).__name__}.score_alone" if scope == "clip" else self._task.name_verb(scope)

    def agree(self, clip: SideBySide) -> Found:
        """See `Task.agree`."""
        return self._task.agree(clip)

    def agree_dataset(self, clips: Sequence[SideBySide]) -> Found:
        """See `Task.agree_dataset`."""
        return self._task.agree_dataset(clips)

    def draw(self, labels_or_estimate: Any) -> Pictures:
        """Estimates as the task draws them, and nothing of labels."""
        return Pictures() if labels_or_estimate is None else self._task.draw(labels_or_estimate)

    def hear(self, labels_or_estimate: Any, rate_hz: int) -> Sequence[Sound]:
        """As `draw`, of sound."""
        return () if labels_or_estimate is None else self._task.hear(labels_or_estimate, rate_hz)
