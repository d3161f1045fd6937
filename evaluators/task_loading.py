"""Tasks by their names: those of the tree, of installed packages, and a recipe's own.

A recipe's own task is code, so that it is imported in workers alone: here it is found and fingerprinted, and what the
main process must know of it is asked of a worker, see `task_asking.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_profiles.plugins import Plugin, list_plugins
from device_profiles.record import Record, parse_record, suggest
from evaluators.environment import find_version
from evaluators.errors import EvaluationError
from evaluators.metrics import BUILT_IN, LONG_RUN
from evaluators.score import MetricInfo
from evaluators.task import Task
from evaluators.unlabelled import Unlabelled
from packager.errors import PackagingError
from packager.factories import PREFIX, digest_factory, factory_input, find_callable, locate_factory, read_factory
from packager.jobs.code import find_imports
from packager.jobs.inputs import Input

_RESERVED = frozenset({"audio", "tags"})


class TaskReference(Record):
    """Which task, set how: all that a worker needs to open it."""

    kind: str
    """as the recipe says it"""
    options: dict[str, Any] = {}
    labels: bool = True
    """whether the clips have any"""
    path: str | None = None
    """of a recipe's own task, its module's file"""
    name: str | None = None
    """of a recipe's own task, its class"""


class TaskInfo(Record):
    """What a task declares."""

    reference: TaskReference
    label_keys: tuple[str, ...]
    label_files: tuple[str, ...]
    required_outputs: tuple[str, ...]
    metrics: dict[str, MetricInfo]
    agreements: dict[str, MetricInfo] = {}
    """of bundles alone: how far they decide as the source model does"""
    options: dict[str, Any]
    """with the defaults of those that the recipe does not set"""
    versions: dict[str, str]
    """of its libraries, and of the package that offers it"""
    columns: tuple[str, ...] = ()
    """what the columns of the first required output stand for, where the task names them"""
    is_heard: bool = False
    """whether a report lets one hear anything of its labels or estimates"""
    digest: str | None = None
    """of a recipe's own task, over its module and what that imports from beside it"""

    @property
    def kind(self) -> str:
        """As the recipe says it."""
        return self.reference.kind

    @property
    def code(self) -> tuple[str, ...]:
        """The modules of ours or of an installed package that it begins with, see `packager.jobs.code`."""
        if self.reference.path is not None:
            return find_imports(read_factory(Path(self.reference.path)))
        return (list_tasks()[self.kind].module,)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The files of a recipe's own task that a worker reads."""
        return () if self.reference.path is None else (factory_input(Path(self.reference.path)),)

    @property
    def facts(self) -> dict[str, Any]:
        """What of it decides a score, for content addresses; the code of the tree aside."""
        return {
            "kind": self.kind,
            "labels": self.reference.labels,
            "options": self.options,
            "digest": self.digest,
            "versions": self.versions,
        }

    def names_of_scope(self, scope: str) -> tuple[str, ...]:
        """The names of the metrics of a scope, in their order."""
        return _names_of_scope(self.metrics, scope)

    def agreements_of_scope(self, scope: str) -> tuple[str, ...]:
        """The names of the agreements of a scope, in their order."""
        return _names_of_scope(self.agreements, scope)

    @property
    def known_metrics(self) -> dict[str, MetricInfo]:
        """All that an evaluation may hold, by name, the task's own first."""
        return {**self.metrics, **self.agreements, **BUILT_IN}

    @property
    def leading(self) -> str | None:
        """What stands for how good a model is at the task: a metric, where there is none an agreement."""
        return next(iter({**self.metrics, **self.agreements}), None)

    @property
    def leading_of_clips(self) -> str | None:
        """What clips are ranked by, if anything."""
        return next(iter((*self.names_of_scope("clip"), *self.agreements_of_scope("clip"))), None)


def _names_of_scope(metrics: Mapping[str, MetricInfo], scope: str) -> tuple[str, ...]:
    return tuple(name for name, metric in metrics.items() if metric.scope == scope)


def list_tasks() -> Mapping[str, Plugin]:
    """The tasks of the tree and of installed packages, by kind, sorted; no task is imported."""
    return list_plugins("tasks", Path(__file__).parent / "tasks", "TASK")


