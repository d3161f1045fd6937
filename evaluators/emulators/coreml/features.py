"""What a model promises its caller: names, shapes and element types of inputs and outputs, and their conversion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from device_profiles.record import suggest
from evaluators.emulators.coreml.dtypes import DType, dtype_named
from evaluators.errors import EvaluationError

_ARRAY_TYPES = {65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8", 65552: "float16"}
"""`ArrayFeatureType.ArrayDataType`. Source: coremltools' FeatureTypes.proto"""


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
            return "one of " + ", ".join(str(list(shape)) for shape in self.shapes)
        if self.bounds:
            return "[" + ", ".join(_range_text(low, high) for low, high in self.bounds) + "]"
        return str(list(self.shape))


@dataclass(frozen=True)
class Interface:
    """All features of one function."""

    inputs: Mapping[str, Feature]
    outputs: Mapping[str, Feature]
    states: Mapping[str, Feature]


def read_interface(description: Any, function_name: str, where: str) -> Interface:
    """The features a model declares for one of its functions.

    Args:
        description: The `ModelDescription` message.
        function_name: Which function, where the model has several.
        where: How messages name the file.

    Raises:
        EvaluationError: A feature is of a kind the emulator does not take, such as an image.
    """
    found = description
    if description.functions:
        named = {function.name: function for function in description.functions}
        if function_name not in named:
            raise EvaluationError(f"{where}: has no function {function_name!r}; it has: {', '.join(sorted(named))}")
        found = named[function_name]
    parts = (found.input, found.output, found.state)
    return Interface(*({message.name: _feature(message, where) for message in part} for part in parts))


def _feature(message: Any, where: str) -> Feature:
    type_ = message.type
    kind = type_.WhichOneof("Type")
    if kind == "stateType":
        kind, array = "multiArrayType", type_.stateType.arrayType
    else:
        array = type_.multiArrayType
    if kind != "multiArrayType":
        name = (kind or "untyped").removesuffix("Type")
        raise EvaluationError(f"{where}: feature {message.name!r} is of kind {name}; the emulator takes multi-arrays")
    if array.dataType not in _ARRAY_TYPES:
        raise EvaluationError(f"{where}: feature {message.name!r} has unknown array type code {array.dataType}")
    flexible = array.WhichOneof("ShapeFlexibility")
    default = array.WhichOneof("defaultOptionalValue")
    return Feature(
        name=message.name,
        shape=tuple(array.shape),
        dtype=dtype_named(_ARRAY_TYPES[array.dataType]),
        bounds=_bounds(array.shapeRange.sizeRanges) if flexible == "shapeRange" else (),
        shapes=tuple(tuple(s.shape) for s in array.enumeratedShapes.shapes) if flexible == "enumeratedShapes" else (),
        default=float(getattr(array, default)) if default else None,
        optional=bool(type_.isOptional),
    )


def _bounds(ranges: Iterable[Any]) -> tuple[tuple[int, int | None], ...]:
    return tuple((int(r.lowerBound), int(r.upperBound) if r.upperBound >= 0 else None) for r in ranges)


def _range_text(low: int, high: int | None) -> str:
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
            raise EvaluationError(f"{where}: input {name!r} is missing ({feature.dtype.name} {feature.expected()})")


def checked_array(feature: Feature, value: Any, *, where: str) -> np.ndarray:
    """An input as an array of its declared type.

    Other widths are converted (float64 to float32, int64 to int32), and whole numbers held as floats to integers.
    Integers are not taken for floats: audio samples of 16 bits would pass for samples 32768 times too loud.

    Raises:
        EvaluationError: The shape or the kind does not fit, or an integer is too large or not whole.
    """
    array = np.asarray(value)
    place = f"{where}: input {feature.name!r}"
    stored = feature.dtype.stored
    is_float = np.dtype(stored).kind == "f"
    if array.dtype.kind not in ("f" if is_float else "biuf"):
        raise EvaluationError(f"{place}: has dtype {array.dtype}, expected {feature.dtype.name}")
    if not feature.allows(array.shape):
        raise EvaluationError(f"{place}: has shape {list(array.shape)}, expected {feature.expected()}")
    if array.dtype == stored:
        return array
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # a float16 may overflow to infinity; integers are compared below
        converted = array.astype(stored)
    if not is_float and not np.array_equal(converted, array):
        raise EvaluationError(
            f"{place}: has {array.dtype} values that are no {feature.dtype.name}: {_misfit(array, converted)}"
        )
    return converted


def _misfit(array: np.ndarray, converted: np.ndarray) -> str:
    """The first value that conversion changed."""
    return str(array.ravel()[np.flatnonzero(array.ravel() != converted.ravel())[0]])


def default_array(feature: Feature) -> np.ndarray:
    """The value of an optional input that is not given: its default everywhere, 0 where the file names none."""
    return np.full(feature.shape, feature.default or 0.0, feature.dtype.stored)


def as_declared(feature: Feature | None, array: np.ndarray) -> np.ndarray:
    """An output in its declared element type, in memory of its own."""
    return np.array(array, dtype=feature.dtype.stored if feature is not None else array.dtype, order="C")


def ordered(features: Mapping[str, Feature], names: Sequence[str], *, where: str) -> list[Feature]:
    """The features of a function's inputs, in the function's order.

    Raises:
        EvaluationError: The description and the program disagree.
    """
    absent = [name for name in names if name not in features]
    if absent:
        raise EvaluationError(f"{where}: the program's {absent[0]!r} is not in the model's description")
    return [features[name] for name in names]
