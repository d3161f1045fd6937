"""The memory that LiteRT plans for one subgraph's tensors: who shares whose, who lives how long, and where each goes.

Source of the rules: LiteRT, `tflite/arena_planner.cc` (2026-08), and the kernels' registrations in `tflite/kernels/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evaluators.costs.arena import FOREVER, Block, place_blocks

ALIGNMENT = 64
"""of every tensor, in bytes. Source: LiteRT, `tflite/util.h`, `kDefaultTensorAlignment`"""

_MOVES_NOTHING = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST"}
"""ops that leave their input's data as they are, so that their output may share it with other readers"""

_IN_PLACE = {
    **dict.fromkeys(_MOVES_NOTHING, 1),
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV"), 2),
    **dict.fromkeys(("SOFTMAX", "DYNAMIC_UPDATE_SLICE"), 1),
}
"""ops that may write over an input → how many of the first inputs they may do that to"""

_SCALAR_BYTES = 4
"""tensors of at most this size are not shared"""


@dataclass(frozen=True)
class Node:
    """An op, or all ops that a delegate took in one go, as the planner sees it."""

    kind: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    scratch: tuple[int, ...] = ()
    """bytes of each tensor that the kernel asks for while it runs"""
    kept: tuple[int, ...] = ()
    """bytes of each tensor that the kernel keeps from call to call"""
    is_last_planned: bool = False
    """whether what follows is planned only when this one has run, since sizes depend on what it makes"""


@dataclass(frozen=True)
class Arena:
    """A plan."""

    bytes: int
    """of the arena of activations and scratch"""
    kept_bytes: int
    """of the arena of what lives from call to call: variables, and what kernels keep"""
    offsets: Mapping[int, int] = field(default_factory=dict)
    """tensor → place in the arena; sharers have that of the tensor they share"""


@dataclass(frozen=True)
class Tensors:
    """What of a subgraph's tensors the planner is told."""

    sizes: Mapping[int, int]
    """bytes of those that it places; constants and tensors that place themselves are left out"""
    inputs: Sequence[int]
    outputs: Sequence[int]
    variables: Mapping[int, int] = field(default_factory=dict)
    """bytes of those that live from call to call"""


def plan_arena(nodes: Sequence[Node], tensors: Tensors) -> Arena:
    """Plan a subgraph's memory.

    Inputs, outputs and what is never read live from their step to the end. What lives all the time comes first, then
    the largest.

    Args:
        nodes: In execution order.
        tensors: Sizes and ports.
    """
    shared = _share(nodes, tensors)
    first, last = _lives(nodes, tensors, shared)
    stages = _stages(nodes)
    wanted: list[tuple[tuple[int, ...], Block, int | None]] = []
    for number, size in tensors.sizes.items():
        if number in shared or number not in first:
            continue
        block = Block(size, first[number], last.get(number, FOREVER))
        stays = block.first == 0 and block.last == FOREVER
        key = (0, number) if stays else (1, -size, block.first, number)
        wanted.append(((stages[block.first], *key), block, number))
    for step, node in enumerate(nodes):
        # Scratch tensors have the highest numbers.
        wanted += [((stages[step], 1, -size, step, FOREVER), Block(size, step, step), None) for size in node.scratch]
    wanted.sort(key=lambda each: each[0])
    offsets, end = place_blocks([block for _, block, _ in wanted], ALIGNMENT)
    placed = {number: offset for (_, _, number), offset in zip(wanted, offsets, strict=True) if number is not None}
    placed.update({number: placed[owner] for number, owner in shared.items() if owner in placed})
    kept = [Block(size, 0, FOREVER) for size in tensors.variables.values()]
    kept += [Block(size, 0, FOREVER) for node in nodes for size in node.kept]
    return Arena(end, place_blocks(kept, ALIGNMENT)[1], placed)


def _share(nodes: Sequence[Node], tensors: Tensors) -> dict[int, int]:
    """Outputs that are written over an input → the tensor whose memory that is."""
    readers = Counter([*tensors.inputs, *tensors.outputs, *tensors.variables])
    readers.update(number for node in nodes for number in node.reads)
    inputs, outputs = set(tensors.inputs), set(tensors.outputs)
    shared: dict[int, int] = {}
    for node in nodes:
        if node.kind not in _IN_PLACE or not node.writes or node.writes[0] in outputs:
            continue
        changes, written = node.kind not in _MOVES_NOTHING, node.writes[0]
        size = tensors.sizes.get(written)
        for number in node.reads[: _IN_PLACE[node.kind]]:
            if size is None or number not in tensors.sizes or number in inputs:
                continue
            fits = tensors.sizes[number] == size and size > _SCALAR_BYTES and readers[number] == 1
            if changes and not fits:
                continue
            owner = shared.get(number, number)
            # Later ones that would fit are not tried, as the planner does not.
            if not changes or readers[owner] == 1:
                shared[written] = owner
            break
    # A tensor whose size is not its owner's has a place of its own.
    return {number: owner for number, owner in shared.items() if tensors.sizes[owner] == tensors.sizes[number]}


def _lives(nodes: Sequence[Node], tensors: Tensors, shared: Mapping[int, int]) -> tuple[dict[int, int], dict[int, int]]:
    """First and last step of each tensor; what is not in the second lives to the end."""
    ends = {shared.get(number, number) for number in (*tensors.inputs, *tensors.outputs, *tensors.variables)}
    first = dict.fromkeys((*tensors.inputs, *tensors.variables), 0)
    last: dict[int, int] = {}
    for step, node in enumerate(nodes):
        for number in node.writes:
            first.setdefault(number, step)
        for number in node.reads:
            owner = shared.get(number, number)
            if owner not in ends:
                last[owner] = step
    return first, last


def _stages(nodes: Sequence[Node]) -> list[int]:
    """Of each step, how many plans were made before its own."""
    found, stage = [], 0
    for node in nodes:
        found.append(stage)
        stage += node.is_last_planned
    return found or [0]
