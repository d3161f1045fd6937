"""What a run on GitHub tells beside its result: annotations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reports.judging.comparison import Comparison
from reports.renderers.annotations import annotate
from testpress.acceptances import find_recipe


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
    path = recipe or find_recipe(comparison.evaluation)
    return annotate(comparison, file=None if path is None else _from_root(path, root))


def _from_root(path: Path, root: Path) -> str | None:
    """The path as GitHub knows files: relative to the repository; none where it lies outside."""
    whole, root = path.resolve(), root.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else None
