"""What a model is run on to be watched: a recording's windows, a bundle's golden inputs, or random values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.datasets.reading import read_audio
from evaluators.emulators import Emulator, Tensor
from evaluators.errors import EvaluationError
from evaluators.playing.binding import bind
from evaluators.windows import cut
from packager.attestation.verification import check_files
from packager.bundle import Bundle, TensorContract
from testpress.playing.contract import PlaybackRequest, find_contract

MOST_WINDOWS = 32
"""of a recording, evenly spread: what a program's values reach shows in few of them, and each is a run"""

SEED = 0

OnRun = Callable[[int, int], None]


@dataclass(frozen=True)
class Stimuli:
    """Inputs for a program."""

    origin: str
    """for example `random values between -1 and 1, seed 0`"""
    inputs: tuple[Mapping[str, npt.NDArray[Any]], ...]
    notices: tuple[str, ...] = ()

    def each(self, on_run: OnRun) -> Iterator[Mapping[str, npt.NDArray[Any]]]:
        """The inputs one by one; `on_run` is told how many are done, and their number."""
        for index, values in enumerate(self.inputs):
            on_run(index, len(self.inputs))
            yield values
        on_run(len(self.inputs), len(self.inputs))


def take_windows(order: PlaybackRequest, emulator: Emulator) -> Stimuli:
    """Windows of a recording, as the model hears them.

    Raises:
        TestpressError: The audio cannot be used, or the contract is not known.
    """
    terms = find_contract(order, emulator)
    try:
        binding = bind(emulator, terms.audio, {}, terms.state, terms.frontend)
    except EvaluationError as fault:
        raise EvaluationError(f"{order.model.path}: {fault}") from None
    recording = read_audio(order.audio, terms.audio)
    windows = cut(recording.samples, terms.audio)
    taken = np.unique(np.linspace(0, len(windows) - 1, MOST_WINDOWS).round().astype(int))
    return Stimuli(
        f"{len(taken)} of {len(windows)} windows of {order.audio}",
        tuple(binding.shape_inputs(windows[index]) for index in taken),
        recording.notices,
    )


def read_golden(bundle: Bundle) -> Stimuli | None:
    """The inputs of a bundle's golden vectors; None where there are none, or not as they were packaged.

    They are test signals at an app's level, so that they tell more of a model than random values do.
    """
    vectors = [vector for vector in bundle.manifest.vectors if vector.kind == "call"]
    if not vectors or check_files(bundle):
        return None
    contracts = {contract.name: contract for contract in bundle.manifest.inputs}
    calls = []
    for vector in vectors:
        if vector.inputs.keys() != contracts.keys():
            return None
        files = {name: one.file for name, one in vector.inputs.items()}
        calls.append({contracts[name].native_name: _read(bundle, contracts[name], files[name]) for name in contracts})
    names = ", ".join(vector.name for vector in vectors)
    return Stimuli(f"the golden inputs of the bundle: {names}", tuple(calls))


def _read(bundle: Bundle, contract: TensorContract, file: str) -> npt.NDArray[Any]:
    values = np.fromfile(bundle.path / file, np.dtype(contract.dtype).newbyteorder("<"))
    if values.size != math.prod(contract.shape):
        raise EvaluationError(
            f"{bundle.path / file}: holds {values.size} values; right for {contract.name!r} is {list(contract.shape)}"
        )
    return values.reshape(contract.shape).astype(contract.dtype)


def draw_values(inputs: Mapping[str, Tensor]) -> Stimuli:
    """One random value for every input, the same each time: between -1 and 1 like audio, plain integers 0 or 1.

    Open dimensions have the size the file gives as its default.
    """
    generator = np.random.default_rng(SEED)
    values = {name: _draw(tensor, generator) for name, tensor in inputs.items()}
    return Stimuli(f"random values between -1 and 1 (integers: 0 or 1), seed {SEED}", (values,))


def _draw(tensor: Tensor, generator: np.random.Generator) -> npt.NDArray[Any]:
    if np.dtype(tensor.dtype).kind == "f":
        return generator.uniform(-1, 1, tensor.shape).astype(tensor.dtype)
    if tensor.scale is not None:
        limits = np.iinfo(tensor.dtype)
        integers = np.rint(generator.uniform(-1, 1, tensor.shape) / tensor.scale) + tensor.zero_point
        return np.clip(integers, limits.min, limits.max).astype(tensor.dtype)
    return generator.integers(0, 2, tensor.shape).astype(tensor.dtype)
