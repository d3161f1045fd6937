from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.mil_programs import write_program


@pytest.fixture(scope="session")
def coremltools() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coremltools warns of the versions of everything
        module = pytest.importorskip("coremltools")
    gc.freeze()  # each conversion collects garbage, which takes half a second while all frameworks are looked through
    yield module
    gc.unfreeze()


@pytest.fixture
def run_mil(tmp_path: Path, coremltools: Any) -> Callable[..., list[np.ndarray]]:
    """Writes a program with coremltools' MIL builder, runs it on the emulator, and returns the outputs in order."""

    def run(body: Callable[..., Any], inputs: Mapping[str, np.ndarray], target: str = "iOS17") -> list[np.ndarray]:
        from evaluators.emulators.coreml import CoreMLModel

        path = tmp_path / "program.mlpackage"
        kinds = {name: (array.shape, array.dtype) for name, array in inputs.items()}
        names = write_program(path, body, kinds, target=target)
        outputs = CoreMLModel(path).predict(inputs)
        return [outputs[name] for name in names]

    return run
