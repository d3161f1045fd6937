"""Weights that a recipe's own script trains on built-in datasets at first use, kept in the user's cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evaluators.datasets.builtin.making import find_dataset
from evaluators.registries.cache import find_cache, hold_lock
from packager.factories import digest_factory
from packager.storage import digest_facts, write_bytes_atomically


def keep_trained(name: str, script: Path, datasets: Sequence[str], train: Callable[[], bytes], **versions: str) -> Path:
    """The file with the weights, trained first where it is not there; one process trains, others wait for it.

    Args:
        name: What the file's name begins with.
        script: The training's code; it and what it imports beside it are part of what the file is kept under.
        datasets: The built-in datasets that it is trained on.
        train: Gives the file's content.
        versions: Of libraries that decide the result, by name.

    Raises:
        EvaluationError: There is no such dataset.
    """
    facts = {
        "code": digest_factory(script),
        "data": [find_dataset(dataset).folder.name for dataset in datasets],
        "versions": versions,
    }
    path = find_cache() / "trained" / f"{name}-{digest_facts(facts)[:16]}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(path.with_name(f".{path.name}.lock")):  # bundles are made at the same time
        if not path.is_file():
            write_bytes_atomically(path, train())
    return path
