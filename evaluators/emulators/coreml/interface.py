"""The features a model's description declares, read from its protobuf form."""

from __future__ import annotations

from typing import Any

from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.emulators.coreml.features import DictionaryFeature, Feature, Interface, LabelFeature, size_bounds
from evaluators.emulators.coreml.images import image_feature
from evaluators.errors import EvaluationError

ARRAY_TYPES = {65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8", 65552: "float16"}
"""`ArrayFeatureType.ArrayDataType`. Source: coremltools' FeatureTypes.proto"""

_LABELS = {"stringType": "string", "int64Type": "int64"}
_KEYS = {"stringKeyType": "string", "int64KeyType": "int64"}


def read_interface(description: Any, function_name: str, where: str) -> Interface:
    """The features a model declares for one of its functions.

    Args:
        description: The `ModelDescription` message.
        function_name: Which function, where the model has several.
        where: How messages name the file.

    Raises:
        EvaluationError: There is no such function, or a feature is of a kind ML Programs do not have.
    """
    found = description
    if description.functions:
        named = {function.name: function for function in description.functions}
        if function_name not in named:
            raise EvaluationError(f"{where}: has no function {function_name!r}; it has: {', '.join(sorted(named))}")
        found = named[function_name]
    return Interface(
        inputs={message.name: _input(message, where) for message in found.input},
        outputs={message.name: _output(message, where) for message in found.output},
        states={
            message.name: array_feature(message, message.type.stateType.arrayType, where) for message in found.state
        },
    )


def _input(message: Any, where: str) -> Feature:
    kind = message.type.WhichOneof("Type")
    if kind == "multiArrayType":
        return array_feature(message, message.type.multiArrayType, where)
    if kind == "imageType":
        return image_feature(message, where)
    raise _refused(message, kind, where, "inputs are multi-arrays and images")


def _output(message: Any, where: str) -> Feature:
    kind = message.type.WhichOneof("Type")
    if kind in _LABELS:
        return LabelFeature(message.name, (), dtype_named(_LABELS[kind]))
    if kind == "dictionaryType":
        key = message.type.dictionaryType.WhichOneof("KeyType")
        return DictionaryFeature(message.name, (), dtype_named(_KEYS.get(key, "string")))
    if kind in ("multiArrayType", "imageType"):
        return _input(message, where)
    raise _refused(message, kind, where, "outputs are multi-arrays, images, labels and dictionaries")


def _refused(message: Any, kind: str | None, where: str, known: str) -> EvaluationError:
    name = (kind or "untyped").removesuffix("Type")
    return EvaluationError(f"{where}: feature {message.name!r} is of kind {name}; an ML Program's {known}")


def array_feature(message: Any, array: Any, where: str) -> Feature:
    """The feature that a multi-array's description declares.

    Args:
        message: The `FeatureDescription` message.
        array: Its `ArrayFeatureType`, which lies deeper for a state.
        where: How messages name the file.

    Raises:
        EvaluationError: Its element type is unknown.
    """
    if array.dataType not in ARRAY_TYPES:
        raise EvaluationError(f"{where}: feature {message.name!r} has unknown array type code {array.dataType}")
    flexible = array.WhichOneof("ShapeFlexibility")
    default = array.WhichOneof("defaultOptionalValue")
    return Feature(
        name=message.name,
        shape=tuple(array.shape),
        dtype=dtype_named(ARRAY_TYPES[array.dataType]),
        bounds=size_bounds(array.shapeRange.sizeRanges) if flexible == "shapeRange" else (),
        shapes=tuple(tuple(s.shape) for s in array.enumeratedShapes.shapes) if flexible == "enumeratedShapes" else (),
        default=float(getattr(array, default)) if default else None,
        optional=bool(message.type.isOptional),
    )
