"""What a model promises its caller: names, shapes and element types of inputs and outputs, and their conversion.

A feature is an array unless one of the classes below says otherwise; `images` has those that are pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from device_profiles.record import suggest
from evaluators.emulators.coreml.dtypes import DType
from evaluators.emulators.coreml.program import ValueType
from evaluators.errors import EvaluationError


@dataclass(frozen=True)
class Feature:
    """One input, output or state of a model."""

    name: str
    shape: tuple[int, ...]
    """the default shape; empty where the file declares none"""
    dtype: DType
    bounds: tuple[tuple[int, int | None], ...] = ()
    """smallest and largest size of each dimension, for inputs with a range of shapes; none: no limit"""
    shapes: tuple[tuple[int, ...], ...] = ()
    """the shapes allowed, for inputs with a list of them"""
    default: float | None = None
    """fills an optional input that is not given"""
    optional: bool = False

    @property
    def kind(self) -> str:
        """What the caller gives or gets, in words."""
        return self.dtype.name

    @property
    def is_flexible(self) -> bool:
        """Whether several shapes may be given."""
        return bool(self.bounds or self.shapes)

    def allows(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape may be given."""
        if self.shapes:
            return shape in self.shapes
        if self.bounds:
            return len(shape) == len(self.bounds) and all(
                low <= size and (high is None or size <= high)
                for size, (low, high) in zip(shape, self.bounds, strict=True)
            )
        return shape == self.shape or not self.shape

    def expected(self) -> str:
        """What `allows` asks for, in words."""
        if self.shapes:
            return choice_text([str(list(shape)) for shape in self.shapes])
        if self.bounds:
            return "[" + ", ".join(range_text(low, high) for low, high in self.bounds) + "]"
        return str(list(self.shape))

    def taken(self, value: Any, *, where: str) -> np.ndarray:
        """What the caller gives, checked, as an array for the program.

        Raises:
            EvaluationError: Shape, type or values do not fit.
        """
        return checked_array(self, value, where=where)

    def given(self, value: Any) -> Any:
        """What the program makes, as the caller gets it; arrays in the declared type and in memory of their own.

        Raises:
            EvaluationError: It made something else than a tensor.
        """
        if not hasattr(value, "numpy"):
            raise EvaluationError(f"output {self.name!r}: is a {type(value).__name__}; expected a tensor")
        return as_declared(self, value.numpy())


class LabelFeature(Feature):
    """The class a classifier decides for: a text or a whole number."""

    def given(self, value: Any) -> Any:
        """The label as it is.

        Raises:
            EvaluationError: It is no label.
        """
        if not isinstance(value, str | int):
            raise EvaluationError(f"output {self.name!r}: is a {type(value).__name__}; expected a label")
        return value


class DictionaryFeature(Feature):
    """A classifier's probabilities by label."""

    @property
    def kind(self) -> str:
        """What the caller gets, in words."""
        return f"dictionary by {self.dtype.name}"

    def given(self, value: Any) -> Any:
        """The dictionary as it is, labels in the model's order.

        Raises:
            EvaluationError: It is none.
        """
        if not isinstance(value, dict):
            raise EvaluationError(f"output {self.name!r}: is a {type(value).__name__}; expected a dictionary")
        return value


@dataclass(frozen=True)
class Interface:
    """All features of one function."""

    inputs: Mapping[str, Feature]
    outputs: Mapping[str, Feature]
    states: Mapping[str, Feature]


def size_bounds(ranges: Iterable[Any]) -> tuple[tuple[int, int | None], ...]:
    """Smallest and largest size of each dimension, from `SizeRange` messages."""
    return tuple((int(r.lowerBound), int(r.upperBound) if r.upperBound >= 0 else None) for r in ranges)


_MOST_CHOICES = 8


def choice_text(choices: Sequence[str]) -> str:
    """One of several, as messages show them; of many the first."""
    more = "" if len(choices) <= _MOST_CHOICES else f" … ({len(choices)} in all)"
    return f"one of {', '.join(choices[:_MOST_CHOICES])}{more}"


def range_text(low: int, high: int | None) -> str:
    """Sizes from `low` to `high`, as messages show them."""
    return str(low) if low == high else f"{low}…{'' if high is None else high}"


