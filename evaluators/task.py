"""What a task is: what a model is for, how its outputs are read and how they are scored.

A task is a subclass of `Task`. Adding one to the tree is adding a file to `evaluators/tasks`: its name is the task's
kind, and `TASK` in it is the class. A recipe's own is `kind = "python:module:Class"`, and an installed package offers
one by an entry point of the group `testpress.tasks`. See docs/adding/task.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias

from device_profiles.files import MOST_TEXT_BYTES, read_bytes, read_text
from device_profiles.record import Record
from evaluators.chart_records import Charts
from evaluators.errors import EvaluationError
from evaluators.label_columns import LabelColumns
from evaluators.picture_records import Pictures
from evaluators.pictures.sounds import Sound
from evaluators.score import Basis, Direction, MetricInfo, Score
from evaluators.windows import Stitched


@dataclass(frozen=True)
class Metric:
    """How one of a task's numbers is to be read."""

    unit: str
    direction: Direction
    description: str
    """one sentence for the reviewer, with the definition's tolerances"""
    scope: Literal["clip", "dataset"] = "clip"
    """clip: scored clip by clip, and the mean counts · dataset: scored on all clips at once"""
    tolerance: float = 0.0
    """how far it may fall short of an earlier evaluation, or of the source on a clip, in its unit, before it counts"""
    needs_labels: bool = False
    """of an agreement: whether it asks for the clips' labels too"""

    @property
    def info(self) -> MetricInfo:
        """As an evaluation holds it."""
        return MetricInfo(
            unit=self.unit,
            direction=self.direction,
            scope=self.scope,
            description=self.description,
            tolerance=self.tolerance,
        )


@dataclass(frozen=True)
class Absent:
    """In place of a number: there is nothing to score, and why."""

    reason: str


Found: TypeAlias = Mapping[str, float | Absent]
"""metric → its number, or why there is none"""


@dataclass(frozen=True)
class ClipContext:
    """What a task may know of a clip beside its line.

    Attributes:
        duration_s: The clip's length.
        where: How messages name the line.
        files: Of each key in `label_files`, the file: it is there, and within the dataset's folder.
    """

    duration_s: float
    where: str
    files: Mapping[str, Path] = field(default_factory=dict)

    def read_text(self, key: str) -> str:
        """The text of a label file, UTF-8.

        Raises:
            EvaluationError: It cannot be read, or is larger than 64 MiB.
        """
        return read_text(self.files[key], error=EvaluationError)

    def read_bytes(self, key: str) -> bytes:
        """The bytes of a label file; errors as those of `read_text`."""
        return read_bytes(self.files[key], error=EvaluationError, most=MOST_TEXT_BYTES)


@dataclass(frozen=True, eq=False)
class SideBySide:
    """A clip as the source model and a bundle heard it.

    Attributes:
        source: The source model's estimate.
        estimate: The bundle's.
        labels: The clip's; None where the recipe says that there are none.
        duration_s: The clip's length.
    """

    source: Any
    estimate: Any
    labels: Any = None
    duration_s: float = 0.0


class NoOptions(Record):
    """Of a task that has none."""


