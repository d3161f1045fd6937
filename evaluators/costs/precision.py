"""The precision of a model file that states none, in the words of testpress's own precisions, told from its ops.

What decides is how the ops with the most multiply-adds get their weights: in which type the file holds them, in which
type the op reads them, and in which type it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evaluators.costs.graph import Graph, Op


def find_dominant(graph: Graph, name: Callable[[Op], str]) -> str:
    """The precision in which most of the multiply-adds of a graph's weights are computed.

    Args:
        graph: A model's ops.
        name: The precision of one op, in its format's words.
    """
    return _dominant(_most_telling(graph.ops), name)


def _most_telling(ops: tuple[Op, ...]) -> list[Op]:
    """Ops that multiply weights; where there are none those that multiply, then those that read weights, then all."""
    for choice in (
        [op for op in ops if op.macs and op.weight_dtype],
        [op for op in ops if op.macs],
        [op for op in ops if op.weight_dtype and op.weight_dtype not in ("int32", "int64", "bool")],
    ):
        if choice:
            return choice
    return list(ops)


def _dominant(ops: Iterable[Op], name: Callable[[Op], str]) -> str:
    weights: dict[str, int] = {}
    for op in ops:
        word = name(op)
        weights[word] = weights.get(word, 0) + (op.macs or op.moved_bytes)
    return max(weights, key=lambda word: weights[word], default="float32")
