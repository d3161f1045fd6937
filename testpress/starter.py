"""What `testpress init` writes: a recipe to fill in and CI jobs that hold a model against it."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.files import find_kind
from packager.factories import PREFIX
from testpress import ci_jobs
from testpress.ci_jobs import describe_job, find_job_files
from testpress.errors import RecipeError

RECIPE_NAME = "testpress.toml"
CI_FILES = ci_jobs.CI_FILES
"""by CI system, where its job is written"""

_TEMPLATES = Path(__file__).parent / "templates"
_DEFAULT_SOURCE = "python:net:build"
_LONGEST = 200
"""what a recipe takes for a name or source"""


@dataclass(frozen=True)
class Starter:
    """What was written.

    Attributes:
        recipe: The recipe.
        jobs: CI system → its file.
    """

    recipe: Path
    jobs: dict[str, Path]

    def as_data(self) -> dict[str, Any]:
        """What `testpress init --json` writes."""
        return {"recipe": str(self.recipe), **{system: str(path) for system, path in self.jobs.items()}}


def make_starter(folder: Path, *, source: str | None = None, systems: Sequence[str] = tuple(CI_FILES)) -> Starter:
    """Write a recipe into `folder` and CI jobs where their systems look for them: in the repository's root.

    Args:
        folder: Where the recipe goes; made where it is missing. The root is the nearest folder above with a `.git`,
            else `folder` itself.
        source: The model, as a recipe names it; a path that is there is rewritten to start from `folder`.
        systems: Keys of `CI_FILES`.

    Raises:
        RecipeError: One of the files is there already, or cannot be written; then none of them is.
    """
    root = _find_root(folder)
    recipe = folder / RECIPE_NAME
    jobs = find_job_files(root, systems)
    texts = {recipe: _recipe_text(folder, source)}
    for system, path in jobs.items():
        texts[path] = _fill(f"{system}.yml", describe_job(recipe, path, root))
    for path in texts:
        if os.path.lexists(path):
            raise RecipeError(f"{path}: is there already and is not overwritten; move it away or name another folder")
    _write_new(texts)
    return Starter(recipe, jobs)


def as_text(starter: Starter) -> str:
    """The files, one a line, and what is to be done next."""
    lines = [str(path) for path in (starter.recipe, *starter.jobs.values())]
    lines.append(f"next: say in {starter.recipe} what the model hears and what it must keep; then")
    lines.append(f"  {shlex.join(['testpress', 'run', str(starter.recipe)])}")
    if "gitlab" in starter.jobs:
        lines.append(f"GitLab: include {starter.jobs['gitlab'].name} in .gitlab-ci.yml, as its first lines say")
    return "\n".join(lines)


def _recipe_text(folder: Path, source: str | None) -> str:
    written = _DEFAULT_SOURCE if source is None else _from_folder(source, folder)
    if not 0 < len(written) <= _LONGEST or not written.isprintable():
        raise RecipeError(f"--model: a source has 1 to {_LONGEST} printable signs; found {written[:80]!r}")
    name = "my-model" if source is None else _model_name(written)
    return _fill("testpress.toml", {"FILE": RECIPE_NAME, "NAME": _quote(name), "SOURCE": _quote(written)})


def _from_folder(source: str, folder: Path) -> str:
    """A shell's path starts where the shell stands, a recipe's where the recipe is."""
    if (
        source.startswith(("pkg://", PREFIX))
        or not source
        or find_kind(Path(source)) == "missing"
        or Path(source).is_absolute()
    ):
        return source
    return Path(os.path.relpath(Path(source).resolve(), folder.resolve())).as_posix()


def _model_name(source: str) -> str:
    """A name for people: the module of Python code, else the file's name without its ending."""
    last = source.split(":")[1] if source.startswith(PREFIX) else Path(source).stem
    return last.strip(". ") or "my-model"


def _fill(template: str, values: Mapping[str, str]) -> str:
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    return re.sub("@([A-Z]+)@", lambda found: values[found[1]], text)


def _quote(text: str) -> str:
    """A string as both TOML and YAML read it: JSON's."""
    return json.dumps(text, ensure_ascii=False)


def _find_root(folder: Path) -> Path:
    place = folder.resolve()
    return next((parent for parent in (place, *place.parents) if (parent / ".git").exists()), folder)


def _write_new(texts: Mapping[Path, str]) -> None:
    """All of the files or none; a file that came to be in the meantime stays as it is."""
    written: list[Path] = []
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
        except OSError as fault:
            for each in written:
                each.unlink(missing_ok=True)
            raise RecipeError(f"{path}: cannot be written: {fault.strerror}") from None
