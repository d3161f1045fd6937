"""Trials on emulated cores: played, traced and counted as all trials are, see `schedule`."""

from __future__ import annotations

from collections.abc import Mapping

from evaluators.core_records import OpTrace
from evaluators.emulators.arm.counts import InstructionCounts
from evaluators.playing.core_trial import CoreTrial
from evaluators.playing.host_calls import CoreRequest
from evaluators.playing.schedule import (
    COUNT_ON_CORE,
    PLAY_ON_CORE,
    TRACE_ON_CORE,
    OnEvent,
    Outcome,
    TrialSetup,
    run_trials,
)


def play_on_cores(requests: Mapping[str, CoreRequest], setup: TrialSetup, on_event: OnEvent) -> dict[str, Outcome]:
    """Play bundles on emulated cores, several at once; `CoreTrial` outcomes.

    Args:
        requests: Row name → what to play where.
        setup: What they share; calls are kept in the output folder's cache.
        on_event: As `play_all`'s.
    """
    return run_trials(PLAY_ON_CORE, requests, CoreTrial, setup, on_event)


def trace_on_cores(requests: Mapping[str, CoreRequest], setup: TrialSetup, on_event: OnEvent) -> dict[str, Outcome]:
    """Say at which op bundles part there from this machine's run; `OpTrace` outcomes. Arguments: `play_on_cores`'s."""
    return run_trials(TRACE_ON_CORE, requests, OpTrace, setup, on_event)


def count_on_cores(requests: Mapping[str, CoreRequest], setup: TrialSetup, on_event: OnEvent) -> dict[str, Outcome]:
    """Count bundles' instructions there; `InstructionCounts` outcomes, arguments as `play_on_cores`'s."""
    return run_trials(COUNT_ON_CORE, requests, InstructionCounts, setup, on_event)
