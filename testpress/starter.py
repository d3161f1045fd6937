"""What `testpress init` writes: a recipe, where nobody names data a sample of clips, and CI jobs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from device_profiles.files import find_kind
from packager.factories import PREFIX
from testpress import ci_jobs
from testpress.ci_jobs import describe_job, find_job_files
from testpress.errors import RecipeError
from testpress.starting.clips import FOLDER, encode_clip, make_clips
from testpress.starting.draft import Draft, as_data
from testpress.starting.recipe_text import DEFAULT_DATASET, DEFAULT_DEVICES, fill_template, write_recipe

__all__ = [
    "CI_FILES",
    "DEFAULT_DEVICES",
    "RECIPE_NAME",
    "Starter",
    "as_text",
    "from_folder",
    "make_starter",
    "refuse_existing",
]

RECIPE_NAME = "testpress.toml"
CI_FILES = ci_jobs.CI_FILES
"""by CI system, where its job is written"""

_DEFAULT_SOURCE = "python:net:build"
_LONGEST = 200
"""what a recipe takes for a name or source"""


@dataclass(frozen=True)
class Starter:
    """What was written.

    Attributes:
        recipe: The recipe.
        jobs: CI system → its file.
        draft: What was found of the model and the data; None where nobody looked.
        clips: The folder of the sample of clips, where one was written.
    """

    recipe: Path
    jobs: dict[str, Path]
    draft: Draft | None = None
    clips: Path | None = None

    def as_data(self) -> dict[str, Any]:
        """What `testpress init --json` writes."""
        found = {} if self.draft is None else as_data(self.draft)
        clips = {} if self.clips is None else {"clips": str(self.clips)}
        return {"recipe": str(self.recipe), **clips, **{n: str(path) for n, path in self.jobs.items()}, **found}


def make_starter(
    folder: Path,
    *,
    source: str | None = None,
    systems: Sequence[str] = tuple(CI_FILES),
    draft: Draft | None = None,
    data: Path | str | None = None,
    devices: Sequence[str] = DEFAULT_DEVICES,
) -> Starter:
    """Write a recipe into `folder` and CI jobs where their systems look for them: in the repository's root.

    Args:
        folder: Where the recipe goes; made where it is missing. The root is the nearest folder above with a `.git`,
            else `folder` itself.
        source: The model, as a recipe names it; a path that is there is rewritten to start from `folder`.
        systems: Keys of `CI_FILES`.
        draft: What was found of the model, to be filled in.
        data: The user's; where there is a draft and no data, a sample of clips is written.
        devices: Phones by their ids.

    Raises:
        RecipeError: One of the files is there already, or cannot be written; then none of them is.
    """
    root = _find_root(folder)
    recipe = folder / RECIPE_NAME
    jobs = find_job_files(root, systems)
    clips = folder / FOLDER if draft is not None and data is None else None
    dataset = DEFAULT_DATASET if draft is None else FOLDER if data is None else from_folder(str(data), folder)
    text = _recipe_text(folder, source, draft=draft, dataset=dataset, devices=devices)
    writers: dict[Path, Callable[[Path], None]] = {recipe: partial(_write_text, text)}
    if clips is not None and draft is not None:
        made = make_clips(draft.rate_hz, draft.channels, draft.window_samples)
        writers |= {clips / name: partial(encode_clip, sound, draft.rate_hz) for name, sound in made.items()}
    for system, path in jobs.items():
        writers[path] = partial(_write_text, fill_template(f"{system}.yml", describe_job(recipe, path, root)))
    refuse_existing(writers)
    _write_new(writers)
    return Starter(recipe, jobs, draft, clips)


def refuse_existing(paths: Sequence[Path] | dict[Path, Any]) -> None:
    """See that nothing would be overwritten.

    Raises:
        RecipeError: A file is there already.
    """
    for path in paths:
        if os.path.lexists(path):
            raise RecipeError(f"{path}: is there already and is not overwritten; move it away or name another folder")


def as_text(starter: Starter) -> str:
    """What was found, the files, one a line, and what is to be done next."""
    lines = [] if starter.draft is None else [*starter.draft.found, ""]
    lines += [str(path) for path in (starter.recipe, *starter.jobs.values())]
    if starter.clips is not None:
        lines.append(
            f"{starter.clips}: clips made here, so that the recipe runs; name your own audio in [task] dataset"
        )
    run = shlex.join(["testpress", "run", str(starter.recipe)])
    if starter.draft is None:
        lines += [f"next: say in {starter.recipe} what the model hears and what it must keep; then", f"  {run}"]
    else:
        lines += ["next: bundles for each phone, and a verdict:", f"  {run}"]
    if "gitlab" in starter.jobs:
        lines.append(f"GitLab: include {starter.jobs['gitlab'].name} in .gitlab-ci.yml, as its first lines say")
    return "\n".join(lines)


def _recipe_text(folder: Path, source: str | None, *, draft: Draft | None, dataset: str, devices: Sequence[str]) -> str:
    written = _DEFAULT_SOURCE if source is None else from_folder(source, folder)
    for key, value in (("--model", written), ("--data", dataset)):
        if not 0 < len(value) <= _LONGEST or not value.isprintable():
            raise RecipeError(f"{key}: a source has 1 to {_LONGEST} printable signs; found {value[:80]!r}")
    name = "my-model" if source is None else _model_name(written)
    return write_recipe(name, file=RECIPE_NAME, source=written, draft=draft, dataset=dataset, devices=devices)


def from_folder(source: str, folder: Path) -> str:
    """A shell's path starts where the shell stands, a recipe's where the recipe is."""
    if (
        source.startswith(("pkg://", PREFIX, "builtin:"))
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


def _find_root(folder: Path) -> Path:
    place = folder.resolve()
    return next((parent for parent in (place, *place.parents) if (parent / ".git").exists()), folder)


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _write_new(writers: dict[Path, Callable[[Path], None]]) -> None:
    """All of the files or none; a file that came to be in the meantime stays as it is."""
    written: list[Path] = []
    for path, write in writers.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("x").close()
            written.append(path)
            write(path)
        except OSError as fault:
            for each in written:
                each.unlink(missing_ok=True)
            raise RecipeError(f"{path}: cannot be written: {fault.strerror}") from None
