"""The stages in their order: package → evaluate → report → check. Each can be run alone, again, elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import testpress
from device_profiles.record import dump_json
from evaluators.dataset_factory import locate_dataset
from evaluators.environment import describe_environment
from evaluators.errors import EvaluationError
from evaluators.evaluate import Assignment, check_outputs, evaluate
from evaluators.evaluation import Evaluation
from evaluators.inputs import LONG
from evaluators.preparation import Prepared, prepare_dataset
from evaluators.subjects import Subject, from_packaged, from_path
from evaluators.task import load_task
from packager.bundle import MANIFEST_NAME
from packager.errors import PackagingError
from packager.model import ModelSource, find_source, resolve_path
from packager.package import Order, Packaged, folder, is_outdated, key, package
from packager.signatures import check_private_key, sign_bundle
from packager.storage import lock_folder, write_text_atomically
from packager.workers import DEFAULT_LIMITS
from reports.comparison import Comparison, compare
from reports.write import Paths, write_comparison
from testpress.recipe import Recipe, need_audio, need_task

NUMERICS = "evaluators.numerics:Emulation"
"""what packaging runs model files with: named, not imported, so that the packager knows nothing of the emulators"""
EVALUATION_NAME = "evaluation.json"


class Progress(Protocol):
    """Who is told how far the work is."""

    def stage(self, name: str, done: int, total: int) -> None:
        """`done` of `total` steps of a stage are finished."""

    def say(self, text: str) -> None:
        """Something worth a line happened."""


@dataclass(frozen=True)
class RunResult:
    """What `testpress run` made."""

    packaged: list[Packaged]
    evaluation: Evaluation
    evaluation_path: Path
    report: Paths
    comparison: Comparison


def default_out(recipe: Recipe) -> Path:
    """Where output goes unless `-o` says otherwise."""
    return recipe.folder / "testpress-out"


def run(
    recipe: Recipe,
    out: Path,
    progress: Progress,
    *,
    command: str,
    baseline: Evaluation | None = None,
    sign: Path | None = None,
) -> RunResult:
    """The default job: package, evaluate, report, check.

    Args:
        recipe: What to do.
        out: The output folder.
        progress: Who is told.
        command: What reproduces this, for the report.
        baseline: An earlier evaluation to compare with.
        sign: A private key to sign the bundles with.

    Raises:
        TestpressError: The user can mend it.
    """
    with lock_folder(out):
        need_audio(recipe)
        need_task(recipe)
        packaged = _package(recipe, out, progress, sign)
        _refuse_nothing(packaged)
        for failed in (outcome for outcome in packaged if outcome.bundle is None):
            progress.say(f"{failed.variant.name} failed: {failed.reason} (log: {failed.log})")
        subjects = [from_packaged(one, out) for one in packaged]
        evaluation = _evaluate(recipe, out, subjects, progress, command=command)
        path = out / EVALUATION_NAME
        write_text_atomically(path, dump_json(evaluation))
        comparison = compare(evaluation, baseline)
        report = write_comparison(comparison, out / "report", folder=out)
    return RunResult(packaged, evaluation, path, report, comparison)


def package_recipe(recipe: Recipe, out: Path, progress: Progress, *, sign: Path | None = None) -> list[Packaged]:
    """Make the recipe's bundles, and sign them with a private key; one that fails is an outcome, not an exception."""
    with lock_folder(out):
        return _package(recipe, out, progress, sign)


def remake_bundle(recipe: Recipe, variant: str, out: Path, progress: Progress) -> Packaged:
    """Make one of the recipe's bundles anew.

    Args:
        recipe: What the bundle is said to be made of.
        variant: Its name.
        out: An empty folder.
        progress: Who is told.

    Raises:
        TestpressError: The recipe makes no such bundle, or the user can mend something else.
    """
    wanted = tuple(one for one in recipe.variants if one.name == variant)
    if not wanted:
        names = ", ".join(one.name for one in recipe.variants)
        raise PackagingError(f"{recipe.path}: makes no bundle {variant!r}, only {names}; name its own recipe")
    order = replace(_order(recipe, out, progress), variants=wanted)
    progress.stage("remake", 0, 1)
    (outcome,) = package(order)
    progress.stage("remake", 1, 1)
    return outcome


def evaluate_recipe(recipe: Recipe, out: Path, files: Sequence[str], progress: Progress, *, command: str) -> Evaluation:
    """Evaluate the bundles that are packaged already, and files beside them.

    Args:
        recipe: What to hold them against.
        out: The output folder with the bundles; results are stored there.
        files: Further bundles or model files; paths, or `pkg://package/path`.
        progress: Who is told.
        command: What reproduces this, for the report.

    Raises:
        TestpressError: Nothing is there to be evaluated, or the user can mend something else.
    """
    with lock_folder(out):
        subjects = _packaged_subjects(recipe, out, progress)
        subjects += [from_path(resolve_path(name, Path.cwd())) for name in files]
        return _evaluate(recipe, out, _distinct(subjects), progress, command=command)


