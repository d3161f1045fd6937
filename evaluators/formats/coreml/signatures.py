"""The functions of a Core ML model, by its description and its program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evaluators.emulators.coreml.features import Feature
from evaluators.emulators.coreml.interface import read_interface
from evaluators.emulators.coreml.package import open_package
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.formats.signatures import Port, Signature


def read_coreml_signatures(path: Path) -> tuple[Signature, ...]:
    """All functions of an .mlpackage or .mlmodel, read from the file alone.

    Raises:
        EvaluationError: The file is damaged, or takes what is no tensor.
    """
    specification = open_package(path).specification
    model = parse_model(specification.read_bytes(), str(specification))
    description = model.description
    names = [function.name for function in description.functions] or ["main"]
    signatures = []
    for name in names:
        interface = read_interface(description, name, str(path))
        made = _made_shapes(model, name)
        inputs, outputs, states = (
            tuple(feature_port(feature, made.get(feature.name)) for feature in features.values())
            for features in (interface.inputs, interface.outputs, interface.states)
        )
        signatures.append(Signature(name=name, inputs=inputs, outputs=outputs, states=states))
    return tuple(signatures)


def _made_shapes(model: Any, function_name: str) -> dict[str, tuple[int | None, ...]]:
    """The shapes of a function's outputs as its program declares them: the description leaves out flexible ones."""
    functions = model.mlProgram.functions
    if function_name not in functions:  # asking for it would make it
        return {}
    function = functions[function_name]
    if function.opset not in function.block_specializations:
        return {}
    block = function.block_specializations[function.opset]
    wanted = set(block.outputs)
    return {
        named.name: tuple(
            int(size.constant.size) if size.WhichOneof("dimension") == "constant" else None
            for size in named.type.tensorType.dimensions
        )
        for operation in block.operations
        for named in operation.outputs
        if named.name in wanted
    }


def feature_port(feature: Feature, made: tuple[int | None, ...] | None = None) -> Port:
    """A feature of a Core ML model as a port.

    Args:
        feature: As the description declares it.
        made: The shape that the program says, if there is one: the description may leave it out.
    """
    shape: tuple[int | None, ...] = feature.shape or made or ()
    if feature.bounds:
        shape = tuple(low if low == high else None for low, high in feature.bounds)
    elif feature.shapes:
        shape = tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*feature.shapes, strict=False))
    notes = [f"default {list(feature.shape)}; allowed: {feature.expected()}"] if feature.is_flexible else []
    if not shape and made is None and type(feature) is Feature:  # a multi-array has one dimension at least
        notes.append("of a shape that is not in the file")
    if feature.optional:
        notes.append(f"optional, default {feature.default or 0.0:g}")
    return Port(name=feature.name, shape=shape, dtype=feature.kind, note="; ".join(notes))
