"""Models on more targets than the one that bulk numbers are made on: phones whose apps carry another runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluators.playing.schedule import Outcome, TrialSetup, play_all, time_all
from evaluators.playing.trial import TrialEvent
from evaluators.target_records import Target
from evaluators.targets import get_player

OnProgress = Callable[[str, int, int], None]
"""`on_progress(stage, done, total)`"""
Played = tuple[Target, Outcome, Outcome]
"""a target, what playing there gave, and timing"""

_UNTIMED = Outcome(None, "its calls go to another process and back, which would be in every time")


@dataclass(frozen=True)
class Further:
    """A model to be played on one more target."""

    variant: str
    model: Path
    target: Target

    @property
    def name(self) -> str:
        """Of the trial and its log."""
        return f"{self.variant} on {self.target.name}"


def play_further(further: Sequence[Further], setup: TrialSetup, on_progress: OnProgress) -> dict[str, list[Played]]:
    """Play and time models on further targets.

    Args:
        further: Which models, where.
        setup: What they share with all other trials.
        on_progress: Who is told.

    Returns:
        By variant, one entry a target.
    """
    if not further:
        return {}
    there = replace(setup, targets={one.name: one.target for one in further}, draws=False)
    stage, total, done = "play on further targets", 2 * len(further), 0

    def on_event(_: str, event: TrialEvent | None) -> None:
        nonlocal done
        if event is None or event.result is not None:
            done += 1
            on_progress(stage, done, total)

    played = play_all({one.name: one.model for one in further}, there, on_event)
    good = {
        one.name: one.model
        for one in further
        if played[one.name].result is not None and get_player(one.target.name).times
    }
    timed = time_all(good, there, on_event)
    on_progress(stage, total, total)
    found: dict[str, list[Played]] = {}
    for one in further:
        times = timed.get(one.name, _UNTIMED)
        found.setdefault(one.variant, []).append((one.target, played[one.name], times))
    return found


def count_results(
    stage: str, total: int, on_progress: OnProgress, run: Callable[[Callable[[str, Any], None]], dict[str, Outcome]]
) -> dict[str, Outcome]:
    """Run trials and tell how many have a result.

    Args:
        stage: What they are called.
        total: How many there are.
        on_progress: Who is told.
        run: What runs them; it takes what is to be called with each row's name and event.
    """
    done = 0

    def tick(_name: str, _event: Any) -> None:
        nonlocal done
        done += 1
        on_progress(stage, done, total)

    outcomes = run(tick)
    on_progress(stage, total, total)
    return outcomes
