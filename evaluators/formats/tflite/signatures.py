"""The signatures of a TFLite file, and what its subgraphs keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluators.emulators import distinct_names
from evaluators.errors import EvaluationError
from evaluators.formats.signatures import Port, Signature
from evaluators.formats.tflite.file import TFLITE_IDENTIFIER, says_ranks


def read_tflite_signatures(path: Path) -> tuple[Signature, ...]:
    """All signatures of a `.tflite` file, read from the file alone.

    Raises:
        EvaluationError: The file is damaged.
    """
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
