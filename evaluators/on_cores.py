"""Bundles on the types of core that the phones have: which windows, on which types, and what rows and phones say of it.

An emulated call takes seconds, so that a few windows are played unless a recipe asks for more: the one on which the
bundle is worst on this machine, the quietest and the loudest of the dataset, then others spread over it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from device_profiles.profile import DeviceProfile
from evaluators.core_records import ArmSpec, CoreResult
from evaluators.emulators.arm.core_types import list_phone_cores
from evaluators.emulators.arm.counts import InstructionCounts
from evaluators.emulators.arm.player import PREFIX
from evaluators.errors import EvaluationError
from evaluators.evaluation import DeviceResult, VariantResult
from evaluators.playing.core_schedule import count_on_cores, play_on_cores, trace_on_cores
from evaluators.playing.core_trial import CoreTrial
from evaluators.playing.further_targets import OnProgress, count_results
from evaluators.playing.host_calls import CoreRequest
from evaluators.playing.schedule import Outcome, TrialSetup, core_calls
from evaluators.playing.trial import TrialResult
from evaluators.results import describe_failure
from evaluators.score import Score
from evaluators.target_records import Target
from evaluators.targets import get_player
from packager.proving.window_choice import choose_windows, measure_levels

_FORMAT = "tflite"
_STAGE = "play on Arm cores"
_TRACE_STAGE = "locate what departs there"
_KEEPS = "the model keeps state by itself: only windows with which clips begin were played"
_DEPARTS_DB = 60.0
"""an output that is nearer to this machine's than this is not traced"""


@dataclass(frozen=True)
class _Play:
    """A bundle on a type of core."""

    variant: str
    target: Target
    windows: tuple[int, ...]
    request: CoreRequest

    @property
    def name(self) -> str:
        """Of the trial and its log."""
        return f"{self.variant} on {self.target.name}"


def find_core_targets(devices: Sequence[DeviceProfile]) -> tuple[dict[str, Target], str]:
    """The emulated types of core that stand for cores of the phones, by their names, and why they cannot be played.

    Args:
        devices: The phones.

    Returns:
        Target by the name of its type; and where there are none though phones need them, the reason.
    """
    names = dict.fromkeys(core for profile in devices for core in list_phone_cores(profile)[0])
    found: dict[str, Target] = {}
    for name in names:
        try:
            found[name] = get_player(PREFIX + name).find()
        except EvaluationError as fault:
            return {}, str(fault)
    return found, ""


@dataclass(frozen=True)
class Asked:
    """What a recipe asks of emulated cores.

    Attributes:
        spec: How bundles are played there.
        devices: The phones.
    """

    spec: ArmSpec
    devices: Sequence[DeviceProfile]


def add_cores(
    asked: Asked,
    rows: Sequence[VariantResult],
    models: Mapping[str, Path],
    played: Mapping[str, Outcome],
    setup: TrialSetup,
    on_progress: OnProgress,
) -> tuple[tuple[VariantResult, ...], str]:
    """The rows with what came of each TFLite bundle on each type of core that its phones have.

    Args:
        asked: What the recipe asks.
        rows: The bundles.
        models: Those that play the clips, by their rows' names.
        played: What playing the clips here gave.
        setup: What trials share.
        on_progress: Who is told.

    Returns:
        The rows, and why nothing was played though phones have such cores; empty where it was, or none was asked for.
    """
    spec = asked.spec
    phones = [profile for profile in asked.devices if profile.platform == "android"]
    wanted = [row for row in rows if row.format == _FORMAT and row.variant in models]
    if not spec.windows or not wanted:
        return tuple(rows), ""
    targets, reason = find_core_targets(phones)
    shared = _choose_shared(spec, setup) if targets else []
    plays = [
        _plan(row.variant, target, models[row.variant], windows, setup)
        for row in wanted
        for windows in [_pick(played[row.variant].result, shared, spec)]
        for core, target in targets.items()
        if _is_for(row, core, phones)
    ]
    found = _play_all(plays, setup, spec, on_progress) if plays else {}
    return tuple(_complete(row, found.get(row.variant, ()), phones) for row in rows), reason


def _is_for(row: VariantResult, core: str, phones: Sequence[DeviceProfile]) -> bool:
    """Whether a phone that the bundle is for has the core."""
    meant = {result.device for result in row.devices if result.meant and result.runs}
    return any(core in list_phone_cores(profile)[0] for profile in phones if profile.id in meant)


def _choose_shared(spec: ArmSpec, setup: TrialSetup) -> list[int]:
    """Windows of the dataset, those that are wanted first."""
    windows = np.load(setup.windows.path, mmap_mode="r")
    if spec.windows == "all":
        return list(range(len(windows)))
    levels = measure_levels(windows)
    ends = [int(np.argmin(levels)), int(np.argmax(levels))]
    return list(dict.fromkeys([*ends, *choose_windows(windows, spec.windows)]))


def _pick(trial: TrialResult, shared: Sequence[int], spec: ArmSpec) -> tuple[int, ...]:
    """A bundle's windows, ascending: the one on which it is worst here first of all."""
    ordered = list(dict.fromkeys([trial.worst_window, *shared]))
    return tuple(sorted(ordered[: len(ordered) if spec.windows == "all" else spec.windows]))