def find_task(
    kind: str, options: dict[str, Any] | None = None, *, base: Path = Path(), labels: bool = True
) -> TaskReference:
    """Find a task without running any code of it.

    Args:
        kind: A known kind, or `python:module:Class`.
        options: What the recipe sets.
        base: The recipe's folder.
        labels: Whether the clips have any.

    Raises:
        EvaluationError: There is no such kind, or no such module.
    """
    if kind.startswith(PREFIX):
        try:
            path, name = locate_factory(kind, base, where="task.kind")
            digest_factory(path)  # a file that is not Python, or has a taken name, is told now
        except PackagingError as fault:
            raise EvaluationError(str(fault)) from None
        return TaskReference(kind=kind, options=options or {}, labels=labels, path=str(path), name=name)
    if kind not in list_tasks():
        kinds = tuple(list_tasks())
        hint = suggest(kind, kinds) or f"; known kinds: {', '.join(kinds)}, or one of your own: python:module:Class"
        raise EvaluationError(f"task.kind: no task of kind {kind!r}{hint}")
    return TaskReference(kind=kind, options=options or {}, labels=labels)


def load_task(kind: str, options: dict[str, Any] | None = None) -> Task:
    """A task of the tree or of an installed package.

    Raises:
        EvaluationError: There is no such kind, or an option that it does not take.
    """
    return open_task(find_task(kind, options))


def open_task(reference: TaskReference) -> Task:
    """The task itself, `Unlabelled` where clips have no labels. A recipe's own is imported by it: that is for workers.

    Raises:
        EvaluationError: It is no task, or an option is not one that it takes.
    """
    if reference.path is None:
        found = list_tasks()[reference.kind].load()
    else:
        assert reference.name is not None
        found = find_callable(Path(reference.path), reference.name)
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise EvaluationError(f"task.kind: {reference.kind!r} is no task; right is a subclass of evaluators.task.Task")
    options = parse_record(reference.options, found.Options, where="task.options", error=EvaluationError)
    task = found(options)
    task.kind = reference.kind
    return task if reference.labels else Unlabelled(task)


def describe(task: Task, reference: TaskReference) -> TaskInfo:
    """What a task declares, checked.

    Raises:
        EvaluationError: Something declared cannot be.
    """
    kind = reference.kind
    for name, metric in (*task.metrics.items(), *task.agreements.items()):
        if metric.scope not in ("clip", "dataset"):
            raise EvaluationError(f'task {kind}: metric {name}: scope {metric.scope!r}; right is "clip" or "dataset"')
    plugin = None if reference.path is not None else list_tasks()[kind]
    packages = (*task.libraries, *([plugin.distribution] if plugin is not None and plugin.distribution else []))
    info = TaskInfo(
        reference=reference,
        label_keys=tuple(task.label_keys),
        label_files=tuple(task.label_files),
        required_outputs=tuple(task.required_outputs),
        metrics={name: metric.info for name, metric in task.metrics.items()},
        agreements={
            name: metric.info.model_copy(update={"with_source": True}) for name, metric in task.agreements.items()
        },
        options=task.options.model_dump(mode="json"),
        versions={package: find_version(package, f"task {kind}", task.extra) for package in packages},
        columns=_name_columns(task),
        is_heard=type(task).hear is not Task.hear,
        digest=None if reference.path is None else digest_factory(Path(reference.path)),
    )
    check_declared(info)
    return info


def _name_columns(task: Task) -> tuple[str, ...]:
    named = None if task.column_option is None else getattr(task.options, task.column_option)
    return tuple(str(one) for one in named or ())  # a text is one sign a column


def check_declared(info: TaskInfo) -> None:
    """See that what a task declares can be.

    Raises:
        EvaluationError: Keys or metrics have names that are taken, or files are no labels.
    """
    strange = [key for key in info.label_files if key not in info.label_keys]
    if strange:
        raise EvaluationError(f"task {info.kind}: label_files names {', '.join(strange)}, which label_keys does not")
    taken = sorted(_RESERVED.intersection(info.label_keys))
    if taken:
        raise EvaluationError(f"task {info.kind}: label_keys names {', '.join(taken)}, which every dataset has")
    taken = sorted({*BUILT_IN, *LONG_RUN}.intersection((*info.metrics, *info.agreements)))
    if taken:
        raise EvaluationError(f"task {info.kind}: metrics of testpress's own are named {', '.join(taken)}; rename them")
    taken = sorted(set(info.metrics).intersection(info.agreements))
    if taken:
        raise EvaluationError(f"task {info.kind}: agreements are named as metrics are: {', '.join(taken)}; rename them")
    if not info.reference.labels and not info.agreements:
        raise EvaluationError(
            f"task.labels: the task {info.kind} tells of no agreement with the source, so that without labels nothing "
            'is scored; take labels out and label the clips, or use kind = "parity"'
        )
