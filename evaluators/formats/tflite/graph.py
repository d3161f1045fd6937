"""Reads a `.tflite` file's graph: the ops of one signature and of all subgraphs it runs, loops turn by turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from device_profiles.pointers import describe_pointer
from evaluators.costs.graph import CUSTOM_COST, Graph, Memory, Op, Step, peak_bytes, weigh
from evaluators.costs.loops import MOST_VALUES, UNKNOWN_LENGTH, Number, Routine, Trip, Turns
from evaluators.costs.loops import Step as LoopStep
from evaluators.errors import EvaluationError
from evaluators.formats.entries import find_entry
from evaluators.formats.tflite.arena import Arena, plan_arena
from evaluators.formats.tflite.file import DAMAGE, TFLITE_IDENTIFIER, UNKNOWN_CODE, Operator, Tensor, TFLiteFile
from evaluators.formats.tflite.footprint import Preparation, measure, measure_delegated, prepare
from evaluators.formats.tflite.kernels import find_product
from evaluators.formats.tflite.macs import RECURRENT, SEQUENCES, UNCOUNTED, Call, count_macs, count_steps
from evaluators.formats.tflite.numbers import compute, telling
from evaluators.formats.tflite.reading import Shape
from evaluators.formats.tflite.scope import Given, Scope
from evaluators.formats.tflite.workspace import PHONE, Tiles
from packager.formats.tflite.op_versions import describe_need

_VIEWS = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST"}
"""ops whose output shares the input's memory, as LiteRT's in-place ops do"""

_PARTIAL = {"GATHER", "GATHER_ND", "EMBEDDING_LOOKUP", "STRIDED_SLICE", "SLICE", "SHAPE"}
"""ops that read of their source no more than they write"""

_WIDENING = {"DEQUANTIZE", "DENSIFY"}
"""ops that, on a constant, run once when the model is loaded"""

_TELLING_OPTIONS = {"BATCH_MATMUL": "BatchMatMulOptions", **SEQUENCES}
"""ops whose cost a flag decides → the table that holds it"""

_LOOPS = {"WHILE", "STABLEHLO_WHILE"}
_INLINED = {"CALL", "STABLEHLO_COMPOSITE"}
"""ops in whose place a runtime puts the subgraph they name"""

_MOST_OPS = 200_000
"""counted in one file; subgraphs that call each other twice over and over multiply"""


def read_tflite_graph(
    path: Path, signature: str | None = None, window: int | None = None, tiles: Tiles = PHONE
) -> Graph:
    """Read a `.tflite` file; see `read_graph`. Its memory is that on processors whose kernels have these tiles.

    Raises:
        EvaluationError: The file is not a TFLite model, or is cut off or damaged, lacks the signature, or
            ai-edge-litert is not installed.
    """
    with _opened(path) as file:
        return _Walk(file, tiles).graph(file.signatures(), signature, str(path), window)


def read_arena(path: Path) -> Arena:
    """Where LiteRT's own kernels have the tensors of a `.tflite` file's first signature.

    Of subgraphs that it runs nothing is in it: each has an arena of its own. Errors are `read_tflite_graph`'s.
    """
    with _opened(path) as file:
        walk = _Walk(file)
        signatures = file.signatures()
        walk.graph(signatures, next(iter(signatures), None), str(path), None)
        prepared = walk.prepared[next(iter(signatures.values()), 0)]
        return plan_arena(prepared.nodes, prepared.tensors)


def list_signatures(path: Path) -> list[str]:
    """The names of a `.tflite` file's signatures, in its order; errors as `read_tflite_graph`'s."""
    with _opened(path) as file:
        return list(file.signatures())


@contextmanager
def _opened(path: Path) -> Iterator[TFLiteFile]:
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise EvaluationError(f"{path}: cannot be read: {fault}") from None
    if data[4:8] != TFLITE_IDENTIFIER:
        found = f"not a TFLite model: bytes 4 to 8 are {data[4:8]!r}; right is {TFLITE_IDENTIFIER!r}"
        raise EvaluationError(f"{path}: {describe_pointer(data) or found}")
    try:
        yield TFLiteFile(data)
    except DAMAGE as fault:
        raise EvaluationError(
            f"{path}: damaged TFLite model of {len(data)} bytes: an entry points outside the file or makes no sense "
            f"({type(fault).__name__}: {fault})"
        ) from fault


@dataclass(frozen=True)
class _Inside:
    """What the subgraphs that an op runs come to."""

    ops: tuple[Op, ...] = ()
    peak: int = 0
    unpriced: str = ""
    """why their cost is not known"""
    shapes: tuple[Shape, ...] | None = None
    """of what the op makes; none where it runs none, or they do not agree"""


_NOTHING = _Inside()


def _is_batch(tensor: Tensor) -> bool:
    """Whether what is open of an input, if anything, is the number of clips, and not a row of samples."""
    return tensor.is_ranked and (not tensor.open_axes or (tensor.open_axes == (0,) and math.prod(tensor.shape[1:]) > 1))


def _close(inputs: Sequence[Tensor], window: int, where: str) -> dict[int, Shape]:
    """The sizes of the inputs that are open, one clip a call: place → shape."""
    found: dict[int, Shape] = {}
    for place, tensor in enumerate(inputs):
        if not tensor.is_open:
            continue
        axes = tensor.open_axes
        axes = axes[1:] if len(axes) > 1 and axes[0] == 0 else axes
        if not tensor.is_ranked or len(axes) != 1:
            sizes = ["open" if axis in tensor.open_axes else size for axis, size in enumerate(tensor.shape)]
            shape = f"[{', '.join(map(str, sizes))}]" if tensor.is_ranked else "of unknown rank"
            raise EvaluationError(
                f"{where}: input {tensor.name!r} is {shape}; a window closes one size beside the batch"
            )
        if not (axes == (0,) and _is_batch(tensor)):
            found[place] = tuple(window if axis in axes else size for axis, size in enumerate(tensor.shape))
    if not found:
        raise EvaluationError(f"{where}: no input leaves its length open; right is to leave out the window")
    return found


def _middle_turn(trips: Sequence[Trip]) -> Mapping[int, Number]:
    """What goes into the middle turn of a loop, where it is known."""
    firsts = trips[len(trips) // 2].firsts if trips else ()
    return firsts[len(firsts) // 2] if firsts else {}


class _Walk:
    """One pass over a signature's ops."""

    def __init__(self, file: TFLiteFile, tiles: Tiles = PHONE) -> None:
        self._file = file
        self._tiles = tiles
        self._turns = Turns()
        self._left = _MOST_OPS
        self._running: list[int] = []
        self._is_settled = True
        """whether all sizes follow from those of the inputs"""
        self._expanded: dict[tuple[int, int], int] = {}
        """subgraph and tensor → bytes of the constants that ops read"""
        self._sparse: set[int] = set()
        """buffers that leave out zeros"""
        self.prepared: dict[int, Preparation] = {}
        """subgraph → what its memory is planned from"""
        self._held: dict[int, tuple[Memory, Memory]] = {}
        """subgraph → what LiteRT holds for it, without its delegate and with it"""
        self._lent: dict[int, set[int]] = {}
        """subgraph → tensors whose memory is that of the op that runs it"""

    def graph(self, signatures: Mapping[str, int], signature: str | None, where: str, window: int | None) -> Graph:
        name = find_entry(list(signatures), signature, where)
        index = 0 if name is None else signatures[name]
        asked = [self._file.tensors(index)[t] for t in self._file.ports(index)[0]]
        is_open = any(tensor.is_open for tensor in asked)
        shapes = {} if window is None else _close(asked, window, where)
        ops, peak, _ = self._subgraph(index, 1, Given(closes=not is_open or bool(shapes), shapes=shapes))
        is_known = bool(shapes) and self._is_settled
        if self._file.allows_float16():
            ops = [replace(op, may_be_float16=op.dtype == "float32") for op in ops]
        return Graph(
            format="tflite",
            ops=tuple(ops),
            weight_bytes=self._file.weight_bytes(),
            expanded_weight_bytes=sum(self._expanded.values()),
            peak_activation_bytes=peak,
            own_memory=sum((own for own, _ in self._held.values()), Memory(0)),
            cpu_memory=sum((cpu for _, cpu in self._held.values()), Memory(0)),
            entry=name,
            sparse_weights=len(self._sparse),
            batch_only=is_open and not shapes and self._is_settled and all(map(_is_batch, asked)),
            assumed=tuple(f"{asked[place].name} {list(shape)}" for place, shape in shapes.items()) if is_known else (),
            window=window,
        )

    def _subgraph(self, index: int, runs: int, given: Given) -> tuple[list[Op], int, tuple[Shape, ...]]:
        """Ops and peak of a subgraph and of those it calls, and the sizes of what it makes."""
        if index in self._running:
            raise ValueError(f"subgraph {index} runs itself")
        self._running.append(index)
        scope = Scope(self._file, index, given)
        ops: list[Op] = []
        steps: list[Step] = []
        below = 0
        for operator in self._file.operators(index):
            self._left -= 1
            if self._left < 0:
                raise ValueError(f"more than {_MOST_OPS} ops in one call")
            reads, writes = operator.reads, operator.writes
            self._sparse.update(scope.tensors[t].buffer for t in reads if scope.tensors[t].is_sparse)
            if operator.kind in _WIDENING and reads and reads[0] in scope.stored_as:
                scope.stored_as.update(dict.fromkeys(writes, scope.stored_as[reads[0]]))
                scope.resolve(operator, None)
                continue
            inside = self._inside(operator, scope, runs)
            self._is_settled &= scope.resolve(operator, inside.shapes)
            op = self._op(operator, scope)
            view = reads[0] if operator.kind in _VIEWS and reads and reads[0] not in scope.stored_as else None
            steps.append(Step(reads=reads, writes=writes, view_of=view))
            self._expanded.update({(index, t): scope.tensors[t].size_bytes for t in reads if t in scope.stored_as})
            scope.learn(operator)
            if inside.unpriced and not op.unpriced:
                op = replace(op, unpriced=inside.unpriced)
            ops += [op.times(runs), *inside.ops]
            below = max(below, inside.peak)
        self._running.pop()
        if index not in self.prepared:
            prepared = prepare(self._file, scope, borrowed=self._lent.get(index, set()))
            self.prepared[index] = prepared
            self._held[index] = measure(prepared), measure_delegated(self._file, scope, prepared, self._tiles)
        operators = self._file.operators(index)
        touched = {i for each in operators for i in (*each.reads, *each.writes)} | {*scope.inputs, *scope.outputs}
        sizes: dict[object, int] = {i: scope.tensors[i].size_bytes for i in touched if i not in scope.stored_as}
        # The interpreter keeps the inputs' memory for the app to write the next call's values to.
        kept = [*scope.inputs, *scope.outputs]
        made = tuple(scope.tensors[t].shape for t in scope.outputs)
        return ops, peak_bytes(steps, sizes, inputs=scope.inputs, kept=kept) + below, made

    def _inside(self, operator: Operator, scope: Scope, runs: int) -> _Inside:
        """The subgraphs an op runs."""
        called = self._file.called(operator)
        if not called:
            return _NOTHING
        if operator.kind in _LOOPS and len(called) == 2:
            return self._loop(operator, called, scope, runs)
        # A condition comes first and is not handed on.
        reads = operator.reads[1:] if operator.kind in ("IF", "STABLEHLO_CASE") else operator.reads
        given = scope.give(reads, range(len(reads)))
        for index in called:
            self._lent[index] = {i for ports in self._file.ports(index) for i in ports}
        branches = [self._subgraph(index, runs, given) for index in called]
        # Which branch runs is up to the data: the dearest is the bound.
        dearest, _, shapes = max(branches, key=lambda branch: weigh(branch[0]))
        agreed = shapes if all(branch[2] == shapes for branch in branches) else None
        return _Inside(tuple(dearest), max(peak for _, peak, _ in branches), shapes=agreed)

    def _loop(self, operator: Operator, called: tuple[int, ...], scope: Scope, runs: int) -> _Inside:
        inputs, outputs = self._file.ports(called[1])
        self._lent[called[1]] = set(inputs)
        read = {i for each in self._file.operators(called[0]) for i in each.reads}
        self._lent[called[0]] = set(self._file.ports(called[0])[0]) - read  # such inputs are left out
        same = [place for place, pair in enumerate(zip(inputs, outputs, strict=False)) if pair[0] == pair[1]]
        given = scope.give(operator.reads, [place for place in same if place < len(operator.reads)])
        condition, body = (self._routine(index, given) for index in called)
        rows = self._first_turns(operator, scope)
        trips = [self._turns.trip(condition, body, row) for row in rows]
        known = [trip for trip in trips if trip is not None]
        is_known = len(known) == len(trips) > 0
        # One row is for all runs of this op, several are one a turn of the loop around it.
        share, rest = divmod(runs, max(len(rows), 1))
        if not is_known or rest:
            share, rows, known = runs, [[]], [Trip(1, ())]
        turns = sum(trip.turns for trip in known)
        inside = replace(
            given,
            turns=known[0].firsts if len(known) == 1 else (),
            typical={**given.typical, **_middle_turn(known)},
        )
        ops, peak, made = self._subgraph(called[1], share * turns, inside)
        tested, tested_peak, _ = self._subgraph(called[0], share * (turns + len(rows)), given)
        # What goes into the first turn is of the size of what goes into the others, or sizes change on the way.
        kept = made if made == tuple(scope.tensors[t].shape for t in operator.reads) else None
        self._is_settled &= kept is not None or not any(scope.tensors[t].is_open for t in operator.writes)
        unpriced = "" if is_known and not rest else UNKNOWN_LENGTH
        return _Inside((*tested, *ops), max(peak, tested_peak), unpriced, kept)

    def _first_turns(self, operator: Operator, scope: Scope) -> list[list[Number | None]]:
        """What goes into a loop's first turn: one row, or, inside of another loop, one for each of its turns."""
        row = [scope.known.get(t) for t in operator.reads]
        if not scope.given.turns or all(value is not None for value in row):
            return [row]
        around = self._routine(scope.index, scope.given)
        return self._turns.rows(around, operator.reads, scope.given.turns)

    def _routine(self, index: int, given: Given) -> Routine:
        scope = Scope(self._file, index, given)
        steps = []
        for operator in self._file.operators(index):
            calculates = bool(operator.writes) and all(
                scope.tensors[t].elements <= MOST_VALUES for t in operator.writes
            )
            known = partial(compute, self._file, operator, scope.tensors) if calculates else None
            steps.append(LoopStep(known, telling(operator), operator.writes))
        return Routine(scope.inputs, scope.outputs, tuple(steps), scope.known)

    def _op(self, operator: Operator, scope: Scope) -> Op:
        name = _TELLING_OPTIONS.get(operator.kind)
        options = None if name is None else self._file.options(operator, name)
        return _op(
            operator.kind,
            [scope.tensors[t] for t in operator.reads],
            [scope.tensors[t] for t in operator.writes],
            constant={k: scope.stored_as[t] for k, t in enumerate(operator.reads) if t in scope.stored_as},
            flag=options is not None
            and bool(options.AdjX() if operator.kind == "BATCH_MATMUL" else options.TimeMajor()),
        )


