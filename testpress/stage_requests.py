"""What each stage is asked for by a recipe: its model and task found, its dataset made and read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluators.condition_sets import list_recordings
from evaluators.datasets.builtin.making import (
    MAKING_LIMITS,
    PREFIX,
    find_dataset,
    locate_builtin,
)
from evaluators.datasets.factory import FACTORY_LIMITS, locate_dataset
from evaluators.datasets.place import LONG
from evaluators.datasets.preparation import prepare_dataset
from evaluators.datasets.prepared import PreparedDataset, count_notices
from evaluators.datasets.recordings import FoundRecordings, find_recordings
from evaluators.datasets.signals import locate_signals
from evaluators.evaluate import EvaluationRequest, check_outputs
from evaluators.playing.candidates import Candidate
from evaluators.task_asking import Asked
from evaluators.task_loading import TaskInfo
from packager.integration_records import TaskContract
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.workers import DEFAULT_LIMITS
from packager.model import ModelSource, find_source
from packager.package import PackageRequest
from testpress.recipe import Recipe, ask_own_task, need_audio
from testpress.work import Work

MODEL_RUNNER = "evaluators.comparing.model_runner:EmulatorRunner"
"""what packaging runs model files with: named, not imported, so that the packager knows nothing of the emulators"""


def make_package_request(work: Work) -> PackageRequest:
    """What packaging the recipe asks for; its dataset is read.

    Raises:
        TestpressError: The dataset cannot be used, or the user can mend something else.
    """
    recipe, windows = work.recipe, None
    devices = recipe.written.devices
    if recipe.task_spec.dataset is not None and recipe.written.audio is not None:
        prepared = _read_dataset(work)  # a fault in it is told before minutes of conversion, not after
        windows = prepared.found.find_windows(work.out).path
    return PackageRequest(
        source=_source(recipe),
        audio=recipe.written.audio,
        variants=recipe.variants,
        out=work.out,
        minimum_deployment_target=recipe.minimum_deployment_target,
        windows=windows,
        windows_key=None if windows is None else windows.parent.name,
        runner=MODEL_RUNNER,
        task=None if recipe.written.task is None else _describe_task(work),
        compute_unit=None if devices is None else devices.unit,
        limits=recipe.limits.over(DEFAULT_LIMITS),
        executor=work.executor,
    )


def make_evaluation_request(work: Work, candidates: Sequence[Candidate]) -> EvaluationRequest:
    """What evaluating candidates by the recipe asks for.

    Raises:
        TestpressError: The task, the dataset or a recording cannot be used.
    """
    recipe = work.recipe
    audio, task = need_audio(recipe), _ask_task(work)
    return EvaluationRequest(
        source=_source(recipe),
        audio=audio,
        dataset=_locate_dataset(work, task),
        task=task,
        candidates=candidates,
        devices=recipe.profiles,
        asked=recipe.asked,
        out=work.out,
        limits=recipe.limits.over(LONG),
        executor=work.executor,
        calibrations=recipe.calibrations,
        conditions=recipe.conditions,
        long_run=recipe.long_run,
        arm=recipe.written.targets.arm,
        runtimes=recipe.written.targets.shipped,
        recordings=find_clip_recordings(work),
        meant_elsewhere=recipe.meant_elsewhere,
        audio_root=_audio_root(recipe),
    )


def _read_dataset(work: Work) -> PreparedDataset:
    recipe, audio, task = work.recipe, need_audio(work.recipe), _ask_task(work)
    check_outputs(task, recipe.written.model)
    work.progress.stage("read the dataset", 0, 1)
    manifest = _locate_dataset(work, task)
    prepared = prepare_dataset(manifest, task=task, audio=audio, place=work.place, audio_root=_audio_root(recipe))
    work.progress.stage("read the dataset", 1, 1)
    for notice in count_notices(prepared.found.info):
        work.progress.say(notice)
    return prepared


def _audio_root(recipe: Recipe) -> Path | None:
    root = recipe.task_spec.audio_root
    return None if root is None else recipe.folder / root


def _ask_task(work: Work) -> TaskInfo:
    limits = work.recipe.limits.over(DEFAULT_LIMITS)
    return ask_own_task(work.recipe, Asked(work.out / "logs" / "task.log", limits, work.executor))


def _locate_dataset(work: Work, task: TaskInfo) -> Path:
    limits = work.recipe.limits.over(FACTORY_LIMITS)
    spec = work.recipe.task_spec
    uri = spec.dataset
    if uri is None:
        return locate_signals(need_audio(work.recipe), work.out)
    if uri.startswith(PREFIX):
        chosen, log = find_dataset(uri, spec.dataset_options), work.out / "logs" / "dataset.log"
        return locate_builtin(chosen, task.label_keys, log=log, limits=limits, on_stage=work.progress.stage)
    # Code that makes data reads what lies beside it, which is here.
    return locate_dataset(uri, work.recipe.folder, work.out, executor=LocalExecutor(), limits=limits)


def find_clip_recordings(work: Work) -> dict[str, FoundRecordings]:
    """What the recipe's conditions play beside the clips; datasets are made first."""
    recipe = work.recipe
    return find_recordings(
        list_recordings(recipe.conditions),
        recipe.folder,
        log=work.out / "logs" / "recordings.log",
        limits=recipe.limits.over(MAKING_LIMITS),
        on_stage=work.progress.stage,
    )


def _describe_task(work: Work) -> TaskContract:
    """What manifests tell apps of the recipe's task."""
    task = _ask_task(work)
    output = next(iter(task.required_outputs), None)
    return TaskContract(kind=task.kind, options=task.options, columns=task.columns, output=output)


def _source(recipe: Recipe) -> ModelSource:
    return find_source(recipe.written.model, recipe.folder, recipe.written.frontend)
