"""What a Core ML model says of itself: the metadata of its description, and a classifier's labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from evaluators.emulators.coreml.package import open_package
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.formats.metadata import ModelMetadata, TensorText, cut, make_labels, with_rate

_MOST = 64


def read_coreml_metadata(path: Path) -> ModelMetadata:
    """The metadata of an .mlpackage or .mlmodel.

    Raises:
        EvaluationError: The file is damaged.
    """
    specification = open_package(path).specification
    return describe_coreml(parse_model(specification.read_bytes(), str(specification)))


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