def check_names(features: Mapping[str, Feature], given: Iterable[str], *, where: str) -> None:
    """Refuse inputs that are missing or unknown."""
    names = list(given)
    for name in names:
        if name not in features:
            known = ", ".join(features) or "none"
            raise EvaluationError(f"{where}: has no input {name!r}{suggest(str(name), features)}; its inputs: {known}")
    for name, feature in features.items():
        if name not in names and not feature.optional:
            raise EvaluationError(f"{where}: input {name!r} is missing ({feature.kind} {feature.expected()})")


_NARROW = ("i1", "i2", "u1", "u2", "u4", "u8")
"""integer types no multi-array of Core ML holds"""


def checked_array(feature: Feature, value: Any, *, where: str) -> np.ndarray:
    """An input as an array of its declared type.

    What a multi-array holds is converted, as Core ML does it: floats of every width, int32 (and int64, Python's own).
    Floats given for integers lose what is behind the point, as in C. 16-bit integers are not taken for floats: Core ML
    has no such arrays, and audio samples would pass for samples 32768 times too loud.

    Raises:
        EvaluationError: The shape or the kind does not fit, or a number is too large for an integer, or none.
    """
    place = f"{where}: input {feature.name!r}"
    try:
        array = np.asarray(value)
    except ValueError:  # a nested list with rows of several lengths
        raise EvaluationError(f"{place}: is no array: its rows differ in length or depth") from None
    stored = feature.dtype.stored
    is_float = np.dtype(stored).kind == "f"
    if array.dtype.kind not in "biuf" or (is_float and array.dtype.str[1:] in _NARROW):
        raise EvaluationError(f"{place}: has dtype {array.dtype}, expected {feature.dtype.name}")
    if not feature.allows(array.shape):
        raise EvaluationError(f"{place}: has shape {list(array.shape)}, expected {feature.expected()}")
    if array.dtype == stored:
        return array
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # a float16 may overflow to infinity; integers are compared below
        converted = array.astype(stored)
    whole = np.trunc(array) if array.dtype.kind == "f" else array
    if not is_float and not np.array_equal(converted, whole):
        raise EvaluationError(
            f"{place}: has {array.dtype} values that are no {feature.dtype.name}: {_misfit(whole, converted)}"
        )
    return converted


def _misfit(array: np.ndarray, converted: np.ndarray) -> str:
    """The first value that conversion changed."""
    return str(array.ravel()[np.flatnonzero(array.ravel() != converted.ravel())[0]])


def default_array(feature: Feature) -> np.ndarray:
    """The value of an optional input that is not given: its default everywhere, 0 where the file names none."""
    return np.full(feature.shape, feature.default or 0.0, feature.dtype.stored)


def as_declared(feature: Feature, array: np.ndarray) -> np.ndarray:
    """An output in its declared element type, in memory of its own; a single number as one element.

    Core ML's multi-arrays have no rank 0. Source: coremltools/converters/mil/testing_utils.py, which allows for it.
    """
    return np.array(array, dtype=feature.dtype.stored, order="C", ndmin=1)


def conformed(feature: Feature, array: np.ndarray, type_: ValueType, *, where: str) -> np.ndarray:
    """An input as the program declares it, where that differs from what the model's description says.

    A description has no numbers without dimensions, so those come as one element; and a picture has four dimensions
    here, where a program may leave out the first.

    Raises:
        EvaluationError: The description allows the shape, the program does not take it.
    """
    if type_.shape is not None:
        surplus = array.ndim - len(type_.shape)
        if surplus > 0 and all(size == 1 for size in array.shape[:surplus]):
            array = array.reshape(array.shape[surplus:])
        if array.shape != type_.shape:
            _check_flexible(feature, array, type_.shape, where)
    stored = type_.dtype.stored if type_.dtype is not None else None
    return array if stored is None or array.dtype == stored else array.astype(stored)


def _check_flexible(feature: Feature, array: np.ndarray, declared: tuple[int | None, ...], where: str) -> None:
    """Hold a shape against one that may have unknown sizes."""
    fits = array.ndim == len(declared) and all(
        size is None or size == given for given, size in zip(array.shape, declared, strict=True)
    )
    if not fits:
        wanted = ["?" if size is None else size for size in declared]
        raise EvaluationError(
            f"{where}: input {feature.name!r}: has shape {list(array.shape)}, the program takes {wanted}"
        )
