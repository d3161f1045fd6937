"""Calls on an emulated core, each made once: what a call gave is kept under its model, its input, the core and runtime.

An emulated call takes seconds. A run that was broken off, a further window, or another budget repeats none.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.files import read_bytes
from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from evaluators.target_records import Target
from evaluators.targets import open_model
from packager.arrays import pack_arrays
from packager.storage import digest_facts, digest_tree

FOLDER = "calls"
"""in the worker's folder; its files are added to those that are kept"""
MOST_BYTES = 2**30

Arrays = Mapping[str, npt.NDArray[Any]]


class CoreStore:
    """A model on a core, loaded when a call is asked for that is not kept."""

    def __init__(self, model: Path, target: Target, kept: Path, folder: Path) -> None:
        """Begin with nothing loaded.

        Args:
            model: The file.
            target: The core.
            kept: Folder of calls that were made before.
            folder: The worker's own, in which new ones are stored.
        """
        self._model, self._target, self._kept, self._folder = model, target, kept, folder
        self._emulator: Emulator | None = None
        self._facts = {"model": digest_tree(model), "target": target.model_dump(mode="json")}

    def play(self, inputs: Arrays, *, afresh: bool = False) -> tuple[dict[str, npt.NDArray[Any]], str | None]:
        """One call: what it gave, and the name of what was newly stored.

        Args:
            inputs: Of the call.
            afresh: Whether the model is loaded anew for it, since it keeps something of the calls before.

        Raises:
            EvaluationError: It cannot be made.
        """
        name = f"{self._digest(inputs)}.npz"
        found = _load(self._kept / name)
        if found is not None:
            return found, None
        if afresh:
            self.close()
        if self._emulator is None:
            self._emulator = open_model(self._model, self._target)
        values = self._emulator.run(inputs)
        (self._folder / FOLDER / name).write_bytes(pack_arrays(values))
        return values, f"{FOLDER}/{name}"

    def close(self) -> None:
        """End what was loaded."""
        if self._emulator is not None:
            self._emulator.close()
            self._emulator = None

    def _digest(self, inputs: Arrays) -> str:
        digest = hashlib.sha256()
        for name in sorted(inputs):
            value = np.ascontiguousarray(inputs[name])
            digest.update(f"{name}\0{value.dtype.str}\0{value.shape}\0".encode())
            digest.update(value.tobytes())
        return digest_facts({**self._facts, "inputs": digest.hexdigest()})[:32]


def _load(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    """What was kept; None where nothing is, or what is there is damaged."""
    if not path.is_file():
        return None
    try:
        data = read_bytes(path, error=EvaluationError, most=MOST_BYTES)
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (EvaluationError, ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile):
        return None
