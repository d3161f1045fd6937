"""Calls of a model from several threads at once give what one thread gives, bit by bit; a call can be interrupted."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.state import State

from .op_calls import CALLS
from .programs import Op, Program, add_loop, write_package

THREADS = 8
ROUNDS = 12
KINDS = (
    "conv 2d",
    "avg_pool 2d",
    "lstm bidirectional",
    "lstm peephole forward",
    "while_loop",
    "list_scatter",
    "resize",
)
Arrays = dict[str, np.ndarray]


def drawn(model: CoreMLModel, seed: int) -> Arrays:
    """Inputs of a model; whole numbers are 0 or 1, which every op takes as an index."""
    chance = np.random.default_rng(seed)
    return {
        name: chance.integers(0, 2, feature.shape).astype(np.int32)
        if feature.dtype.name == "int32"
        else chance.standard_normal(feature.shape).astype(feature.dtype.stored)
        for name, feature in model.inputs.items()
    }


def copied(outputs: dict[str, Any]) -> dict[str, bytes]:
    return {name: np.asarray(value).tobytes() for name, value in outputs.items()}


@pytest.mark.parametrize("shared", [True, False], ids=["one model", "a model each"])
@pytest.mark.parametrize("name", KINDS)
def test_eight_threads_give_what_one_gives(tmp_path: Path, name: str, shared: bool) -> None:
    path = write_package(tmp_path, CALLS[name].message)
    first = CoreMLModel(path, threads=1)
    models = [first if shared else CoreMLModel(path, threads=1) for _ in range(THREADS)]
    inputs = [drawn(first, seed) for seed in range(THREADS * ROUNDS)]
    expected = [copied(first.predict(given)) for given in inputs]

    def work(thread: int) -> list[dict[str, bytes]]:
        return [copied(models[thread].predict(given)) for given in inputs[thread::THREADS]]

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(work, range(THREADS)))
    for thread in range(THREADS):
        assert found[thread] == expected[thread::THREADS]


def test_threads_with_states_of_their_own_do_not_meet(tmp_path: Path) -> None:
    model = CoreMLModel(write_package(tmp_path, CALLS["write_state"].message), threads=1)
    streams = [[drawn(model, 100 * stream + i) for i in range(ROUNDS)] for stream in range(THREADS)]

    def stream(inputs: list[Arrays]) -> list[dict[str, bytes]]:
        state: State = model.make_state()
        return [copied(model.predict(given, state)) for given in inputs]

    expected = [stream(inputs) for inputs in streams]
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(stream, streams)) == expected


def test_what_is_given_is_not_written_to(tmp_path: Path) -> None:
    """So threads may give the same arrays."""
    for name in sorted(CALLS)[::5]:
        model = CoreMLModel(write_package(tmp_path, CALLS[name].message, name=f"{name}.mlpackage"))
        inputs = {**drawn(model, 3), **CALLS[name].given}
        before = {key: value.copy() for key, value in inputs.items()}
        model.predict(inputs, model.make_state() if model.states else None)
        assert before
        for key, value in inputs.items():
            np.testing.assert_array_equal(value, before[key])


def endless() -> Program:
    """A loop whose condition always holds."""
    message = Program([], {"out": ("float32", (2, 3))}, opset="CoreML7").message()
    add_loop(
        message.mlProgram.functions["main"].block_specializations["CoreML7"],
        {"i": (np.int32(0), "int32", ()), "v": ("x", "float32", (2, 3))},
        [Op("less", {"x": "i", "y": np.int32(1)}, "go", "bool")],
        [Op("mul", {"x": "i", "y": np.int32(1)}, "same", "int32"), Op("relu", {"x": "v"}, "kept", shape=(2, 3))],
        ["same", "kept"],
        ["rounds", "out"],
    )
    return message


@pytest.mark.slow
def test_an_endless_loop_can_be_interrupted(tmp_path: Path) -> None:
    model = CoreMLModel(write_package(tmp_path, endless()))

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(2):  # what the first left behind would show in the second
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                model.predict({"x": np.ones((2, 3), np.float32)})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