def _packaged_subjects(recipe: Recipe, out: Path, progress: Progress) -> list[Subject]:
    """The recipe's bundles that are there and up to date, damaged ones too; says which are not."""
    order, subjects = _order(recipe, out, progress), []
    for variant in recipe.variants:
        path = folder(order, variant)
        packaged = (path / MANIFEST_NAME).is_file()
        if packaged and not is_outdated(path, key(order, variant)):
            subjects.append(from_path(path))
        else:
            state = "is out of date" if packaged else "is not packaged"
            progress.say(f"{variant.name} {state} and left out; testpress package {recipe.path} makes it")
    return subjects


def _read_dataset(recipe: Recipe, out: Path, progress: Progress) -> Prepared:
    said, audio = need_task(recipe), need_audio(recipe)
    task = load_task(said.kind)
    check_outputs(task, recipe.written.model)
    progress.stage("read the dataset", 0, 1)
    manifest = locate_dataset(said.dataset, recipe.folder, out)
    prepared = prepare_dataset(manifest, task=task, audio=audio, out=out, limits=recipe.limits.over(LONG))
    progress.stage("read the dataset", 1, 1)
    return prepared


def _order(recipe: Recipe, out: Path, progress: Progress) -> Order:
    windows = None
    if recipe.written.task is not None and recipe.written.audio is not None:
        prepared = _read_dataset(recipe, out, progress)  # a fault in it is told before minutes of conversion, not after
        windows = prepared.find_windows(out).path
    return Order(
        source=_source(recipe),
        audio=recipe.written.audio,
        variants=recipe.variants,
        out=out,
        minimum_deployment_target=recipe.minimum_deployment_target,
        windows=windows,
        windows_key=None if windows is None else windows.parent.name,
        numerics=NUMERICS,
        limits=recipe.limits.over(DEFAULT_LIMITS),
    )


def _source(recipe: Recipe) -> ModelSource:
    return find_source(recipe.written.model, recipe.folder)


def _package(recipe: Recipe, out: Path, progress: Progress, sign: Path | None) -> list[Packaged]:
    if sign is not None:
        check_private_key(sign)  # told before minutes of conversion, not after
    order, done, total = _order(recipe, out, progress), 0, len(recipe.variants)
    progress.stage("package", 0, total)

    def on_done(_: Packaged) -> None:
        nonlocal done
        done += 1
        progress.stage("package", done, total)

    outcomes = package(order, on_done=on_done)
    if sign is not None:
        for bundle in (outcome.bundle for outcome in outcomes if outcome.bundle is not None):
            progress.say(f"{bundle.manifest.variant} is signed: {sign_bundle(bundle, sign)}")
    return outcomes


def _refuse_nothing(outcomes: Sequence[Packaged]) -> None:
    """End a run of which nothing is left to be evaluated.

    Raises:
        PackagingError: No bundle could be made, and all for one reason.
    """
    reasons = {outcome.reason for outcome in outcomes}
    if len(reasons) == 1 and all(outcome.bundle is None for outcome in outcomes):
        raise PackagingError(f"nothing could be packaged: {outcomes[0].reason}\n(log: {outcomes[0].log})")


def _evaluate(
    recipe: Recipe, out: Path, subjects: Sequence[Subject], progress: Progress, *, command: str
) -> Evaluation:
    written, audio, task = recipe.written, need_audio(recipe), need_task(recipe)
    assignment = Assignment(
        source=_source(recipe),
        audio=audio,
        dataset=locate_dataset(task.dataset, recipe.folder, out),
        task=task.kind,
        subjects=subjects,
        devices=recipe.profiles,
        out=out,
        limits=recipe.limits.over(LONG),
    )
    findings = evaluate(assignment, progress.stage)
    return Evaluation(
        testpress_version=testpress.__version__,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=command,
        model=written.model.identity,
        audio=audio,
        task=task.kind,
        recipe=recipe.as_data(),
        dataset=findings.dataset,
        environment=describe_environment(),
        source=findings.source,
        variants=findings.variants,
        device_names={profile.id: profile.name for profile in recipe.profiles},
    )


def _distinct(subjects: list[Subject]) -> list[Subject]:
    """Subjects without repetition.

    Raises:
        EvaluationError: There is none, or two different ones share a name.
    """
    by_name: dict[str, Subject] = {}
    for subject in subjects:
        known = by_name.setdefault(subject.variant, subject)
        if known.key != subject.key:
            raise EvaluationError(f"two different models are named {subject.variant!r}: {known.model}, {subject.model}")
    if not by_name:
        raise EvaluationError("nothing to evaluate: package the recipe first, or name a bundle or model file")
    return list(by_name.values())
