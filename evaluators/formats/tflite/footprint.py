"""What LiteRT plans for a subgraph's tensors, from the file: which of them it places, and what its kernels add."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from evaluators.costs.graph import Memory
from evaluators.formats.tflite.arena import Node, Tensors, plan_arena
from evaluators.formats.tflite.file import Operator, TFLiteFile
from evaluators.formats.tflite.partition import UNPACKED, Group, group, join, takes
from evaluators.formats.tflite.scope import Scope
from evaluators.formats.tflite.scratch import Kernel, find_scratch
from evaluators.formats.tflite.workspace import Taken, Tiles, hold

_FOLDED = {
    "RESHAPE", "CONCATENATION", "STRIDED_SLICE", "TILE", "GATHER", "MUL", "RANGE", "MEAN", "SUM", "REDUCE_PROD",
    "REDUCE_MAX", "REDUCE_MIN",
}  # fmt: skip
"""ops that run once, when they are prepared, where all that they read is known by then"""

_SIZED_BY = {
    **dict.fromkeys(("FILL", "TRANSPOSE_CONV", "SPLIT"), (0,)),
    **dict.fromkeys((
        "BROADCAST_TO", "TILE", "PAD", "PADV2", "MIRROR_PAD", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR",
        "TRANSPOSE", "TOPK_V2", "ONE_HOT", "EXPAND_DIMS", "RFFT2D", "ARG_MAX", "ARG_MIN", "MEAN", "SUM", "REDUCE_PROD",
        "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY", "REDUCE_ALL",
    ), (1,)),
    **dict.fromkeys(("SLICE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"), (1, 2)),
    "STRIDED_SLICE": (1, 2, 3),
    "SPLIT_V": (1, 2),
    "RANGE": (0, 1, 2),
    "SCATTER_ND": (2,),
}  # fmt: skip
"""ops whose output's size is that of values that they read → where they read them"""


@dataclass(frozen=True)
class Preparation:
    """A subgraph as LiteRT prepares it."""

    nodes: tuple[Node, ...]
    tensors: Tensors
    owns: tuple[int, ...]
    """of each node, bytes of tensors that have a place of their own"""

    @property
    def own(self) -> int:
        """Bytes of all tensors that have a place of their own."""
        return sum(self.owns)


def prepare(
    file: TFLiteFile,
    scope: Scope,
    *,
    borrowed: Set[int] = frozenset(),
) -> Preparation:
    """What the planner is told of a subgraph that LiteRT's own kernels compute.

    Args:
        file: The file.
        scope: Its tensors, all sizes settled.
        borrowed: Tensors whose memory is that of the op that runs the subgraph.
    """
    fixed = {i for i, tensor in enumerate(scope.tensors) if tensor.constant_bytes}
    variables = {
        i: tensor.size_bytes
        for i, tensor in enumerate(scope.tensors)
        if not tensor.constant_bytes and tensor.is_variable
    }
    elsewhere = set(fixed) | set(borrowed) | set(variables)
    operators = file.operators(scope.index)
    wanted = {i for operator in operators for i in operator.reads} | set(scope.outputs)
    nodes, owns, kept = [], [], dict(variables)
    for operator in operators:
        elsewhere.update(_passed_through(file, operator) - wanted)
        scratch = find_scratch(_kernel(file, operator, scope, fixed))
        own = scratch.own
        is_known = all(tensor in fixed for tensor in operator.reads)
        is_dynamic, is_last = _sizes_at_run(operator, fixed)
        if operator.kind == "DEQUANTIZE" and is_known:
            kept.update({i: scope.tensors[i].size_bytes for i in operator.writes})
            elsewhere.update(operator.writes)
        elif operator.kind in ("SHAPE", "RANK") or (operator.kind in _FOLDED and is_known):
            fixed.update(operator.writes)
            elsewhere.update(operator.writes)
            own += sum(scope.tensors[i].size_bytes for i in operator.writes)
        elif is_dynamic:
            elsewhere.update(operator.writes)
            own += sum(scope.tensors[i].size_bytes for i in operator.writes)
        owns.append(own)
        nodes.append(Node(operator.kind, operator.reads, operator.writes, scratch.used, scratch.kept, is_last))
    touched = {i for node in nodes for i in (*node.reads, *node.writes)} | {*scope.inputs, *scope.outputs}
    sizes = {i: scope.tensors[i].size_bytes for i in sorted(touched - elsewhere)}
    return Preparation(tuple(nodes), Tensors(sizes, scope.inputs, scope.outputs, kept), tuple(owns))


def measure(preparation: Preparation) -> Memory:
    """Plan a subgraph that LiteRT's own kernels compute."""
    plan = plan_arena(preparation.nodes, preparation.tensors)
    return Memory(tensors=plan.bytes + plan.kept_bytes + preparation.own)


