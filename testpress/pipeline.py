"""The stages in their order: package → evaluate → report → check. Each can be run alone, again, elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import testpress
from device_profiles.record import dump_json
from evaluators.datasets.builtin.making import (
    read_attribution,
)
from evaluators.environment import describe_environment
from evaluators.errors import EvaluationError
from evaluators.evaluate import EvaluationRequest, Findings, evaluate
from evaluators.evaluation import Evaluation
from evaluators.identity import describe_identity
from evaluators.metrics import CORES, LONG_RUN
from evaluators.playing.candidates import Candidate, from_packaged, from_path
from packager.attestation.signatures import check_private_key, sign_bundle
from packager.bundle import MANIFEST_NAME
from packager.errors import PackagingError
from packager.formats import searched_precisions
from packager.model import resolve_path
from packager.package import Packaged, Variant, folder, is_outdated, key, package
from packager.storage import lock_folder, write_text_atomically
from reports.judging.acceptance import Acceptance
from reports.judging.comparison import Comparison, compare
from reports.judging.regressions import NOTHING_ACCEPTED
from reports.write import Paths, write_comparison
from testpress.recipe import need_audio
from testpress.searching.spec import refuse_unsettled
from testpress.stage_requests import find_clip_recordings, make_evaluation_request, make_package_request
from testpress.telling import tell_evaluated, tell_packaged
from testpress.work import EVALUATION_NAME, Work


@dataclass(frozen=True)
class RunResult:
    """What `testpress run` made."""

    packaged: list[Packaged]
    evaluation: Evaluation
    evaluation_path: Path
    report: Paths
    comparison: Comparison


def run(
    work: Work,
    *,
    command: str,
    baseline: Evaluation | None = None,
    earlier: Path | None = None,
    acceptance: Acceptance = NOTHING_ACCEPTED,
    sign: Path | None = None,
) -> RunResult:
    """The default job: package, evaluate, report, check.

    Args:
        work: What to do.
        command: What reproduces this, for the report.
        baseline: An earlier evaluation to compare with.
        earlier: Where its previews are; without it none of it can be heard.
        acceptance: What may be worse than there.
        sign: A private key to sign the bundles with.

    Raises:
        TestpressError: The user can mend it.
    """
    out = work.out
    _say_notices(work)
    refuse_unsettled(work.recipe.path, work.recipe.searched)
    _say_signals(work)
    with lock_folder(out):
        need_audio(work.recipe)
        find_clip_recordings(work)  # what cannot be fetched is told before minutes of conversion, not after
        packaged = _package(work, sign)
        _refuse_nothing(packaged)
        for failed in (outcome for outcome in packaged if outcome.bundle is None):
            work.progress.say(f"{failed.variant.name} was not made: {failed.reason} (log: {failed.log})")
        candidates = [from_packaged(one, out) for one in packaged]
        evaluation = _evaluate(work, candidates, command=command)
        path = out / EVALUATION_NAME
        write_text_atomically(path, dump_json(evaluation))
        comparison = compare(evaluation, baseline, acceptance=acceptance)
        report = write_comparison(comparison, out / "report", folder=out, earlier=earlier)
    return RunResult(packaged, evaluation, path, report, comparison)


def package_recipe(work: Work, *, sign: Path | None = None) -> list[Packaged]:
    """Make the recipe's bundles, and sign them with a private key; one that fails is an outcome, not an exception."""
    _say_notices(work)
    refuse_unsettled(work.recipe.path, work.recipe.searched)
    with lock_folder(work.out):
        return _package(work, sign)


def _say_notices(work: Work) -> None:
    if work.verbose:
        names = ", ".join(variant.name for variant in work.recipe.variants)
        work.progress.say(f"{work.recipe.path}: {names}; output is in {work.out}, logs in {work.out / 'logs'}")
    for notice in work.recipe.notices:
        work.progress.say(notice)


def _say_signals(work: Work) -> None:
    if work.recipe.task_spec.dataset is None:
        work.progress.say(
            f"{work.recipe.path}: [task] names no dataset: bundles are held against the source on test signals"
        )


