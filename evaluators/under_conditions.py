"""Source and bundles on the same clips under other conditions, and whether a bundle loses more there than its source.

Each condition is one more set of windows: the source is run on it, and every bundle that plays the clean clips plays it
on the same target, with the same labels. What a condition makes impossible is a failure of that condition alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from evaluators.comparing.condition_losses import (
    ClipPair,
    DatasetPair,
    adjust_losses,
    compare_clips,
    compare_dataset_scores,
    find_worst_clips,
)
from evaluators.condition_records import ConditionInfo
from evaluators.datasets.conditioning import store_conditioned
from evaluators.datasets.inputs import store_source_outputs
from evaluators.datasets.place import Place
from evaluators.datasets.recordings import FoundRecordings
from evaluators.errors import EvaluationError
from evaluators.evaluation import ConditionResult, ExtraLoss, SourceResult, VariantResult
from evaluators.playing.schedule import Outcome, TrialSetup, play_all
from evaluators.playing.trial import TrialEvent, TrialResult
from evaluators.results import Context, describe_failure, score_source, score_task
from packager.model import ModelSource

_MOST_CLIPS = 5
_STAGE = "play under conditions"
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Played:
    """What was played under one condition: outcomes that hold a `TrialResult`, or a reason."""

    condition: ConditionInfo
    source: Outcome
    bundles: Mapping[str, Outcome]


def play_conditions(
    conditions: Sequence[ConditionInfo],
    models: Mapping[str, Path],
    source: ModelSource,
    setup: TrialSetup,
    on_progress: OnProgress,
    recordings: Mapping[str, FoundRecordings] = MappingProxyType({}),
) -> tuple[Played, ...]:
    """Play the source and the bundles under each condition.

    Args:
        conditions: Which.
        models: The bundles that play the clean clips, by their rows' names.
        source: The model.
        setup: That of the clean clips.
        on_progress: Who is told.
        recordings: What the conditions play beside the clips.
    """
    total, done = len(conditions) * (len(models) + 1), 0

    def on_event(_: str, event: TrialEvent | None) -> None:
        nonlocal done
        if event is None or event.result is not None:
            done += 1
            on_progress(_STAGE, done, total)

    played = []
    for number, condition in enumerate(conditions, start=1):
        played.append(_play_condition(condition, models, source, setup, on_event, recordings))
        done = number * (len(models) + 1)
        on_progress(_STAGE, done, total)
    return tuple(played)


def _play_condition(
    condition: ConditionInfo,
    models: Mapping[str, Path],
    source: ModelSource,
    setup: TrialSetup,
    on_event: Callable[[str, TrialEvent | None], None],
    recordings: Mapping[str, FoundRecordings],
) -> Played:
    place = Place(setup.out, setup.limits, setup.executor)
    try:
        windows = store_conditioned(setup.windows, condition, audio=setup.audio, place=place, recordings=recordings)
        reference = store_source_outputs(
            source, windows, audio=setup.audio, place=place, on_windows=lambda _: None, name=condition.name
        )
    except EvaluationError as fault:
        failed = Outcome(None, str(fault).partition("\n(log: ")[0])
        return Played(condition, failed, dict.fromkeys(models, failed))
    names = {variant: f"{variant} under {condition.name}" for variant in models}
    there = replace(
        setup,
        windows=windows,
        reference=reference,
        targets={names[variant]: target for variant, target in setup.targets.items() if variant in names},
        draws=False,
    )
    own = f"source under {condition.name}"
    outcomes = play_all({own: None, **{names[variant]: models[variant] for variant in models}}, there, on_event)
    return Played(condition, outcomes[own], {variant: outcomes[name] for variant, name in names.items()})


def add_conditions(
    source: SourceResult,
    rows: Sequence[VariantResult],
    clean: Mapping[str, TrialResult],
    played: Sequence[Played],
    context: Context,
) -> tuple[SourceResult, tuple[VariantResult, ...]]:
    """Source and rows with what came of them under each condition.

    Args:
        source: The source model on the clean clips.
        rows: The bundles.
        clean: What each row that has a result played on the clean clips.
        played: What was played under conditions.
        context: What the clean rows were held against.
    """
    losses = {
        (variant, one.condition.name): _compare(clean[variant], outcome.result, one.source.result, context)
        for one in played
        for variant, outcome in one.bundles.items()
        if outcome.result is not None and one.source.result is not None
    }
    adjusted = adjust_losses(losses, context.task.metrics)
    return (
        source.model_copy(update={"conditions": tuple(_describe_source(one, context) for one in played)}),
        tuple(
            row.model_copy(
                update={
                    "conditions": tuple(
                        _describe_bundle(row.variant, one, adjusted, clean, context)
                        for one in played
                        if row.variant in one.bundles
                    )
                }
            )
            for row in rows
        ),
    )


def _describe_source(one: Played, context: Context) -> ConditionResult:
    name = one.condition.name
    if one.source.result is None:
        return ConditionResult(condition=name, failure=describe_failure(one.source, context.out))
    return ConditionResult(condition=name, scores=score_source(one.source.result, context.task, context.groups))


def _describe_bundle(
    variant: str,
    one: Played,
    losses: Mapping[tuple[str, str], dict[str, ExtraLoss]],
    clean: Mapping[str, TrialResult],
    context: Context,
) -> ConditionResult:
    name, outcome = one.condition.name, one.bundles[variant]
    if outcome.result is None or one.source.result is None:
        failed = outcome if outcome.result is None else one.source
        return ConditionResult(condition=name, failure=describe_failure(failed, context.out))
    here = replace(context, trial=one.source.result)
    scores, differences = score_task(outcome.result, here)
    return ConditionResult(
        condition=name,
        scores=scores,
        differences=differences,
        parity=outcome.result.parity,
        extra_losses=losses[variant, name],
        worst_clips=_name_worst(clean[variant], outcome.result, here, context),
    )


def _compare(clean: TrialResult, here: TrialResult, source: TrialResult, context: Context) -> dict[str, ExtraLoss]:
    """By metric, what a bundle loses beyond what the source loses; not adjusted yet."""
    found = {}
    for name, metric in context.task.metrics.items():
        if metric.scope == "dataset":
            before = DatasetPair(context.trial.dataset_scores[name], clean.dataset_scores[name])
            found[name] = compare_dataset_scores(
                before, DatasetPair(source.dataset_scores[name], here.dataset_scores[name])
            )
        else:
            found[name] = compare_clips(
                _pair_clips(context.trial, clean, name), _pair_clips(source, here, name), context.groups
            )
    return found


def _pair_clips(source: TrialResult, bundle: TrialResult, name: str) -> ClipPair:
    return ClipPair([clip.scores[name] for clip in source.clips], [clip.scores[name] for clip in bundle.clips])


def _name_worst(clean: TrialResult, trial: TrialResult, here: Context, context: Context) -> tuple[str, ...]:
    leading = next(iter(context.task.names_of_scope("clip")), None)
    if leading is None:
        return ()
    before, after = _pair_clips(context.trial, clean, leading), _pair_clips(here.trial, trial, leading)
    return tuple(trial.clips[place].clip for place in find_worst_clips(before, after, _MOST_CLIPS))
