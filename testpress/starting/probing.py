"""Workers are asked what a model takes and gives, and what data holds."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from device_profiles.record import Record
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.workers import Job, Limits
from testpress.errors import RecipeError
from testpress.starting.facts import DataFacts, ModelFacts
from testpress.starting.probe_jobs import DataRequest, DataTold, ModelRequest, ModelTold

_LIMITS = Limits(time_s=600.0)

T = TypeVar("T", bound=Record)


def probe_model(source: str, framework: str | None, base: Path, rate_hz: int) -> ModelFacts:
    """What a model takes and gives.

    Args:
        source: As a recipe names it.
        framework: Where it cannot be told from the source.
        base: The recipe's folder.
        rate_hz: Of the audio; one that takes any length gets a second.

    Raises:
        RecipeError: It cannot be loaded, or fails when it is called.
    """
    request = ModelRequest(source=source, framework=framework, base=str(base.resolve()), rate_hz=rate_hz)
    return _ask("probe_model", request, ModelTold, f"--model {source}").model


def probe_data(path: Path) -> DataFacts:
    """What data holds.

    Raises:
        RecipeError: It cannot be read.
    """
    return _ask("probe_data", DataRequest(path=str(path)), DataTold, "--data").data


def _ask(function: str, request: Record, told: type[T], where: str) -> T:
    found: list[T] = []
    target = f"testpress.starting.probe_jobs:{function}"
    job = Job(target, request.model_dump(mode="json"), None, _LIMITS, told)
    (ended,) = LocalExecutor().run([job], lambda _, event: found.append(event))
    if ended.reason is not None or not found:
        raise RecipeError("\n".join(f"{where}: {line}" for line in str(ended.reason).split("\n")))
    return found[-1]