def remake_bundle(work: Work, variant: str) -> Packaged:
    """Make one of the recipe's bundles anew.

    Args:
        work: The recipe that the bundle is said to be made of, and an empty folder.
        variant: Its name.

    Raises:
        TestpressError: The recipe makes no such bundle, or the user can mend something else.
    """
    recipe = work.recipe
    made = (*recipe.variants, *(Variant(name, one) for name in recipe.searched for one in searched_precisions(name)))
    wanted = tuple(one for one in made if one.name == variant)
    if not wanted:
        names = ", ".join(one.name for one in made)
        raise PackagingError(f"{recipe.path}: makes no bundle {variant!r}, only {names}; name its own recipe")
    request = replace(make_package_request(work), variants=wanted)
    work.progress.stage("remake", 0, 1)
    (outcome,) = package(request)
    work.progress.stage("remake", 1, 1)
    return outcome


def evaluate_recipe(work: Work, files: Sequence[str], *, command: str) -> Evaluation:
    """Evaluate the bundles that are packaged already, and files beside them.

    Args:
        work: What to hold them against; the output folder has the bundles, and results are stored there.
        files: Further bundles or model files; paths, or `pkg://package/path`.
        command: What reproduces this, for the report.

    Raises:
        TestpressError: Nothing is there to be evaluated, or the user can mend something else.
    """
    _say_notices(work)
    refuse_unsettled(work.recipe.path, work.recipe.searched)
    _say_signals(work)
    with lock_folder(work.out):
        candidates = _packaged_candidates(work)
        candidates += [from_path(resolve_path(name, Path.cwd())) for name in files]
        return _evaluate(work, _distinct(candidates), command=command)


def _packaged_candidates(work: Work) -> list[Candidate]:
    """The recipe's bundles that are there and up to date, damaged ones too; says which are not."""
    request, candidates = make_package_request(work), []
    for variant in work.recipe.variants:
        path = folder(request, variant)
        packaged = (path / MANIFEST_NAME).is_file()
        if packaged and not is_outdated(path, key(request, variant)):
            candidates.append(from_path(path))
        else:
            state = "is out of date" if packaged else "is not packaged"
            hint = f"testpress package {work.recipe.path} makes it"
            work.progress.say(f"{variant.name} {state} and left out; {hint}")
    return candidates


def _package(work: Work, sign: Path | None) -> list[Packaged]:
    if sign is not None:
        check_private_key(sign)  # told before minutes of conversion, not after
    progress = work.progress
    request, done, total = make_package_request(work), 0, len(work.recipe.variants)
    progress.stage("package", 0, total)

    def on_done(_: Packaged) -> None:
        nonlocal done
        done += 1
        progress.stage("package", done, total)

    outcomes = package(request, on_done=on_done)
    if work.verbose:
        tell_packaged(outcomes, progress.say)
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


def _evaluate(work: Work, candidates: Sequence[Candidate], *, command: str) -> Evaluation:
    request = make_evaluation_request(work, candidates)
    findings = evaluate(request, work.progress.stage)
    if work.verbose:
        tell_evaluated(findings.variants, work.out, work.progress.say)
    return finish_evaluation(work, request, findings, command=command)


def finish_evaluation(work: Work, request: EvaluationRequest, findings: Findings, *, command: str) -> Evaluation:
    """The evaluation that findings of a request make; `command` reproduces it."""
    recipe, task = work.recipe, request.task
    return Evaluation(
        testpress_version=testpress.__version__,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=command,
        model=recipe.written.model.identity,
        audio=request.audio,
        task=task.kind,
        task_options=task.options,
        metrics={
            **task.known_metrics,
            **(LONG_RUN if recipe.long_run else {}),
            **(CORES if any(row.cores for row in findings.variants) else {}),
        },
        leading_metric=task.leading,
        recipe=recipe.as_data(),
        dataset=findings.dataset.model_copy(update={"attribution": read_attribution(request.dataset)}),
        environment=describe_environment(task.versions),
        source=findings.source,
        variants=findings.variants,
        cores_reason=findings.cores_reason,
        device_names={profile.id: profile.name for profile in recipe.profiles},
        conditions=tuple(request.conditions),
        identity=describe_identity(recipe.folder, recipe.as_data()),
    )


def _distinct(candidates: list[Candidate]) -> list[Candidate]:
    """Subjects without repetition.

    Raises:
        EvaluationError: There is none, or two different ones share a name.
    """
    by_name: dict[str, Candidate] = {}
    for candidate in candidates:
        known = by_name.setdefault(candidate.variant, candidate)
        if known.key != candidate.key:
            raise EvaluationError(
                f"two different models are named {candidate.variant!r}: {known.model}, {candidate.model}"
            )
    if not by_name:
        raise EvaluationError("nothing to evaluate: package the recipe first, or name a bundle or model file")
    return list(by_name.values())
