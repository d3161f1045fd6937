"""An ML Program as the evaluators call every model: `evaluators.emulators.Emulator`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evaluators.emulators import Tensor
from evaluators.emulators.coreml.images import ImageFeature
from evaluators.emulators.coreml.pipeline import open_coreml
from evaluators.errors import EvaluationError

if TYPE_CHECKING:
    from evaluators.emulators.coreml.features import Feature
    from evaluators.emulators.coreml.state import State


class CoreMLEmulator:
    """A Core ML model, loaded once and called window by window."""

    def __init__(self, path: Path, *, threads: int, function_name: str = "main") -> None:
        """Load a model; errors as `CoreMLModel`'s."""
        self.model = open_coreml(path, threads=threads, function_name=function_name)
        self.runtime = f"testpress ML Program emulator on torch {importlib.metadata.version('torch')}"
        self.inputs, self.outputs, self.states = (
            {name: _tensor(feature) for name, feature in features.items()}
            for features in (self.model.inputs, self.model.outputs, self.model.states)
        )
        self._state: State | None = None
        self.reset()

    def close(self) -> None:
        """Give back the program and its weights."""
        del self.model
        self._state = None

    def reset(self) -> None:
        """Begin with states of 0."""
        self._state = self.model.make_state() if self.model.states else None

    def read_state(self, name: str) -> npt.NDArray[Any]:
        """A copy of one state; errors as `State.read`'s."""
        value: npt.NDArray[Any] = self._known().read(name)
        return value

    def write_state(self, name: str, value: npt.NDArray[Any]) -> None:
        """Set one state; errors as `State.write`'s."""
        self._known().write(name, value)

    def _known(self) -> State:
        if self._state is None:
            raise EvaluationError(f"{self.model.path}: has no state")
        return self._state

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once, with the states as the last call left them; errors as `CoreMLModel.predict`'s.

        A classifier's label comes as an array of one element, its probabilities as one in the order of the labels.
        Pictures are arrays here, `(1, channels, height, width)`, those that come out too.
        """
        given = {name: self._as_feature(name, value) for name, value in inputs.items()}
        return {
            name: _as_array(value, self.model.outputs[name])
            for name, value in self.model.predict(given, self._state).items()
        }

    def _as_feature(self, name: str, value: Any) -> Any:
        feature = self.model.inputs.get(name)
        return feature.pictured(value) if isinstance(feature, ImageFeature) else value


def _tensor(feature: Feature) -> Tensor:
    open_ = tuple(axis for axis, (low, high) in enumerate(feature.bounds) if low != high)
    absent = (feature.default or 0.0) if feature.optional else None
    return Tensor(tuple(feature.shape), feature.dtype.name, open_, absent=absent)


def _as_array(value: Any, feature: Feature) -> npt.NDArray[Any]:
    if isinstance(feature, ImageFeature):
        return feature.pixels(value)
    if isinstance(value, dict):
        return np.fromiter(value.values(), np.float32, len(value))
    return value if isinstance(value, np.ndarray) else np.asarray([value])
