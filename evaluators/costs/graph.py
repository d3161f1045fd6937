"""What a model does in one call: its ops with multiply-adds and bytes, its weights, and its activations' peak.

A graph is read from the model file alone; no framework runs it. It is what the predictions of placement, latency and
memory are computed from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from packager.bundle import Format

CUSTOM_COST = ", a custom op whose cost is not in the file"


OPEN_SIZES = "open dimensions, whose sizes are not in the file"
"""why a graph has no price whose inputs leave more open than the batch"""


@dataclass(frozen=True)
class ProductKernel:
    """The matrix product that a runtime's CPU kernel computes a convolution as."""

    columns: int
    """what one row gives: the output channels of one group"""
    weight_reads: int = 1
    """how often it reads all weights in one run"""


@dataclass(frozen=True)
class Op:
    """One op of a graph, in execution order."""

    name: str
    """its first output's name"""
    kind: str
    """the format's own word: CONV_2D, conv …"""
    macs: int
    """multiply-adds; 0 for ops that are bound by the bytes they move"""
    read_bytes: int
    """activations read"""
    written_bytes: int
    """activations written"""
    weight_bytes: int
    """constants read, in the type the op computes with; see `steps`"""
    dtype: str
    """of its first output: float32, int8 …"""
    dynamic: bool = False
    """whether a shape was unknown in the file and counted with 1 in its place"""
    weight_dtype: str = ""
    """of the largest constant, as the op reads it; empty where it reads none"""
    stored_as: str = ""
    """how the file holds that constant: a type, or a compression in the words of precisions, as palettized_w4"""
    rounds_activations: bool = False
    """whether what it reads was rounded to 8 bits just before"""
    runs: int = 1
    """how often it runs in one call; the counts above are of all runs together"""
    unpriced: str = ""
    """why its cost does not follow from the file; empty where it does"""
    needs: str = ""
    """what must be there besides the runtime, for example the kernel of a custom op"""
    steps: int = 1
    """of a recurrent op: how many steps it takes in one run, each of which reads all weights; they are counted once"""
    is_depthwise: bool = False
    """whether it is a convolution of each input channel by itself, where the format has no word of its own for that"""

    may_be_float16: bool = False
    """whether the file lets a runtime compute it in float16 where a core can, though it is of float32"""
    cpu_kernel: ProductKernel | None = None
    """of a convolution, where its kind and weights do not say how a CPU computes it"""

    @property
    def computes_in(self) -> str:
        """The type it multiplies in: TFLite's hybrid kernels round floats to the integers of their weights."""
        is_hybrid = self.macs and self.dtype.startswith("float") and self.weight_dtype in ("int4", "int8")
        return "int8" if is_hybrid else self.dtype

    @property
    def moved_bytes(self) -> int:
        """All bytes that pass between the op and memory when nothing stays in a cache."""
        return self.read_bytes + self.written_bytes + self.weight_bytes

    def times(self, runs: int) -> Op:
        """The op, run so often in place of once."""
        if runs == 1:
            return self
        return replace(
            self,
            macs=self.macs * runs,
            read_bytes=self.read_bytes * runs,
            written_bytes=self.written_bytes * runs,
            weight_bytes=self.weight_bytes * runs,
            runs=runs,
        )


@dataclass(frozen=True)
class Memory:
    """Bytes that a runtime holds for a graph on a CPU, beside the file."""

    tensors: int
    """activations, states and kernels' scratch, as the runtime plans them"""
    workspace: int = 0
    """the same of a delegate"""
    packed: int = 0
    """weights once more, in the order that kernels read"""
    widened: int = 0
    """the largest of the weights that are made wider while they are packed, one after the other"""
    tables: int = 0
    """addresses that kernels of convolutions read their input by"""
    steps: int = 0
    """ops, each of which has some bookkeeping"""
    groups: int = 0
    """how often the delegate is entered: ops that it takes together count once"""

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.tensors + self.workspace + self.packed + self.widened + self.tables

    def __add__(self, other: Memory) -> Memory:
        """Of two graphs that are there at once; they take turns in a delegate's workspace."""
        return Memory(
            self.tensors + other.tensors,
            max(self.workspace, other.workspace),
            self.packed + other.packed,
            max(self.widened, other.widened),
            self.tables + other.tables,
            self.steps + other.steps,
            self.groups + other.groups,
        )


