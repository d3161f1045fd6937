"""Source and bundles on minutes of audio joined from the clips: does a bundle stay as near to its source as it was?

The stream is one more set of windows of a single clip: the source is run on it once, and every bundle that plays the
clips plays it on the same target. What fails is told in its row alone; the clean results stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from device_profiles.text import shorten
from evaluators.datasets.inputs import store_source_outputs
from evaluators.datasets.long_stream import plan_stream, store_stream
from evaluators.datasets.place import Place
from evaluators.datasets.prepared import Windows
from evaluators.errors import EvaluationError
from evaluators.evaluation import VariantResult
from evaluators.long_run_records import LongRun, LongRunSpec, StreamPlan
from evaluators.metrics import LONG_RUN
from evaluators.playing.further_targets import OnProgress
from evaluators.playing.long_run import LongRunRequest
from evaluators.playing.other_lengths import list_lengths
from evaluators.playing.schedule import Outcome, TrialSetup, run_long
from evaluators.results import describe_failure
from evaluators.score import Score
from packager.bundle import AudioContract
from packager.model import ModelSource

_STAGE = "play the long run"
_NAME = "the long run"
_IDENTICAL = "identical"


def add_long_runs(
    spec: LongRunSpec,
    rows: Sequence[VariantResult],
    models: Mapping[str, Path],
    source: ModelSource,
    setup: TrialSetup,
    on_progress: OnProgress,
) -> tuple[VariantResult, ...]:
    """The rows with what came of a long run of each bundle that plays the clips.

    Args:
        spec: What the recipe asks.
        rows: The bundles.
        models: Those that play the clips, by their rows' names.
        source: The model.
        setup: That of the clips.
        on_progress: Who is told.
    """
    total = len(models) + 1
    on_progress(_STAGE, 0, total)
    place = Place(setup.out, setup.limits, setup.executor)
    try:
        plan = plan_stream(spec, setup.windows.spans, setup.audio)
        stream = store_stream(setup.windows, plan, audio=setup.audio, place=place)
        reference = store_source_outputs(
            source, stream, audio=setup.audio, place=place, on_windows=lambda _: None, name=_NAME
        )
    except EvaluationError as fault:
        reason = str(fault).partition("\n(log: ")[0]
        failed = LongRun(problem=reason)
        return tuple(_add(row, failed) if row.variant in models else row for row in rows)
    done = 1

    def on_event(*_: object) -> None:
        nonlocal done
        done += 1
        on_progress(_STAGE, min(done, total), total)

    on_progress(_STAGE, done, total)
    lengths = list_lengths(source.spec, setup.audio)
    requests = {
        name: _ask(model, name, (plan, stream, reference), spec, setup).model_copy(update={"lengths": lengths})
        for name, model in models.items()
    }
    outcomes = run_long(requests, setup, on_event)
    on_progress(_STAGE, total, total)
    return tuple(_add(row, _read(outcomes[row.variant], setup.out)) if row.variant in outcomes else row for row in rows)


def _ask(
    model: Path, name: str, heard: tuple[StreamPlan, Windows, Path], spec: LongRunSpec, setup: TrialSetup
) -> LongRunRequest:
    plan, stream, reference = heard
    return LongRunRequest(
        model=str(model.resolve()),
        audio=setup.audio,
        outputs=setup.outputs,
        state=setup.state,
        frontend=setup.frontend,
        task=setup.task.reference,
        windows=str(stream.path.resolve()),
        samples=stream.spans[0][2],
        plan=plan,
        chunks=list_chunks(spec, setup.audio),
        reference=str(reference.resolve()),
        target=setup.targets.get(name),
    )


def list_chunks(spec: LongRunSpec, audio: AudioContract) -> tuple[int, ...]:
    """The pieces that are asked for, in samples, each once and in order.

    Args:
        spec: What the recipe asks.
        audio: The contract.
    """
    by_time = [max(1, round(ms * audio.sample_rate_hz / 1000)) for ms in spec.chunks_ms]
    return tuple(sorted({*by_time, *spec.chunks_samples}))


def _read(outcome: Outcome, out: Path) -> LongRun:
    if outcome.result is not None:
        found: LongRun = outcome.result
        return found
    failure = describe_failure(outcome, out)
    return LongRun(problem=failure.reason, log=failure.log)


def _add(row: VariantResult, found: LongRun) -> VariantResult:
    return row.model_copy(update={"long_run": found, "scores": {**row.scores, **score_long_run(found)}})


def score_long_run(found: LongRun) -> dict[str, Score]:
    """The numbers that budgets, baselines and other tools read; those of `metrics.LONG_RUN`, as far as they are there.

    Args:
        found: What came of one bundle's long run.
    """
    if found.problem is not None:
        return {name: _absent(name, shorten(found.problem, 300)) for name in LONG_RUN}
    scores: dict[str, Score] = {}
    outputs = [one for one in found.outputs if one.snr.reason != _IDENTICAL]
    if found.outputs:
        worst = min(outputs or found.outputs, key=lambda one: _or_least(one.snr.value))
        growing = max(found.outputs, key=lambda one: -_or_least(None if (v := one.growth.value) is None else -v))
        scores |= {"long_run_snr_db": worst.snr, "long_run_growth_db_per_minute": growing.growth}
    if found.silence is not None:
        scores["after_silence_loss_db"] = found.silence.loss
    errors = [one.max_abs_error for one in found.repeats]
    if errors:
        name = "repeat_max_abs_error"
        known = [error for error in errors if error is not None]
        scores[name] = _absent(name, "a value is not finite") if None in errors else _number(name, max(known))
    if found.decisions is not None:
        scores |= {"decision_delay_ms": found.decisions.median, "decision_delay_worst_ms": found.decisions.worst}
    return scores


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value


def _number(name: str, value: float) -> Score:
    info = LONG_RUN[name]
    return Score(value=value, unit=info.unit, direction=info.direction, basis="emulated")


def _absent(name: str, reason: str) -> Score:
    info = LONG_RUN[name]
    return Score(value=None, unit=info.unit, direction=info.direction, basis="emulated", reason=reason)
