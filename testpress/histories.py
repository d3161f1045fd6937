"""Histories as a terminal shows them and as `--json` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from device_profiles.text import shorten
from reports.history.runs import Run
from reports.history.trends import History
from reports.history.words import describe_place, describe_step

_MOST_STEPS = 20


def added_text(runs: Sequence[Run], added: Sequence[Run], path: Path) -> str:
    """How many lines were added."""
    there = len({run.run for run in runs}) - len(added)
    known = f"; {_count(there, 'run')} there already" if there else ""
    return f"{path}: {_count(len(added), 'run')} added{known}"


def added_data(runs: Sequence[Run], added: Sequence[Run], path: Path) -> dict[str, Any]:
    """What `testpress history add --json` writes."""
    new = [run.run for run in added]
    there = sorted({run.run for run in runs} - set(new))
    return {"history": str(path), "added": new, "already_there": there}


def as_text(history: History, page: Path) -> str:
    """How much was looked at, one paragraph a step, and where the page is."""
    runs, steps = history.runs, history.found
    models = ", ".join(sorted({shorten(run.model) for run in runs}))
    first, last = (run.time.strftime("%Y-%m-%d") for run in (runs[0], runs[-1]))
    lines = [f"{models}: {_count(len(runs), 'run')} from {first} to {last}, {_count(len(history.trends), 'number')}"]
    lines.append(f"{_count(len(steps), 'step')}{':' if steps else ' found'}")
    for trend, step in steps[:_MOST_STEPS]:
        lines += [f"  - {describe_place(trend)}", f"    {describe_step(history, trend, step)}"]
    if len(steps) > _MOST_STEPS:
        lines.append(f"  and {len(steps) - _MOST_STEPS} more, in the page")
    return "\n".join([*lines, "", f"page: {page}"])


def as_data(history: History, page: Path) -> dict[str, Any]:
    """What `testpress history report --json` writes."""
    return {
        "page": str(page),
        "runs": [
            {
                "run": run.run,
                "model": run.model,
                "time": run.time.isoformat(),
                "created": run.created,
                "identity": None if run.identity is None else run.identity.model_dump(mode="json"),
            }
            for run in history.runs
        ],
        "steps": [
            {**trend.model_dump(mode="json", exclude={"points", "steps"}), **step.model_dump(mode="json")}
            for trend, step in history.found
        ],
        "trends": [trend.model_dump(mode="json") for trend in history.trends],
        "left_out": list(history.left_out),
    }


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
