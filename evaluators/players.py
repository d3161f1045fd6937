"""A model file called by its source's names, its states handed in and out or kept by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.emulators import Emulator
from packager.formats import find_native
from packager.proving.streams import StatefulCalls
from packager.proving.trials import Tensors


class Player:
    """An emulated model that speaks its source's names."""

    def __init__(self, emulator: Emulator, state: Mapping[str, str]) -> None:
        """Bind states.

        Args:
            emulator: The model.
            state: The source's state inputs → outputs. Those that the model keeps by itself are written before and
                read after each call, as if they were inputs and outputs.
        """
        self.emulator = emulator
        kept = {name: find_native(name, emulator.states) for name in state}
        self._kept = {name: native for name, native in kept.items() if native is not None}
        self._outputs = dict(state)

    def run(self, call: Tensors) -> dict[str, npt.NDArray[Any]]:
        """One call; outputs by the model's own names, kept states by their source's.

        Args:
            call: Inputs by the source's names, states too. A kept state that is left out stays as it is.
        """
        for name, native in self._kept.items():
            if name in call:
                self.emulator.write_state(native, _cast(call[name], self.emulator.states[native].dtype))
        found = self.emulator.run(as_inputs(self.emulator, call))
        kept = {self._outputs[name]: self.emulator.read_state(native) for name, native in self._kept.items()}
        return {**found, **kept}

    def play(self, calls: Iterable[Tensors]) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """A clip from silence, as an app plays it: kept states are reset once, others carried."""
        if self._kept:
            self.emulator.reset()
        handed = {name: output for name, output in self._outputs.items() if name not in self._kept}
        inputs = {name: find_native(name, self.emulator.inputs) for name in handed}
        tensors = {name: self.emulator.inputs[native] for name, native in inputs.items() if native is not None}
        silent = {name: np.zeros(tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
        yield from map(StatefulCalls(self.run, handed, silent, get), calls)


def get(name: str, values: Tensors) -> npt.NDArray[Any] | None:
    """A source's output among a model file's; None where it has it not."""
    native = find_native(name, values)
    return None if native is None else np.asarray(values[native])


def as_inputs(emulator: Emulator, call: Tensors) -> dict[str, npt.NDArray[Any]]:
    """A source's inputs in the dtypes of a model file: neither format keeps 64-bit integers."""
    wanted: Mapping[str, Any] = emulator.inputs
    named = ((find_native(name, wanted), value) for name, value in call.items())
    return {name: _cast(value, wanted[name].dtype) for name, value in named if name is not None}


def _cast(value: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    return np.asarray(value).astype(dtype)
