"""Calling a model file with arrays of the caller's own, in a worker."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.errors import EvaluationError
from evaluators.targets import open_model
from packager.arrays import pack_arrays
from packager.storage import write_bytes_atomically
from testpress.model_file import locate_model


def call_model(options: dict[str, Any]) -> None:
    """Run calls in their order and write what they gave.

    Args:
        options: `file`; `calls`, an .npz of `INDEX/INPUT`, and `count` of them; `signature`; `out`.

    Raises:
        TestpressError: The model cannot be opened, or an input is not what it takes.
    """
    file, count = options["file"], options["count"]
    emulator = open_model(locate_model(file).path, signature=options["signature"])
    given: list[dict[str, Any]] = [{} for _ in range(count)]
    with np.load(options["calls"], allow_pickle=False) as archive:
        for name in archive.files:
            index, _, key = name.partition("/")
            given[int(index)][key] = archive[name]
    outputs: dict[str, npt.NDArray[Any]] = {}
    for index, call in enumerate(given):
        try:
            found = emulator.run(call)
        except EvaluationError as fault:
            raise EvaluationError(f"{file}: call {index + 1} of {count}: {' '.join(str(fault).split())}") from None
        outputs |= {f"{index}/{name}": np.array(value) for name, value in found.items()}
    write_bytes_atomically(options["out"], pack_arrays(outputs))