def _op(
    kind: str,
    reads: list[Tensor],
    writes: list[Tensor],
    *,
    constant: Mapping[int, str],
    flag: bool = False,
) -> Op:
    """An op, counted.

    Args:
        kind: The builtin operator's name.
        reads: Its inputs, in order.
        writes: Its outputs.
        constant: Place of each input that is a constant → the type in which the file holds it.
        flag: BATCH_MATMUL's `adj_x`, or a recurrent op's `time_major`.
    """
    view = kind in _VIEWS or kind in _INLINED
    written = sum(tensor.size_bytes for tensor in writes)
    limit = written if kind in _PARTIAL else math.inf
    activations = sum(tensor.size_bytes for k, tensor in enumerate(reads) if k not in constant)
    weights = sum(reads[k].size_bytes for k in constant)
    # A bias has wider values than weights of a byte, and at most as many.
    largest = max(constant, key=lambda k: reads[k].elements, default=None)
    call = Call(
        inputs=[tensor.shape for k, tensor in enumerate(reads) if kind not in RECURRENT or k == 0 or k in constant],
        outputs=[tensor.shape for tensor in writes],
        transposes_first=flag,
        time_comes_first=flag,
    )
    custom = kind.removeprefix("CUSTOM ") if kind.startswith("CUSTOM") else None
    dtype = writes[0].type.lower() if writes else "none"
    needs = None if custom is None else describe_need(custom, dtype)
    return Op(
        name=writes[0].name if writes else "",
        kind=kind,
        macs=count_macs(kind, call),
        read_bytes=0 if view else int(min(activations, limit)),
        written_bytes=0 if view else written,
        weight_bytes=0 if view else int(min(weights, limit)),
        dtype=dtype,
        dynamic=any(tensor.is_open for tensor in (*reads, *writes)),
        weight_dtype="" if largest is None else reads[largest].type.lower(),
        stored_as="" if largest is None else constant[largest],
        unpriced=f"{custom}{CUSTOM_COST}" if needs else _find_gap(kind),
        needs=needs or "",
        steps=count_steps(kind, call),
        cpu_kernel=find_product(kind, call.inputs, call.outputs),
    )


def _find_gap(kind: str) -> str:
    """Why the cost of an op of no app's own does not follow from the file; empty where it does."""
    if kind.startswith(UNKNOWN_CODE):
        return f"the op of {kind.removeprefix('UNKNOWN ')}, which the schema read here does not know"
    return f"{kind}, whose multiply-adds are not counted" if kind in UNCOUNTED else ""
