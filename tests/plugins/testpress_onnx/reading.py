"""ONNX files read: what `testpress.readers` names. Ops are not counted, so that no phone is predicted."""

from __future__ import annotations

from pathlib import Path

from evaluators.formats.reader import ModelReader
from evaluators.formats.signatures import Port, Signature
from testpress_onnx.packaging import read_floor


def read_signatures(path: Path) -> tuple[Signature, ...]:
    """The one graph's inputs and outputs."""
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    held = {one.name for one in graph.initializer}
    inputs, outputs = (
        tuple(_port(value) for value in values if value.name not in held) for values in (graph.input, graph.output)
    )
    return (Signature(name=None, inputs=inputs, outputs=outputs),)


def _port(value: object) -> Port:
    import onnx

    tensor = value.type.tensor_type  # type: ignore[attr-defined]
    sizes = tuple(one.dim_value if one.HasField("dim_value") else None for one in tensor.shape.dim)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return Port(name=value.name, shape=sizes, dtype=dtype)  # type: ignore[attr-defined]


READER = ModelReader(name="onnx", read_signatures=read_signatures, read_floor=read_floor)
