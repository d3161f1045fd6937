"""A TFLite file whose every op can be read: what each op of the main graph makes becomes an output of the file.

Delegates keep what lies between their ops to themselves, and so do runtimes with delegates when they are asked to keep
all tensors. An output they have to hand out. It is the same arithmetic but for what they would have fused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.files import read_bytes
from evaluators.errors import EvaluationError
from evaluators.formats.tflite.file import DAMAGE, TFLITE_IDENTIFIER

_READABLE = ("FLOAT32", "INT32", "INT16", "INT8", "UINT8", "BOOL")
_MOST_OUTPUTS = 5000


@dataclass(frozen=True)
class ExposedOp:
    """An op of the main graph.

    Attributes:
        kind: For example CONV_2D.
        outputs: What the exposed file calls what it makes, of numbers.
        inputs: The same of what it reads, constants and the file's own inputs left out.
        names: Of each of `outputs`, what the original file calls it.
        is_float: Of each of `outputs`, whether it is of floating-point numbers.
    """

    kind: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    is_float: tuple[bool, ...]


def expose(path: Path) -> tuple[bytes, tuple[ExposedOp, ...], dict[str, str]]:
    """Make the file.

    Args:
        path: The original.

    Returns:
        The file; the ops of its main graph in their order; and what it calls each input, by the original's signature.

    Raises:
        EvaluationError: It is damaged, or has too many ops.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    data = read_bytes(path, error=EvaluationError)
    try:
        model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        main = model.subgraphs[0]
        kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
        types = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
        given = {int(tensor) for tensor in main.inputs}
        made = {int(tensor) for op in main.operators for tensor in op.outputs if tensor >= 0}
        readable = {tensor for tensor in made if types.get(main.tensors[tensor].type) in _READABLE}
        if len(readable) > _MOST_OUTPUTS:
            raise EvaluationError(f"{path}: has {len(readable)} values between its ops, too many to be shown")
        inputs = _name_inputs(model, main)
        originals = {tensor: _text(main.tensors[tensor].name) for tensor in made}
        for tensor in readable:
            main.tensors[tensor].name = _exposed(tensor)
        ops = tuple(
            ExposedOp(
                kind=_find_kind(model.operatorCodes[op.opcodeIndex], kinds),
                outputs=tuple(_exposed(int(one)) for one in op.outputs if one in readable),
                inputs=tuple(_exposed(int(one)) for one in op.inputs if one in readable and one not in given),
                names=tuple(originals[int(one)] for one in op.outputs if one in readable),
                is_float=tuple(
                    types[main.tensors[int(one)].type] == "FLOAT32" for one in op.outputs if one in readable
                ),
            )
            for op in main.operators
        )
        main.outputs = sorted(readable)
        model.signatureDefs = []
        builder = flatbuffers.Builder(len(data))
        builder.Finish(model.Pack(builder), file_identifier=TFLITE_IDENTIFIER)
    except DAMAGE as fault:
        raise EvaluationError(f"{path}: cannot be taken apart: {fault or type(fault).__name__}") from None
    return bytes(builder.Output()), ops, inputs


def _name_inputs(model: Any, main: Any) -> dict[str, str]:
    """The original's name of each input, by its signature where it has one → the name of its tensor."""
    own = {int(tensor): _text(main.tensors[tensor].name) for tensor in main.inputs}
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == 0:
            return {_text(entry.name): own[int(entry.tensorIndex)] for entry in signature.inputs}
    return {name: name for name in own.values()}


def _find_kind(code: Any, kinds: dict[int, str]) -> str:
    number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
    return _text(code.customCode) if code.customCode else kinds.get(number, str(number))


def _exposed(tensor: int) -> str:
    return f"value_{tensor}"


def _text(value: bytes | str | None) -> str:
    return value if isinstance(value, str) else (value or b"").decode("utf-8", "replace")
