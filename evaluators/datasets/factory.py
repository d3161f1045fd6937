"""Datasets that code makes on first use, named as `python:module:function`.

The module is a file beside the recipe, or in the folder above it, which several recipes may share; the function takes a
folder that does not exist yet, fills it, and returns the manifest's path inside it. It runs in a worker, and what it
made is kept under the digest of the module, and of what that imports from beside it, for as long as it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluators.errors import EvaluationError
from packager.errors import PackagingError
from packager.factories import PREFIX, digest_factory, find_callable, locate_factory
from packager.jobs.executors import Executor
from packager.jobs.results import Made, fill_folder
from packager.jobs.workers import Job, Limits
from packager.seals import is_whole, seal_folder, trust_seal
from packager.storage import digest_facts

_POINTER = "manifest"
_DATASET = "dataset"
FACTORY_LIMITS = Limits(time_s=3600)


def locate_dataset(uri: str, base: Path, out: Path, *, executor: Executor, limits: Limits = FACTORY_LIMITS) -> Path:
    """The manifest that a recipe's `dataset` names, made first where it is code that makes it.

    Args:
        uri: A path, or `python:module:function`.
        base: What relative paths and modules start from: the recipe's folder.
        out: The output folder; what is made goes to its `data`.
        executor: Who runs the code.
        limits: What it may use.

    Raises:
        EvaluationError: There is no such module, or it fails.
    """
    if not uri.startswith(PREFIX):
        return base / uri
    try:
        path, function = locate_factory(uri, base, where="task.dataset", shared=base.resolve().parent)
        key = digest_facts({"code": digest_factory(path), "function": function})
    except PackagingError as fault:
        raise EvaluationError(str(fault)) from None
    folder = out / "data" / f"{path.stem}-{key[:16]}"
    if not is_whole(folder):
        log = out / "logs" / "dataset.log"
        request = {"path": str(path.resolve()), "function": function}
        job = Job("evaluators.datasets.factory:call_factory", request, log, limits, results={_DATASET: folder})
        (ended,) = executor.run([job], lambda *_: None)
        if ended.reason is not None:
            raise EvaluationError(f"task.dataset: {path.name}:{function} failed: {ended.reason}\n(log: {log})")
        trust_seal(folder)
    return folder / (folder / _POINTER).read_text().strip()


def call_factory(request: dict[str, Any], folder: Path) -> Iterator[Made]:
    """Inside the worker: import the module by its path and call the function."""
    with fill_folder(folder / _DATASET) as stage:
        manifest = Path(find_callable(Path(request["path"]), request["function"])(stage / "clips"))
        if not manifest.is_file() or not manifest.is_relative_to(stage / "clips"):
            raise EvaluationError(f"it returned {manifest}, which is not a file in the folder it was given")
        (stage / _POINTER).write_text(manifest.relative_to(stage).as_posix() + "\n")
        seal_folder(stage)
    yield Made(made=_DATASET)
