"""Which ops of a graph LiteRT gives to XNNPACK, its default delegate on a CPU, and how they are grouped.

Source: LiteRT, `tflite/delegates/xnnpack/xnnpack_delegate.cc`, `VisitNode` and what it calls, and
`tflite/graph_info.cc`, `PartitionGraphIntoIndependentNodeSubsets` (2026-08); checked against the groups that LiteRT
2.3.0 makes.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from heapq import heappop, heappush

from evaluators.formats.tflite.arena import Node
from evaluators.formats.tflite.file import Tensor

_FLOAT_ONLY = {
    "ABS", "CEIL", "COS", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LOG", "NEG", "RELU_N1_TO_1", "RELU", "RELU6", "ROUND",
    "RSQRT", "SIN", "SQRT", "SQUARE", "AVERAGE_POOL_2D", "SOFTMAX", "DIV", "MAXIMUM", "MINIMUM", "PRELU",
    "SQUARED_DIFFERENCE",
}  # fmt: skip
_ALSO_INTEGERS = {
    "DEQUANTIZE", "ELU", "LEAKY_RELU", "LOGISTIC", "QUANTIZE", "TANH", "ADD", "MUL", "SUB", "BATCH_MATMUL",
    "CONCATENATION", "DEPTH_TO_SPACE", "MAX_POOL_2D", "SPACE_TO_DEPTH",
}  # fmt: skip
_WEIGHTED = {"CONV_2D": (1, 2), "DEPTHWISE_CONV_2D": (1, 2), "FULLY_CONNECTED": (1, 2), "TRANSPOSE_CONV": (0, 1, 3)}
"""ops with weights → inputs that must be constants"""
_TOLD = {
    **dict.fromkeys((
        "PAD", "RESHAPE", "TRANSPOSE", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "EXPAND_DIMS", "RESIZE_BILINEAR",
    ), (1,)),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SPLIT": (0,),
}  # fmt: skip
"""ops that are told what to do by values → inputs that must be constants"""
_ACTIVATIONS = {"FLOAT32", "INT8", "UINT8"}
_MOST_DIMENSIONS = 6

_MOST_JOINED = 5
"""inputs of a concatenation"""

UNPACKED = {"DEQUANTIZE", "DENSIFY"}
"""ops that, on a constant, are done once when the delegate is made"""


def takes(kind: str, reads: Sequence[Tensor | None], writes: Sequence[Tensor], is_constant: Sequence[bool]) -> bool:
    """Whether XNNPACK computes an op.

    Args:
        kind: The builtin operator's name.
        reads: Its inputs by place, none for those left out.
        writes: Its outputs.
        is_constant: Of each input.
    """
    known = _WEIGHTED.get(kind, _TOLD.get(kind, ()))
    if kind not in _FLOAT_ONLY | _ALSO_INTEGERS and not known:
        return False
    there = [place for place in known if place < len(reads) and reads[place] is not None]
    if not all(is_constant[place] for place in there):
        return False
    if kind == "EXPAND_DIMS" and (len(reads) < 2 or reads[1] is None or len(reads[1].shape) != 1):
        return False
    if kind == "CONCATENATION" and len(reads) > _MOST_JOINED:
        return False
    if kind == "STRIDED_SLICE" and not _is_whole(reads):
        return False
    types = {tensor.type for tensor in reads if tensor is not None}
    if kind == "DEPTHWISE_CONV_2D" and {"FLOAT32", "INT8"} <= types:
        return False
    if kind == "BATCH_MATMUL" and types == {"INT8"} and not is_constant[1]:
        return False
    values = [tensor for place, tensor in enumerate(reads) if tensor is not None and place not in known]
    allowed = {"FLOAT32"} if kind in _FLOAT_ONLY else _ACTIVATIONS
    return all(t.type in allowed and len(t.shape) <= _MOST_DIMENSIONS for t in (*values, *writes))


def _is_whole(reads: Sequence[Tensor | None]) -> bool:
    """Whether a slice leaves out nothing between its ends."""
    steps = reads[3].value if len(reads) > 3 and reads[3] is not None else None
    return steps is not None and bool((steps == 1).all())


@dataclass(frozen=True)
class Group:
    """Ops that run one after the other on one side."""

    nodes: tuple[int, ...]
    """places in the execution order"""
    is_taken: bool


def group(nodes: Sequence[Node], taken: Set[int]) -> list[Group]:
    """Put ops that a delegate takes together as far as what they read allows, and the rest likewise.

    Ops that wait for each other, which no runtime runs, are in no group.

    Args:
        nodes: In execution order.
        taken: Places of those that the delegate computes.
    """
    makers = {number: place for place, node in enumerate(nodes) for number in node.writes}
    waits = [{makers[number] for number in node.reads if makers.get(number, place) != place}
             for place, node in enumerate(nodes)]  # fmt: skip
    readers: dict[int, list[int]] = {}
    for place, before in enumerate(waits):
        for other in before:
            readers.setdefault(other, []).append(place)
    left = [len(before) for before in waits]
    ready: tuple[list[int], list[int]] = ([], [])
    for place, count in enumerate(left):
        if count == 0:
            ready[place in taken].append(place)
    groups = list[Group]()
    while ready[0] or ready[1]:
        kind = bool(ready[1]) and (not ready[0] or ready[1][0] < ready[0][0])
        found = list[int]()
        while ready[kind]:
            place = heappop(ready[kind])
            found.append(place)
            for reader in readers.get(place, ()):
                left[reader] -= 1
                if left[reader] == 0:
                    heappush(ready[reader in taken], reader)
        groups.append(Group(tuple(found), kind))
    return groups


def join(nodes: Sequence[Node], groups: Sequence[Group], outputs: Sequence[int]) -> list[Node]:
    """The execution plan with one node in place of each taken group.

    Args:
        nodes: In execution order.
        groups: As `group` makes them.
        outputs: What the graph makes.
    """
    readers: dict[int, set[int]] = {}
    for index, each in enumerate(groups):
        for place in each.nodes:
            for number in nodes[place].reads:
                readers.setdefault(number, set()).add(index)
    for number in outputs:
        readers.setdefault(number, set()).add(-1)
    plan = []
    for index, each in enumerate(groups):
        if not each.is_taken:
            plan += [nodes[place] for place in each.nodes]
            continue
        made = dict.fromkeys(number for place in each.nodes for number in nodes[place].writes)
        read = dict.fromkeys(number for place in each.nodes for number in nodes[place].reads if number not in made)
        left = [number for number in made if readers.get(number, set()) - {index}]
        plan.append(Node("DELEGATE", tuple(read), tuple(left)))
    return plan
