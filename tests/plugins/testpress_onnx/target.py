"""ONNX Runtime on this machine's CPU: what `testpress.targets` names."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.emulators import Emulator, Tensor
from evaluators.errors import EvaluationError
from evaluators.target_records import Target
from evaluators.targets.target import Player


class ONNXEmulator:
    """An ONNX file in a session of ONNX Runtime."""

    def __init__(self, path: Path, threads: int) -> None:
        """Open the session."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as fault:
            raise EvaluationError(f"{path}: ONNX Runtime cannot load it: {fault}") from fault
        self.runtime = f"ONNX Runtime {onnxruntime.__version__}"
        self.inputs, self.outputs = (
            {one.name: Tensor(tuple(one.shape), "float32") for one in values}
            for values in (self._session.get_inputs(), self._session.get_outputs())
        )
        self.states: dict[str, Tensor] = {}

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once."""
        found = self._session.run(None, dict(inputs))
        return dict(zip(self.outputs, map(np.asarray, found), strict=True))

    def close(self) -> None:
        """Give back the session."""
        del self._session

    def reset(self) -> None:
        """Nothing is kept."""

    def read_state(self, name: str) -> npt.NDArray[Any]:
        """There is none."""
        raise EvaluationError(f"there is no state {name!r}")

    def write_state(self, name: str, value: npt.NDArray[Any], /) -> None:
        """There is none."""
        raise EvaluationError(f"there is no state {name!r}")


def find() -> Target:
    """ONNX Runtime as it is installed."""
    version = f"ONNX Runtime {importlib.metadata.version('onnxruntime')}"
    return Target(name="onnx_runtime", runtime="ONNX Runtime", version=version)


def open_file(path: Path, threads: int, signature: str | None) -> Emulator:
    """Open a file; it has one graph."""
    del signature
    return ONNXEmulator(path, threads)


PLAYER = Player(runtime="ONNX Runtime", format="onnx", rank=0, find=find, open=open_file)
