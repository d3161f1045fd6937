"""How a fresh TFLite file is called: its signature's key, and at which place it has each input and output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packager.integration_records import CallContract


def read_call(path: Path) -> CallContract:
    """The key of the file's first signature, and the places of its tensors among the subgraph's own."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    if not model.SignatureDefsLength():
        graph = model.Subgraphs(0)
        inputs, outputs = _places(graph)
        named = (
            {_text(graph.Tensors(tensor).Name()): place for tensor, place in one.items()} for one in (inputs, outputs)
        )
        return CallContract(signature=None, inputs=next(named), outputs=next(named))
    signature = model.SignatureDefs(0)
    inputs, outputs = _places(model.Subgraphs(signature.SubgraphIndex()))
    given = (signature.Inputs(index) for index in range(signature.InputsLength()))
    made = (signature.Outputs(index) for index in range(signature.OutputsLength()))
    return CallContract(
        signature=_text(signature.SignatureKey()),
        inputs={_text(entry.Name()): inputs[entry.TensorIndex()] for entry in given},
        outputs={_text(entry.Name()): outputs[entry.TensorIndex()] for entry in made},
    )


def _places(graph: Any) -> tuple[dict[int, int], dict[int, int]]:
    """Tensor → its place among the inputs, and among the outputs."""
    return (
        {graph.Inputs(place): place for place in range(graph.InputsLength())},
        {graph.Outputs(place): place for place in range(graph.OutputsLength())},
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode()
