"""Datasets that code makes on first use, named as `python:module:function`.

The module is a file beside the recipe; the function takes a folder that does not exist yet, fills it, and returns the
manifest's path inside it. It runs in a worker, and what it made is kept under the digest of the module's text
for as long as it is whole.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluators.errors import EvaluationError
from packager.seals import is_whole, seal_folder
from packager.storage import digest_bytes, stage_folder
from packager.workers import Job, Limits, run_jobs

_PREFIX = "python:"
_POINTER = "manifest"


def locate_dataset(uri: str, base: Path, out: Path) -> Path:
    """The manifest that a recipe's `dataset` names, made first where it is code that makes it.

    Args:
        uri: A path, or `python:module:function`.
        base: What relative paths and modules start from: the recipe's folder.
        out: The output folder; what is made goes to its `data`.

    Raises:
        EvaluationError: There is no such module, or it fails.
    """
    if not uri.startswith(_PREFIX):
        return base / uri
    module, _, function = uri.removeprefix(_PREFIX).partition(":")
    inner = f"{module.replace('.', '/')}.py"
    above = base.resolve().parent / inner  # what several recipes share may lie above their folders
    path = above if above.is_file() and not (base / inner).is_file() else base / inner
    if not function.isidentifier():
        raise EvaluationError(f"task.dataset: {uri!r} should read python:module:function")
    if not path.is_file():
        raise EvaluationError(f"task.dataset: {uri!r}: there is no file {path}")
    folder = out / "data" / f"{path.stem}-{digest_bytes(path.read_bytes() + function.encode())[:16]}"
    if not is_whole(folder):
        _make(path, function, folder, out / "logs" / "dataset.log")
    return folder / (folder / _POINTER).read_text().strip()


def _make(path: Path, function: str, folder: Path, log: Path) -> None:
    request = {"path": str(path.resolve()), "function": function, "folder": str(folder.resolve())}
    job = Job("evaluators.dataset_factory:call_factory", request, log, Limits(time_s=3600))
    (ended,) = run_jobs([job], lambda *_: None)
    if ended.reason is not None:
        raise EvaluationError(f"task.dataset: {path.name}:{function} failed: {ended.reason}\n(log: {log})")


def call_factory(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Inside the worker: import the module by its path and call the function."""
    specification = importlib.util.spec_from_file_location(Path(request["path"]).stem, request["path"])
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up while it is made
    specification.loader.exec_module(module)
    with stage_folder(Path(request["folder"])) as stage:
        manifest = Path(getattr(module, request["function"])(stage / "clips"))
        if not manifest.is_file() or not manifest.is_relative_to(stage / "clips"):
            raise EvaluationError(f"it returned {manifest}, which is not a file in the folder it was given")
        (stage / _POINTER).write_text(manifest.relative_to(stage).as_posix() + "\n")
        seal_folder(stage)
    yield {"manifest": str(manifest)}
