"""The state of a model: tensors that live on between calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from evaluators.emulators.coreml.constants import to_tensor
from evaluators.emulators.coreml.features import Feature, as_declared, checked_array
from evaluators.errors import EvaluationError


class StateBuffer:
    """One state. Ops put a new tensor in the place of the old one and never write into it."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


class State:
    """All states of one model, zero at first. Each stream of calls has its own."""

    def __init__(self, features: Mapping[str, Feature]) -> None:
        self._features = features
        self.buffers = {
            name: StateBuffer(to_tensor(np.zeros(feature.shape, feature.dtype.stored), feature.dtype))
            for name, feature in features.items()
        }

    def read(self, name: str) -> np.ndarray:
        """A copy of one state, in its declared dtype.

        Raises:
            EvaluationError: There is no such state.
        """
        return as_declared(self._feature(name), self.buffers[name].value.numpy())

    def write(self, name: str, value: Any) -> None:
        """Set one state.

        Raises:
            EvaluationError: There is no such state, or the value has another shape or kind.
        """
        feature = self._feature(name)
        array = checked_array(feature, value, where="state")
        self.buffers[name].value = to_tensor(array.copy(), feature.dtype)

    def _feature(self, name: str) -> Feature:
        if name not in self._features:
            raise EvaluationError(f"there is no state {name!r}; the states are: {', '.join(self._features)}")
        return self._features[name]
