"""Some clips of a dataset, chosen by a seed, as a dataset of their own: what a search plays before it plays all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluators.datasets.prepared import PreparedDataset
from packager.seals import write_sealed_record
from packager.storage import digest_facts

SEED = 0


def choose_subset(dataset: PreparedDataset, count: int, seed: int = SEED) -> frozenset[str]:
    """Identifiers of clips drawn without replacement; of one seed, a smaller subset lies in every larger one.

    Args:
        dataset: Of which.
        count: How many.
        seed: Of the draw.
    """
    names = [clip.clip for clip in dataset.found.info.clips]
    order = np.random.default_rng(seed).permutation(len(names))
    return frozenset(names[index] for index in order[:count])


def store_subset(dataset: PreparedDataset, clips: frozenset[str], out: Path) -> PreparedDataset:
    """The clips as a prepared dataset; their windows stay where the whole dataset's are.

    Args:
        dataset: The whole.
        clips: Which; all of them give the dataset itself.
        out: The output folder.
    """
    picked = dataset.found.pick(clips)
    if len(picked.info.clips) == len(dataset.found.info.clips):
        return dataset
    sha256 = digest_facts({"dataset": picked.info.sha256, "clips": [clip.clip for clip in picked.info.clips]})
    found = picked.model_copy(update={"info": picked.info.model_copy(update={"sha256": sha256})})
    stored = out / "cache" / "dataset" / f"{sha256[:32]}.json"
    write_sealed_record(stored, found)
    return replace(dataset, found=found, path=stored)
