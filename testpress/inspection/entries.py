"""The signatures (TFLite) or functions (Core ML) of a model file, each with a graph of its own."""

from __future__ import annotations

from evaluators.costs.graph import Graph
from evaluators.costs.op_kinds import tell_uncounted
from evaluators.formats import list_entries, read_graph, read_signatures
from evaluators.formats.entries import find_entry
from evaluators.formats.signatures import Signature
from testpress.model_file import ModelFile


def find_signatures(model: ModelFile, signature: str | None) -> tuple[Signature, ...]:
    """All signatures of a file, or the one that is named.

    Raises:
        TestpressError: The file is damaged, or has no such signature.
    """
    found = read_signatures(model.path)
    if signature is not None:
        find_entry([one.name for one in found if one.name is not None], signature, str(model.path))
    return tuple(one for one in found if signature in (None, one.name))


def read_graphs(model: ModelFile, signature: str | None, window: int | None = None) -> tuple[Graph, ...]:
    """What each of `find_signatures` does in one call, in its order; errors as its and `read_graph`'s."""
    names = list_entries(model.path)
    if signature is not None or len(names) < 2:
        return (read_graph(model.path, signature, window=window),)
    order = [one.name for one in read_signatures(model.path)]
    in_order = sorted(names, key=lambda name: order.index(name) if name in order else len(order))
    return tuple(read_graph(model.path, name, window=window) for name in in_order)


def open_notices(graph: Graph) -> list[str]:
    """What a reader of counts should know of open dimensions, branches, zeros and unknown ops, a sentence each."""
    branches = sum(op.kind in _BRANCHING for op in graph.ops)
    told = (
        []
        if branches == 0
        else [
            f"data decides which branch of {branches} {'op' if branches == 1 else 'ops'} runs: the dearest is counted"
        ]
    )
    if graph.sparse_weights:
        count = "1 weight is" if graph.sparse_weights == 1 else f"{graph.sparse_weights} weights are"
        told.append(f"{count} held without zeros, with which multiply-adds are counted all the same")
    uncounted = tell_uncounted(graph)
    told += [uncounted] if uncounted else []
    return told + _of_dimensions(graph)


_BRANCHING = frozenset({"IF", "STABLEHLO_CASE", "cond"})


def _of_dimensions(graph: Graph) -> list[str]:
    if graph.assumed:
        size = "the model's default" if graph.window is None else f"a window of {graph.window}"
        return [f"open dimensions are counted at {size}: {', '.join(graph.assumed)}"]
    if not graph.dynamic:
        return []
    if graph.batch_only:
        return ["the batch is open and counted as 1: exact for one at a time"]
    count = sum(op.dynamic for op in graph.ops)
    return [f"{count} of {len(graph.ops)} ops have open dimensions, counted as 1: larger inputs cost more"]