class Task:
    """What every task offers; a task overrides what is otherwise with it.

    Labels and estimates are the task's own types; others pass them on unread.
    """

    Options: ClassVar[type[Record]] = NoOptions
    """what a recipe may set in [task.options], with types, ranges and defaults: a pydantic record"""
    # What follows a task may also set in its constructor, where its options decide it.
    label_keys: tuple[str, ...] = ()
    """the keys a dataset's line must hold besides `audio`"""
    label_files: tuple[str, ...] = ()
    """those of `label_keys` whose values are paths of files within the dataset's folder"""
    label_columns: Mapping[str, LabelColumns] = MappingProxyType({})
    """of `label_keys`, which columns of a table say them; default: one column of the key's name, one row a clip"""
    required_outputs: tuple[str, ...] = ()
    """names of the model outputs that `decode` reads"""
    metrics: Mapping[str, Metric] = MappingProxyType({})
    """every metric, by name, the leading one first"""
    label_free: tuple[str, ...] = ()
    """those of `metrics` that `score_alone` finds, which clips without labels have too"""
    agreements: Mapping[str, Metric] = MappingProxyType({})
    """what tells of a bundle whether it decides as the source model does, by name, the leading one first"""
    unread_keys: tuple[str, ...] = ()
    """further keys that a line may hold, which are not read"""
    column_option: str | None = None
    """the option that names what the columns of the first required output stand for, in their order"""
    libraries: tuple[str, ...] = ()
    """packages, as pip names them, whose version may change a score"""
    extra: str | None = None
    """testpress's extra that brings those of the libraries that testpress does without"""

    kind: str = "of this dataset"
    """as the recipe says it"""

    def __init__(self, options: Any = None) -> None:
        """Set the options, an instance of `Options`; None takes the defaults."""
        self.options: Any = self.Options() if options is None else options

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> Any:  # noqa: ARG002
        """Read a line's labels.

        Args:
            line: The line's JSON object; all of `label_keys` are there.
            clip: The clip's length and label files.

        Raises:
            EvaluationError: One line a fault, each with `clip.where` before it.
        """
        return {key: line[key] for key in self.label_keys}

    def label_folder(self, name: str, clip: ClipContext) -> Mapping[str, Any] | None:  # noqa: ARG002
        """What a line would say of the labels of a clip that lies in a folder of that name.

        A task whose labels can be told so overrides this; `parse_labels` reads what it returns.
        """
        return None

    def decode(self, outputs: Mapping[str, Stitched]) -> Any:
        """Turn a clip's outputs into the estimate.

        Args:
            outputs: By name, each put together as its kind asks; all of `required_outputs` are there.

        Raises:
            EvaluationError: An output has the wrong shape or is not finite.
        """
        return outputs

    def score(self, labels: Any, estimate: Any) -> Found:  # noqa: ARG002
        """Score one clip: the metrics of scope "clip"."""
        return {}

    def score_alone(self, estimate: Any) -> Found:  # noqa: ARG002
        """Score one clip's estimate by itself: the metrics in `label_free`, all of scope "clip".

        It is asked in place of `score` where clips have no labels; where they have, `score` returns these too.
        """
        return {}

    def score_dataset(self, pairs: Sequence[tuple[Any, Any]]) -> Found:  # noqa: ARG002
        """Score all clips at once: the metrics of scope "dataset".

        It is asked a thousand times, of clips drawn anew with replacement, to find the interval: what takes long and
        depends on one clip alone is best done in `decode`, or kept with `functools.cache`.

        Args:
            pairs: Labels and estimate of each clip, at least one.
        """
        return {}

    def agree(self, clip: SideBySide) -> Found:  # noqa: ARG002
        """Hold a bundle's estimate of one clip against the source model's: the agreements of scope "clip"."""
        return {}

    def agree_dataset(self, clips: Sequence[SideBySide]) -> Found:  # noqa: ARG002
        """As `agree`, of all clips at once: the agreements of scope "dataset", asked as often as `score_dataset`.

        Those that need labels are left out where clips have none.
        """
        return {}

    def group(self, labels: Any) -> str | None:  # noqa: ARG002
        """What the clip shares with others that makes their scores alike, for example the speaker; None for nothing.

        Intervals are made by drawing groups, not clips, where there are any.
        """
        return None

    def remark(self, labels: Any) -> tuple[str, ...]:  # noqa: ARG002
        """What a reader should know of a clip's labels, for example that no estimate can be right; for most, nothing.

        The report shows it beside the clip.
        """
        return ()

    def draw(self, labels_or_estimate: Any) -> Pictures:  # noqa: ARG002
        """What a report shows of a clip's labels, or of an estimate."""
        return Pictures()

    def name_verb(self, scope: Literal["clip", "dataset"]) -> str:
        """How messages call what finds the metrics of a scope."""
        return f"{type(self).__name__}.{'score' if scope == 'clip' else 'score_dataset'}"

    def decide(self, estimate: Any) -> tuple[str, ...] | None:
        """What a product would act upon: each decision in words that tell it from others; None where it takes none.

        It says which decisions another core takes otherwise. Unless a task says more, these are the notes, the starts
        of spans and the words that it draws.
        """
        drawn = self.draw(estimate)
        if drawn.events is None and drawn.spans is None and not drawn.words:
            return None
        notes = (f"MIDI note {note.pitch_midi} at {note.onset_s:.3f} s" for note in drawn.events or ())
        spans = (f"{span.label or 'a span'} at {span.start_s:.3f} s" for span in drawn.spans or ())
        return (*notes, *spans, *((drawn.text or "").split() if drawn.words else ()))

    def draw_dataset(self, pairs: Sequence[tuple[Any, Any]]) -> Charts:  # noqa: ARG002
        """What a report shows of all clips at once.

        Args:
            pairs: Labels and estimate of each clip, at least one.
        """
        return Charts()

    def hear(self, labels_or_estimate: Any, rate_hz: int) -> Sequence[Sound]:  # noqa: ARG002
        """What a report lets one hear of a clip's labels, or of an estimate, beside the clip itself.

        Args:
            labels_or_estimate: The clip's labels, or what `decode` made of its beginning.
            rate_hz: The clip's; recordings among the labels are best read at it.
        """
        return ()

    def names_of_scope(self, scope: Literal["clip", "dataset"]) -> tuple[str, ...]:
        """The names of the metrics of a scope, in their order."""
        return tuple(name for name, metric in self.metrics.items() if metric.scope == scope)


def make_scores(task: Task, found: Found, scope: Literal["clip", "dataset"], *, basis: Basis) -> dict[str, Score]:
    """What a task found, as scores.

    Raises:
        EvaluationError: A metric of the scope is missing, or one is there that is not of it, or a number is not finite.
    """
    names = task.names_of_scope(scope)
    if set(found) != set(names):
        raise EvaluationError(
            f"{task.name_verb(scope)} returned {', '.join(found) or 'nothing'}; right are its metrics of scope "
            f'"{scope}": {", ".join(names) or "none"}'
        )
    return {name: _make_score(name, task.metrics[name], found[name], basis) for name in names}


def _make_score(name: str, metric: Metric, found: float | Absent, basis: Basis) -> Score:
    value, reason = (None, found.reason) if isinstance(found, Absent) else (float(found), None)
    if value is not None and not math.isfinite(value):
        raise EvaluationError(f"the metric {name} is {value}; right is a finite number, or Absent with a reason")
    return Score(value=value, unit=metric.unit, direction=metric.direction, basis=basis, reason=reason)
