"""What a model file says of itself: author, licence, what goes in at what rate, labels. Read from the file alone.

Nothing of it decides how a model runs. It is text of strangers: cut to a length, counted to a bound, and cleaned where
it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.emulators import format_of
from evaluators.emulators.coreml.package import open_package
from evaluators.emulators.coreml.protobuf import parse_model
from packager.bounds import MAX_SAMPLE_RATE_HZ

_LONGEST = 400
_MOST = 64
_FIRST_LABELS = 5
_RATE = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3})?\s?k|\d{4,6}\s?)Hz\b", re.IGNORECASE)
_RATE_KEYS = frozenset({"samplerate", "samplingrate", "samplefrequency", "samplingfrequency", "sampleratehz"})
_LEAST_RATE_HZ = 4000


class Labels(Record):
    """Names of an output's values."""

    output: str
    """the output, or the file they lie in"""
    count: int
    first: tuple[str, ...]
    """the first of them"""


class TensorText(Record):
    """What is said of one input or output."""

    role: Literal["in", "out"]
    name: str
    """as the metadata calls it"""
    text: str


class ModelMetadata(Record):
    """What a file says of itself; empty texts and none for what it leaves out."""

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    sample_rate_hz: int | None = None
    """of the audio it hears"""
    rate_from: Literal["properties", "words"] | None = None
    """properties: a field says so · words: a description does"""
    channels: int | None = None
    tensors: tuple[TensorText, ...] = ()
    labels: tuple[Labels, ...] = ()
    others: dict[str, str] = {}
    """what else is said, by key"""
    fault: str | None = None
    """why it cannot be read, where it is damaged"""


def read_metadata(path: Path) -> ModelMetadata:
    """Read what a model file says of itself.

    Raises:
        EvaluationError: It is no model file. Damaged metadata is no fault of the model, and told in the record.
    """
    if format_of(path) == "tflite":
        from evaluators.tflite_metadata import read_tflite_metadata

        return with_rate(read_tflite_metadata(path))
    specification = open_package(path).specification
    return describe_coreml(parse_model(specification.read_bytes(), str(specification)))


def make_labels(output: str, names: Iterable[str]) -> Labels:
    """A record of labels, of which the first are kept."""
    known = list(names)
    return Labels(output=cut(output), count=len(known), first=tuple(cut(name) for name in known[:_FIRST_LABELS]))


def cut(text: str) -> str:
    """Text of strangers on one line, cleaned and bounded."""
    return shorten(text, _LONGEST)


def with_rate(found: ModelMetadata) -> ModelMetadata:
    """The metadata with the sample rate that its words name, if no field does and they name one only."""
    if found.sample_rate_hz is not None:
        return found
    named = {
        int(value)
        for key, value in found.others.items()
        if re.sub(r"[^a-z]", "", key.lower()) in _RATE_KEYS and value.isdecimal()
    }
    inputs = " ".join(tensor.text for tensor in found.tensors if tensor.role == "in")
    for text in (inputs, found.description):
        named = named or {_rate_hz(match) for match in _RATE.findall(text)}
    rates = {rate for rate in named if _LEAST_RATE_HZ <= rate <= MAX_SAMPLE_RATE_HZ}
    if len(rates) != 1 or len(named) != 1:
        return found
    return found.model_copy(update={"sample_rate_hz": rates.pop(), "rate_from": "words"})


def _rate_hz(text: str) -> int:
    number = text.strip().lower()
    return round(float(number[:-1]) * 1000) if number.endswith("k") else int(number)


def describe_coreml(model: Any) -> ModelMetadata:
    """What a parsed Core ML model, a `Model` message, says of itself."""
    description = model.description
    said = description.metadata
    tensors = [
        *_tensor_texts("in", description.input),
        *_tensor_texts("out", description.output),
    ]
    labels = _class_labels(model)
    found = ModelMetadata(
        description=cut(said.shortDescription),
        version=cut(said.versionString),
        author=cut(said.author),
        license=cut(said.license),
        tensors=tuple(tensors),
        labels=() if not labels else (make_labels(description.predictedFeatureName, labels),),
        others={cut(key): cut(said.userDefined[key]) for key in sorted(said.userDefined)[:_MOST]},
    )
    return with_rate(found)


def _tensor_texts(role: Literal["in", "out"], features: Any) -> list[TensorText]:
    return [
        TensorText(role=role, name=cut(feature.name), text=cut(feature.shortDescription))
        for feature in list(features)[:_MOST]
        if feature.shortDescription
    ]


def _class_labels(model: Any) -> list[str]:
    """Of a classifier: a neural network's field, or a program's constant that its op `classify` reads."""
    which = model.WhichOneof("Type")
    if which == "neuralNetworkClassifier":
        network = model.neuralNetworkClassifier
        return list(network.stringClassLabels.vector) or [str(one) for one in network.int64ClassLabels.vector]
    if which != "mlProgram":
        return []
    operations = [
        operation
        for function in model.mlProgram.functions.values()
        for block in function.block_specializations.values()
        for operation in block.operations
    ]
    bound = [
        argument
        for operation in operations
        if operation.type == "classify" and "classes" in operation.inputs
        for argument in operation.inputs["classes"].arguments
    ]
    inline = [argument.value.immediateValue for argument in bound if argument.WhichOneof("binding") == "value"]
    names = {argument.name for argument in bound if argument.WhichOneof("binding") == "name"}
    constants = [
        operation.attributes["val"].immediateValue
        for operation in operations
        if operation.type == "const" and "val" in operation.attributes
        if operation.outputs and operation.outputs[0].name in names
    ]
    return next((labels for value in (*inline, *constants) if (labels := _texts(value))), [])


def _texts(value: Any) -> list[str]:
    if value.WhichOneof("value") == "tensor":
        which = value.tensor.WhichOneof("value")
        return [str(one) for one in getattr(value.tensor, which).values] if which else []
    if value.WhichOneof("value") == "list":
        return [text for one in value.list.values for text in _texts(one.immediateValue)]
    return []
