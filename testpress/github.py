"""What a run on GitHub tells beside its result: annotations."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from device_profiles.files import is_file
from reports.judging.comparison import Comparison
from reports.renderers.annotations import annotate


def annotation_lines(comparison: Comparison, recipe: Path | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The lines to print where a step of GitHub Actions runs; none elsewhere.

    Args:
        comparison: What was judged.
        recipe: The recipe, if it is known; else the one that the evaluation's command names, if it is there.
        environment: The process' environment variables.
    """
    if not environment.get("GITHUB_ACTIONS"):
        return ()
    root = Path(environment.get("GITHUB_WORKSPACE") or Path.cwd())
    path = recipe or _find_recipe(comparison.evaluation.command)
    return annotate(comparison, file=None if path is None else _from_root(path, root))


def _find_recipe(command: str) -> Path | None:
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    return next((Path(word) for word in words if word.endswith(".toml") and is_file(Path(word))), None)


def _from_root(path: Path, root: Path) -> str | None:
    """The path as GitHub knows files: relative to the repository; none where it lies outside."""
    whole, root = path.resolve(), root.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else None