def measure_delegated(file: TFLiteFile, scope: Scope, preparation: Preparation, tiles: Tiles) -> Memory:
    """Plan a subgraph of which XNNPACK computes what it can.

    Args:
        file: The file.
        scope: Its tensors, all sizes settled.
        preparation: As `prepare` makes it.
        tiles: Of the processor's kernels.
    """
    taken = _taken(file, scope)
    groups = group(preparation.nodes, set(taken))
    plan = join(preparation.nodes, groups, scope.outputs)
    held = [
        hold(_ops(each, taken), preparation.tensors.sizes, node.writes, tiles)
        for each, node in zip(_delegated(groups), (n for n in plan if n.kind == "DELEGATE"), strict=True)
    ]
    own = sum(number for place, number in enumerate(preparation.owns) if place not in taken)
    widened = max((t.size_bytes for op in taken.values() if op.kind in UNPACKED for t in op.outputs), default=0)
    left = [node for node in plan if node.kind != "DELEGATE"]
    unpacked = {number for op in taken.values() if op.kind in UNPACKED for number in op.writes}
    kept = {i: size for i, size in preparation.tensors.variables.items() if i not in unpacked}
    seen = {i for node in plan for i in (*node.reads, *node.writes)} | {*scope.inputs, *scope.outputs}
    sizes = {i: size for i, size in preparation.tensors.sizes.items() if i in seen}
    arena = plan_arena(plan, replace(preparation.tensors, sizes=sizes, variables=kept))
    return Memory(
        tensors=arena.bytes + arena.kept_bytes + own,
        workspace=max((each.workspace for each in held), default=0),
        packed=sum(each.packed for each in held),
        widened=widened,
        tables=sum(each.tables for each in held),
        steps=len(left) + len(taken),
        groups=len(held),
    )


def _delegated(groups: Sequence[Group]) -> list[Group]:
    return [each for each in groups if each.is_taken]


def _ops(each: Group, taken: dict[int, Taken]) -> list[Taken]:
    return [taken[place] for place in each.nodes if taken[place].kind not in UNPACKED]


def _taken(file: TFLiteFile, scope: Scope) -> dict[int, Taken]:
    """Ops that the delegate computes, by place in the execution order."""
    operators = file.operators(scope.index)
    fixed = {i for i, tensor in enumerate(scope.tensors) if tensor.constant_bytes}
    unpacked: dict[int, int] = {}
    for place, operator in enumerate(operators):
        if operator.kind in UNPACKED and operator.writes and fixed.issuperset(operator.reads):
            fixed.update(operator.writes)
            unpacked[operator.writes[0]] = place
    folded = set(unpacked.values())
    found = {}
    for place, operator in enumerate(operators):
        op = _seen(file, operator, scope, fixed)
        if place in folded or takes(op.kind, op.inputs, op.outputs, op.is_constant):
            found[place] = op
    for place, operator in enumerate(operators):
        if place not in found:  # what it reads, the interpreter must unpack itself
            for number in operator.reads:
                found.pop(unpacked.get(number, -1), None)
    return found


def _seen(file: TFLiteFile, operator: Operator, scope: Scope, fixed: Set[int]) -> Taken:
    numbers = operator.inputs
    op = Taken(
        kind=operator.kind,
        reads=operator.reads,
        writes=operator.writes,
        inputs=tuple(scope.tensors[i] if i >= 0 else None for i in numbers),
        is_constant=tuple(i in fixed for i in numbers),
        outputs=tuple(scope.tensors[i] for i in operator.writes),
    )
    options = file.options(operator, _OPTIONS[operator.kind]) if operator.kind in _OPTIONS else None
    if options is None:
        return op
    op = replace(op, strides=(options.StrideH(), options.StrideW()))
    if operator.kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        return replace(op, window=(options.FilterHeight(), options.FilterWidth()))
    if operator.kind == "TRANSPOSE_CONV":
        return op
    dilations = (options.DilationHFactor(), options.DilationWFactor())
    return replace(op, dilations=dilations, pads=options.Padding() == file.schema.Padding.SAME)


_OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
}


def _sizes_at_run(operator: Operator, fixed: Set[int]) -> tuple[bool, bool]:
    """Whether what an op makes has a place of its own, and whether what follows is planned only after it ran."""
    if operator.kind == "WHERE":
        return True, True
    if operator.kind == "RESHAPE":  # it has the size of what it reads, whatever its shape
        return False, len(operator.reads) > 1 and operator.reads[1] not in fixed
    places = [place for place in _SIZED_BY.get(operator.kind, ()) if place < len(operator.reads)]
    is_dynamic = any(operator.reads[place] not in fixed for place in places)
    return is_dynamic, is_dynamic


def _passed_through(file: TFLiteFile, operator: Operator) -> set[int]:
    """Results of a loop that are what went in; LiteRT leaves them out where nobody reads them."""
    if operator.kind != "WHILE":
        return set()
    inputs, outputs = file.ports(file.called(operator)[1])
    same = [place for place, pair in enumerate(zip(inputs, outputs, strict=False)) if pair[0] == pair[1]]
    return {operator.writes[place] for place in same if place < len(operator.writes)}


def _kernel(file: TFLiteFile, operator: Operator, scope: Scope, fixed: Set[int]) -> Kernel:
    numbers = operator.inputs
    options = file.options(operator, "Conv2DOptions") if operator.kind == "CONV_2D" else None
    return Kernel(
        kind=operator.kind,
        reads=[scope.tensors[i] if i >= 0 else None for i in numbers],
        writes=[scope.tensors[i] for i in operator.writes],
        is_constant=[i in fixed for i in numbers],
        strided=options is not None and (options.StrideH(), options.StrideW()) != (1, 1),
        dilated=options is not None and (options.DilationHFactor(), options.DilationWFactor()) != (1, 1),
    )
