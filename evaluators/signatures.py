"""What a model file asks for and returns, read from the file alone: signatures (TFLite) or functions (Core ML)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from device_profiles.record import Record
from evaluators.costs.tflite_file import says_ranks
from evaluators.emulators import TFLITE_IDENTIFIER, distinct_names, format_of
from evaluators.emulators.coreml.features import Feature
from evaluators.emulators.coreml.interface import read_interface
from evaluators.emulators.coreml.package import open_package
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.errors import EvaluationError


class Port(Record):
    """One input, output or state."""

    name: str
    shape: tuple[int | None, ...]
    """none for an open dimension"""
    dtype: str
    note: str = ""
    """what a caller should know besides: quantisation, the shapes allowed, a default"""


class Signature(Record):
    """One way to call a model."""

    name: str | None
    """none where the file names no signature, so that inputs and outputs have tensor names only"""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    states: tuple[Port, ...] = ()


def read_signatures(path: Path) -> tuple[Signature, ...]:
    """All signatures of a .tflite, or all functions of an .mlpackage or .mlmodel, in the file's order.

    Raises:
        EvaluationError: The file is damaged, of another format, or takes what is no tensor, such as an image.
    """
    return _tflite(path) if format_of(path) == "tflite" else _coreml(path)


def _tflite(path: Path) -> tuple[Signature, ...]:
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as fault:
        raise EvaluationError("reading a .tflite file needs ai-edge-litert: pip install 'testpress[tflite]'") from fault
    try:
        data = path.read_bytes()
        if data[4:8] != TFLITE_IDENTIFIER:
            raise EvaluationError(
                f"{path}: not a TFLite model: bytes 4 to 8 are {data[4:8]!r}; right is {TFLITE_IDENTIFIER!r}"
            )
        types = {code: name.lower() for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
        return tuple(_tflite_signatures(schema.Model.GetRootAs(data, 0), types, schema))
    except EvaluationError:
        raise
    except OSError as fault:
        raise EvaluationError(f"{path}: cannot be read: {fault.strerror}") from None
    except Exception as fault:  # the generated reader raises whatever the bytes lead it to
        raise EvaluationError(
            f"{path}: damaged TFLite model, its signatures cannot be read ({type(fault).__name__}: {fault})"
        ) from fault


def _tflite_signatures(model: Any, types: dict[int, str], schema: Any) -> Iterator[Signature]:
    ranks = says_ranks(model)
    for index in range(model.SignatureDefsLength()):
        signature = model.SignatureDefs(index)
        graph = model.Subgraphs(signature.SubgraphIndex())
        inputs, outputs = (
            tuple(_port(graph.Tensors(entry.TensorIndex()), _text(entry.Name()), types, ranks) for entry in entries)
            for entries in (
                [signature.Inputs(k) for k in range(signature.InputsLength())],
                [signature.Outputs(k) for k in range(signature.OutputsLength())],
            )
        )
        states = _variables(model, graph, types, schema)
        yield Signature(name=_text(signature.SignatureKey()), inputs=inputs, outputs=outputs, states=states)
    if model.SignatureDefsLength() == 0:
        graph = model.Subgraphs(0)
        inputs, outputs = (
            _unsigned_ports([graph.Tensors(index) for index in indices if index >= 0], role, types, ranks)
            for role, indices in (
                ("input", [graph.Inputs(k) for k in range(graph.InputsLength())]),
                ("output", [graph.Outputs(k) for k in range(graph.OutputsLength())]),
            )
        )
        yield Signature(name=None, inputs=inputs, outputs=outputs, states=_variables(model, graph, types, schema))


_VARIABLE = "a variable, which the model keeps from call to call"


def _variables(model: Any, graph: Any, types: dict[int, str], schema: Any) -> tuple[Port, ...]:
    """What a subgraph keeps: variable tensors, and resources that its ops read, by the names they share."""
    tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
    found = [_port(tensor, _text(tensor.Name()), types) for tensor in tensors if tensor.IsVariable()]
    handles: dict[int, str] = {}
    for operator in (graph.Operators(index) for index in range(graph.OperatorsLength())):
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if kind == schema.BuiltinOperator.VAR_HANDLE:
            table, options = operator.BuiltinOptions(), schema.VarHandleOptions()
            if table is not None:
                options.Init(table.Bytes, table.Pos)
                handles[operator.Outputs(0)] = _text(options.SharedName())
        elif kind == schema.BuiltinOperator.READ_VARIABLE and operator.Inputs(0) in handles:
            found.append(_port(tensors[operator.Outputs(0)], handles.pop(operator.Inputs(0)), types))
    return tuple(port.model_copy(update={"note": port.note or _VARIABLE}) for port in found)


def _unsigned_ports(tensors: list[Any], role: str, types: dict[int, str], ranks: bool) -> tuple[Port, ...]:
    names = distinct_names([_text(tensor.Name()) for tensor in tensors], role)
    return tuple(_port(tensor, name, types, ranks) for tensor, name in zip(tensors, names, strict=True))


_UNRANKED = "of any shape: the file does not say how many dimensions it has"


def _port(tensor: Any, name: str, types: dict[int, str], ranks: bool = False) -> Port:
    """A port of a tensor.

    Args:
        tensor: The generated reader's.
        name: What a caller calls it.
        types: Names of the schema's types.
        ranks: Whether the file tells tensors without dimensions from those of unknown ones.
    """
    shape = [tensor.Shape(k) for k in range(tensor.ShapeLength())]
    if tensor.ShapeSignatureLength() == len(shape):
        shape = [tensor.ShapeSignature(k) for k in range(len(shape))]
    return Port(
        name=name,
        shape=tuple(None if size < 0 else size for size in shape),
        dtype=types[tensor.Type()],
        note=_quantisation(tensor.Quantization())
        or (_UNRANKED if ranks and not shape and not tensor.HasRank() else ""),
    )


def _quantisation(parameters: Any) -> str:
    if parameters is None or parameters.ScaleLength() == 0:
        return ""
    if parameters.ScaleLength() > 1:
        return f"quantised, {parameters.ScaleLength()} scales"
    zero = parameters.ZeroPoint(0) if parameters.ZeroPointLength() else 0
    return f"value = {parameters.Scale(0):.6g} × (integer − {zero})"


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", errors="replace")


def _coreml(path: Path) -> tuple[Signature, ...]:
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