def _plan(variant: str, target: Target, model: Path, windows: tuple[int, ...], setup: TrialSetup) -> _Play:
    held = [
        (clip, span)
        for clip, span in zip(setup.clips, setup.windows.spans, strict=True)
        if any(span[0] <= window < span[0] + span[1] for window in windows)
    ]
    request = CoreRequest(
        model=str(model.resolve()),
        audio=setup.audio,
        outputs=setup.outputs,
        state=setup.state,
        frontend=setup.frontend,
        task=setup.task.reference,
        windows=str(setup.windows.path.resolve()),
        clips=tuple(clip for clip, _ in held),
        spans=tuple(span for _, span in held),
        chosen=windows,
        target=target,
        kept=str(core_calls(setup.out).resolve()),
    )
    return _Play(variant, target, windows, request)


def _play_all(
    plays: Sequence[_Play], setup: TrialSetup, spec: ArmSpec, on_progress: OnProgress
) -> dict[str, list[CoreResult]]:
    core_calls(setup.out).mkdir(parents=True, exist_ok=True)
    requests = {play.name: play.request for play in plays}
    first = {name: request.model_copy(update={"chosen": request.chosen[:1]}) for name, request in requests.items()}
    n_windows = {play.name: len(play.windows) for play in plays}
    n_counts = len(plays) if spec.counts else 0
    total, done = sum(n_windows.values()) + n_counts, 0

    def on_event(name: str, event: Any) -> None:
        nonlocal done
        done += n_windows[name] if event is None else event.clip is not None
        on_progress(_STAGE, min(done, total), total)

    def on_count(_name: str, _event: Any) -> None:
        nonlocal done
        done += 1
        on_progress(_STAGE, min(done, total), total)

    on_progress(_STAGE, 0, total)
    outcomes = play_on_cores(requests, setup, on_event)
    counted = count_on_cores(first, setup, on_count) if spec.counts else {}
    on_progress(_STAGE, total, total)
    departing = {
        name: requests[name].model_copy(update={"chosen": (outcome.result.worst_window,)})
        for name, outcome in outcomes.items()
        if _departs(outcome)
    }
    traced = _trace(departing, setup, on_progress)
    found: dict[str, list[CoreResult]] = {}
    for play in plays:
        result = _describe(play, outcomes[play.name], counted.get(play.name), traced.get(play.name), setup)
        found.setdefault(play.variant, []).append(result)
    return found


def _departs(outcome: Outcome) -> bool:
    trial: CoreTrial | None = outcome.result
    if trial is None:
        return False
    near = (one.snr_db.value is None or one.snr_db.value >= _DEPARTS_DB for one in trial.parity)
    return bool(trial.not_finite) or not all(near)


def _trace(requests: Mapping[str, CoreRequest], setup: TrialSetup, on_progress: OnProgress) -> dict[str, Outcome]:
    if not requests:
        return {}
    return count_results(_TRACE_STAGE, len(requests), on_progress, lambda tick: trace_on_cores(requests, setup, tick))


def _describe(
    play: _Play, outcome: Outcome, counted: Outcome | None, traced: Outcome | None, setup: TrialSetup
) -> CoreResult:
    notices = [] if traced is None or traced.reason is None else [f"what departs was not located: {traced.reason}"]
    counts = "not asked for" if counted is None else counted.reason or ""
    result = CoreResult(
        target=play.target,
        windows=play.windows,
        n_windows=setup.windows.count,
        trace=None if traced is None else traced.result,
        counts=None if counted is None else counted.result,
        counts_reason=counts,
        notices=tuple(notices),
    )
    trial: CoreTrial | None = outcome.result
    if trial is None:
        return result.model_copy(update={"failure": describe_failure(outcome, setup.out)})
    return result.model_copy(
        update={
            "windows": trial.windows,
            "notices": (*notices, *([_KEEPS] if trial.keeps_state else [])),
            "parity": trial.parity,
            "not_finite": trial.not_finite,
            "flips": trial.flips,
            "flips_reason": trial.flips_reason,
        }
    )


def _complete(row: VariantResult, cores: Sequence[CoreResult], phones: Sequence[DeviceProfile]) -> VariantResult:
    profiles = {profile.id: profile for profile in phones}
    by_name = {core.target.name: core for core in cores}
    devices = tuple(_add_counts(result, profiles.get(result.device), by_name) for result in row.devices)
    return row.model_copy(update={"cores": tuple(cores), "devices": devices})


def _add_counts(result: DeviceResult, profile: DeviceProfile | None, cores: Mapping[str, CoreResult]) -> DeviceResult:
    """A phone's result with its types of core, and what a call costs on the first of them."""
    if profile is None:
        return result
    types, reasons = list_phone_cores(profile)
    names = tuple(name for core in types if (name := PREFIX + core) in cores)
    first = cores[names[0]].counts if names else None
    scores = {} if first is None else score_counts(first)
    missing = tuple(f"{core}: {reason}" for core, reason in reasons.items())
    return result.model_copy(update={"cores": names, "cores_missing": missing, "scores": {**result.scores, **scores}})


def score_counts(counts: InstructionCounts) -> dict[str, Score]:
    """The counts that can be budgeted, as scores."""
    found = {"instructions": counts.instructions, "l1d_misses": counts.l1d_misses, "l2_misses": counts.l2_misses}
    return {
        name: Score(value=float(value), unit="count", direction="lower", basis="emulated")
        for name, value in found.items()
        if value is not None
    }