@dataclass(frozen=True)
class Graph:
    """A model's ops and what must be in memory for one call."""

    format: Format
    ops: tuple[Op, ...]
    weight_bytes: int
    """constants as the file holds them, those of its other signatures too"""
    expanded_weight_bytes: int
    """constants in the types the ops read: float16 or int8 weights that are widened at load count with their wide
    size"""
    peak_activation_bytes: int
    """largest sum of activations alive at once"""
    own_memory: Memory | None = None
    """what the runtime's own kernels hold; none where its plan is not known"""
    cpu_memory: Memory | None = None
    """what it holds with the delegate that it uses on a CPU where the app asks for nothing"""
    entry: str | None = None
    """the signature or function counted; none where the file names none"""
    batch_only: bool = False
    """whether what is open is the number of clips a call takes, so that the counts hold for one clip"""
    assumed: tuple[str, ...] = ()
    """inputs of open size, with the size that was counted: the default, or the window asked for"""
    window: int | None = None
    """the window asked for, in samples"""
    sparse_weights: int = 0
    """how many constants the file holds without their zeros; multiply-adds with those are counted all the same"""
    unknown_sizes: str = ""
    """why the sizes of other values are not known where that default is open; empty where they are"""

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Why the cost does not follow from the file; the counts are then lower bounds."""
        reasons = merge_reasons(op.unpriced for op in self.ops)
        return (*reasons, *([self.open_sizes] if self.open_sizes else []))

    @property
    def open_sizes(self) -> str:
        """Why sizes of values are not known; empty where they are."""
        if self.unknown_sizes or self.batch_only or not self.dynamic:
            return self.unknown_sizes
        return OPEN_SIZES

    @property
    def needs(self) -> tuple[str, ...]:
        """What must be there besides the runtime."""
        return tuple(dict.fromkeys(op.needs for op in self.ops if op.needs))

    @property
    def macs(self) -> int:
        """Multiply-adds of one call."""
        return sum(op.macs for op in self.ops)

    @property
    def moved_bytes(self) -> int:
        """Bytes moved by all ops of one call."""
        return sum(op.moved_bytes for op in self.ops)

    @property
    def dynamic(self) -> bool:
        """Whether some shape was unknown, so that the counts are for 1 in its place."""
        return any(op.dynamic for op in self.ops)


@dataclass(frozen=True)
class Step:
    """An op as the liveness of tensors sees it; tensors are named by any number or text."""

    reads: tuple[object, ...]
    writes: tuple[object, ...]
    view_of: object | None = None
    """the tensor whose memory the one output shares (reshape and its like)"""


def merge_reasons(reasons: Iterable[str]) -> tuple[str, ...]:
    """Each reason once, all custom ops in one; empty ones are none.

    Args:
        reasons: Why ops have no price, one an op.
    """
    found = [reason for reason in dict.fromkeys(reasons) if reason]
    custom = [reason.removesuffix(CUSTOM_COST) for reason in found if reason.endswith(CUSTOM_COST)]
    if len(custom) < 2:
        return tuple(found)
    others = [reason for reason in found if not reason.endswith(CUSTOM_COST)]
    return (f"{', '.join(custom)}: custom ops whose cost is not in the file", *others)


def weigh(ops: Sequence[Op]) -> tuple[int, int]:
    """What tells which of two branches is dearer: multiply-adds, then bytes."""
    return sum(op.macs for op in ops), sum(op.moved_bytes for op in ops)


def peak_bytes(
    steps: Sequence[Step], sizes: dict[object, int], *, inputs: Sequence[object], kept: Sequence[object]
) -> int:
    """Largest sum of tensors alive at once.

    A tensor lives from the step that writes it (or from the start, for an input) to the last step that reads it; during
    a step its inputs and outputs are all alive. This is a lower bound of what an arena without fragmentation holds; no
    op is taken to work in place.

    Args:
        steps: In execution order.
        sizes: Bytes of each tensor; constants and other tensors that are left out count nothing.
        inputs: Tensors alive at the start.
        kept: Tensors alive to the end: the graph's outputs and, where the runtime keeps them, its inputs.
    """
    root: dict[object, object] = {}
    for step in steps:
        if step.view_of is not None:
            root[step.writes[0]] = root.get(step.view_of, step.view_of)
    last: dict[object, int] = {}
    for index, step in enumerate(steps):
        for tensor in (*step.reads, *step.writes):
            last[root.get(tensor, tensor)] = index
    last.update({root.get(tensor, tensor): len(steps) for tensor in kept})

    alive = {owner for owner in (root.get(tensor, tensor) for tensor in inputs) if owner in sizes}
    current = peak = sum(sizes[owner] for owner in alive)
    for index, step in enumerate(steps):
        touched = {root.get(tensor, tensor) for tensor in (*step.reads, *step.writes)}
        for owner in touched:
            if owner in sizes and owner not in alive:
                alive.add(owner)
                current += sizes[owner]
        peak = max(peak, current)
        for owner in touched & alive:
            if last[owner] <= index:
                alive.remove(owner)
                current -= sizes[owner]
    return peak
