"""The sizes of an ML Program's values where its types leave them open: at its inputs' default length, or a window.

A flexible program does not state them, and every op has rules of its own. So the program is run once, on zeros, and
only the sizes are kept. The rest of what a model costs is read from the file alone.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluators.emulators.coreml.features import Feature, Interface
from evaluators.emulators.coreml.program import Function, Named, ValueType
from evaluators.errors import EvaluationError

if TYPE_CHECKING:
    from torch import Tensor as TorchTensor

    from evaluators.emulators.coreml.plan import PlannedOp

LONGEST_S = 20.0
"""a model that takes longer on this machine is left uncounted"""

MOST_ITERATIONS = 20_000
"""of loops, which may wait for data that zeros never give"""

Shapes = Mapping[str, tuple[int, ...]]


def observe_shapes(path: Path, function_name: str, given: Shapes) -> Shapes:
    """The size of every value an op makes, by its name, when the inputs have these sizes, others their default ones.

    Raises:
        EvaluationError: The program cannot be run here, takes what is no array, or does not end soon.
    """
    from evaluators.emulators.coreml.model import CoreMLModel
    from evaluators.emulators.coreml.ops.control_flow import fewer_iterations

    model = CoreMLModel(path, function_name=function_name, threads=1)
    ends_at = time.monotonic() + LONGEST_S
    found: dict[str, tuple[int, ...]] = {}

    def watch(op: PlannedOp, value: TorchTensor) -> None:
        if time.monotonic() > ends_at:
            raise EvaluationError(f"{path}: one run on zeros takes longer than {LONGEST_S:g} s")
        found[op.output] = tuple(value.shape)

    zeros: dict[str, Any] = {
        name: np.zeros(given.get(name, feature.shape), feature.dtype.stored) for name, feature in model.inputs.items()
    }
    state = model.make_state() if model.states else None
    with fewer_iterations(MOST_ITERATIONS):
        model.run(zeros, watch, state=state)
    return found


@dataclass(frozen=True)
class Tensor:
    """A value of a program, open dimensions counted as 1."""

    size_bytes: int
    shape: tuple[int, ...]
    dynamic: bool
    dtype: str
    stored_as: str = ""
    """of a constant: how the file holds it"""


@dataclass(frozen=True)
class Sizes:
    """Sizes of values that the program's types leave open."""

    inputs: Mapping[str, tuple[int, ...]]
    made: Mapping[str, tuple[int, ...]]
    assumed: tuple[str, ...]
    """inputs with their sizes, in words"""
    unknown: str
    """why the sizes of the rest are not known; empty where they are"""

    @classmethod
    def of(cls, function: Function, interface: Interface, path: Path, window: int | None = None) -> Sizes:
        """The sizes at a function's default lengths, or at a window; none where its types leave nothing open.

        Raises:
            EvaluationError: There is a window, and nothing is open, or the file does not allow it.
        """
        open_ = {named.name for named in function.inputs if None in (named.type.shape or ())}
        features = {name: interface.inputs[name] for name in interface.inputs if name in open_}
        if window is not None and not any(feature.is_flexible for feature in features.values()):
            raise EvaluationError(f"{path}: no input leaves its length open; right is to leave out the window")
        if not open_ or open_ - features.keys():
            return cls({}, {}, (), "")
        defaults = {
            name: feature.shape if window is None else _at_window(feature, window, path)
            for name, feature in features.items()
        }
        assumed = tuple(
            f"{name} {list(defaults[name])}" + (f" (allowed: {feature.expected()})" if feature.is_flexible else "")
            for name, feature in features.items()
        )
        try:
            return cls(defaults, observe_shapes(path, function.name, defaults), assumed, "")
        except EvaluationError as fault:
            return cls(defaults, {}, assumed, f"open dimensions, whose sizes are not known ({fault})")

    def tensor(self, named: Named, guess: tuple[int, ...] | None = None) -> Tensor:
        """A value, of the size it was seen to have, else of the size of what it is made from."""
        found = self.made.get(named.name) or self.inputs.get(named.name) or guess
        declared = named.type.shape
        fits = found is not None and declared is not None and len(found) == len(declared)
        return read_tensor(replace(named.type, shape=found) if fits else named.type)


def _at_window(feature: Feature, window: int, path: Path) -> tuple[int, ...]:
    """A flexible input's shape with a window in place of the last size that may vary; others as they are."""
    if not feature.is_flexible:
        return feature.shape
    alternatives = feature.shapes or tuple(zip(*feature.bounds, strict=True))
    varying = [axis for axis, sizes in enumerate(zip(*alternatives, strict=True)) if len(set(sizes)) > 1]
    axis = varying[-1] if varying else len(feature.shape) - 1
    shape = (*feature.shape[:axis], window, *feature.shape[axis + 1 :])
    if not feature.allows(shape):
        raise EvaluationError(f"{path}: input {feature.name!r} cannot be {list(shape)}; right is {feature.expected()}")
    return shape


@functools.lru_cache(maxsize=4096)
def read_tensor(type_: ValueType) -> Tensor:
    """A tensor's size, open dimensions counted as 1; what is no tensor (lists, dictionaries) counts nothing."""
    if type_.dtype is None or type_.shape is None:
        return Tensor(0, (), type_.kind == "tensor", "none")
    shape = tuple(1 if size is None else size for size in type_.shape)
    size_bytes = (math.prod(shape) * type_.dtype.bits + 7) // 8
    return Tensor(size_bytes, shape, None in type_.shape, type_.dtype.name)
