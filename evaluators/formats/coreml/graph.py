"""Reads the graph of an ML Program (`.mlpackage`), through the emulator's typed program."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.costs.graph import Graph, Op, Step, peak_bytes, weigh
from evaluators.costs.loops import UNKNOWN_LENGTH, Number, Turns
from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.emulators.coreml.interface import read_interface
from evaluators.emulators.coreml.package import open_package
from evaluators.emulators.coreml.program import Block, Function, Operation, Value, read_function
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.emulators.coreml.weights import WeightFiles
from evaluators.errors import EvaluationError
from evaluators.formats.coreml.loops import compute_known, count_turns, read_constant
from evaluators.formats.coreml.macs import Operands, count_macs, count_steps, is_depthwise
from evaluators.formats.coreml.shapes import Sizes, Tensor, read_tensor
from evaluators.formats.coreml.weights import Operand, describe_constant, stored_bytes
from evaluators.formats.entries import find_entry

_VIEWS = {"reshape", "reshape_like", "squeeze", "expand_dims", "identity"}
"""ops whose output is the input under another shape"""

_PARTIAL = {
    "gather", "gather_along_axis", "gather_nd", "slice_by_index", "slice_by_size", "shape", "split",
}  # fmt: skip
"""ops that read of their source no more than they write"""

_CUSTOM = "custom_layer"

_KEEPING = {
    **dict.fromkeys(("scatter", "scatter_nd", "scatter_along_axis"), "data"),
    **dict.fromkeys(("cast", "identity", "relu", "sigmoid", "tanh", "softmax", "abs", "exp", "log", "sqrt"), "x"),
}
"""ops inside of loops, where sizes are not seen, whose output has the size of this operand"""

_WIDENING = {"cast", "identity", "quantize", "dequantize"}
"""ops that, on constants, run once when the model is compiled on the phone"""


def read_coreml_graph(path: Path, entry: str | None = None, window: int | None = None) -> Graph:
    """Read a function of an `.mlpackage` or `.mlmodel`; see `read_graph`.

    Where dimensions are open, sizes are those of the window, or of the inputs' default lengths: see `coreml_shapes`.

    Raises:
        EvaluationError: The package is damaged, holds no ML Program, or lacks the function.
    """
    package = open_package(path)
    model = parse_model(package.specification.read_bytes(), str(package.specification))
    which = model.WhichOneof("Type")
    if which != "mlProgram":
        raise EvaluationError(
            f"{path}: holds {which or 'no model of a known kind'}; right is an ML Program (mlProgram)"
        )
    names = list_functions(model)
    default = str(model.description.defaultFunctionName)
    wanted = default if entry is None and default in names else entry
    name = find_entry(names, wanted, str(path)) or "main"
    weights = WeightFiles(package.specification.parent, package.root)
    functions = {one: read_function(model.mlProgram, one, weights=weights, where=str(path)) for one in {name, *names}}
    sizes = Sizes.of(functions[name], read_interface(model.description, name, str(path)), path, window)
    graph = _Walk(sizes).graph(functions[name])
    return replace(graph, weight_bytes=stored_bytes(functions.values()), window=window)


def list_functions(model: Any) -> list[str]:
    """The functions of a `Model` message's program, sorted: the file's order is that of a hash."""
    return sorted(model.mlProgram.functions)


@dataclass
class _Walk:
    """State of one pass over a function's ops."""

    sizes: Sizes
    turns: Turns = field(default_factory=Turns)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    constants: dict[str, Tensor] = field(default_factory=dict)
    known: dict[str, Number] = field(default_factory=dict)
    """small numbers, by name"""
    words: dict[str, str | bool] = field(default_factory=dict)
    rounded: set[str] = field(default_factory=set)
    """values that were rounded to 8 bits and widened again"""
    expanded: dict[str, int] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def graph(self, function: Function) -> Graph:
        for named in function.inputs:
            self.tensors[named.name] = self.sizes.tensor(named)
        self._block(function.block, 1)
        sizes: dict[object, int] = {name: tensor.size_bytes for name, tensor in self.tensors.items()}
        inputs = [named.name for named in function.inputs]
        peak = peak_bytes(self.steps, sizes, inputs=inputs, kept=[*inputs, *function.block.outputs])
        return Graph(
            format="coreml",
            ops=tuple(self.ops),
            weight_bytes=0,
            expanded_weight_bytes=sum(self.expanded.values()),
            peak_activation_bytes=peak,
            entry=function.name,
            assumed=self.sizes.assumed,
            unknown_sizes=self.sizes.unknown,
        )

    def _block(self, block: Block, runs: int) -> None:
        for named in block.inputs:
            self.tensors.setdefault(named.name, self.sizes.tensor(named))
        for operation in block.operations:
            self._operation(operation, runs)

    def _inside(self, operation: Operation, runs: int) -> None:
        """The blocks of an op that was entered as the last one."""
        if operation.kind == "while_loop":
            self._hand_in(operation)
            turns = count_turns(operation, self.known, self._shape, self.turns)
            if turns is None:
                self.ops[-1] = replace(self.ops[-1], unpriced=UNKNOWN_LENGTH)
            counted = 1 if turns is None else turns
            for inner, times in zip(operation.blocks, (counted + 1, counted), strict=False):
                self._block(inner, runs * times)
            return
        begin, dearest = len(self.ops), list[Op]()
        for inner in operation.blocks:  # which one runs is up to the data: the dearest is the bound
            self._block(inner, runs)
            branch = self.ops[begin:]
            del self.ops[begin:]
            dearest = max(dearest, branch, key=weigh)
        self.ops += dearest

    def _hand_in(self, operation: Operation) -> None:
        """What goes into the first turn of a loop is of the size of what goes into the others."""
        given = [item for item in operation.inputs.get("loop_vars", ()) if isinstance(item, str)]
        for block in operation.blocks:
            for named, outer in zip(block.inputs, given, strict=False):
                self.tensors[named.name] = self.sizes.tensor(named, self._known(outer).shape)

    def _kept_shape(self, operation: Operation) -> tuple[int, ...] | None:
        """The size of an op's output where it is that of its input, whatever else it is given."""
        item = operation.inputs.get(_KEEPING.get(operation.kind, ""), (None,))[0]
        return self._shape(item) if isinstance(item, str) else None

    def _shape(self, name: str) -> tuple[int, ...] | None:
        found = self.constants.get(name) or self.tensors.get(name)
        return None if found is None or found.dtype == "none" else found.shape

    def _operation(self, operation: Operation, runs: int) -> None:
        reads = [name for argument in operation.inputs.values() for name in argument if isinstance(name, str)]
        folds = operation.kind.startswith("constexpr_") or operation.kind in _WIDENING
        if operation.kind == "const" or (folds and all(name in self.constants for name in reads)):
            self._constant(operation)
            return
        kept = self._kept_shape(operation)
        outputs = {named.name: self.sizes.tensor(named, kept) for named in operation.outputs}
        self.tensors.update(outputs)
        activations = [name for name in reads if name not in self.constants]
        fixed = [name for name in reads if name in self.constants]
        for name in fixed:
            self.expanded[name] = self.constants[name].size_bytes
        # A bias has wider values than compressed weights, and at most as many.
        weight = max((self.constants[name] for name in fixed), key=lambda each: math.prod(each.shape), default=None)
        if operation.kind == "dequantize":
            self.rounded.update(outputs)
        view = operation.kind in _VIEWS and len(activations) == 1
        written = sum(tensor.size_bytes for tensor in outputs.values())
        limit = written if operation.kind in _PARTIAL else math.inf
        first = next(iter(outputs.values()), None)
        operands = self._operands(operation)
        self.ops.append(
            Op(
                name=next(iter(outputs), operation.name),
                kind=operation.kind,
                macs=count_macs(operation.kind, operands),
                read_bytes=0 if view else int(min(sum(self._size(name) for name in activations), limit)),
                written_bytes=0 if view else written,
                weight_bytes=0 if view else int(min(sum(self._size(name) for name in fixed), limit)),
                dtype=first.dtype if first else "none",
                dynamic=any(t.dynamic for t in outputs.values()) or any(self._known(n).dynamic for n in activations),
                weight_dtype="" if weight is None else weight.dtype,
                stored_as="" if weight is None else weight.stored_as,
                rounds_activations=bool(activations) and self.rounded.issuperset(activations),
                unpriced="a custom layer, whose cost is not in the file" if operation.kind == _CUSTOM else "",
                needs="the app's own layer" if operation.kind == _CUSTOM else "",
                steps=count_steps(operation.kind, operands),
                is_depthwise=is_depthwise(operation.kind, operands),
            ).times(runs)
        )
        view_of = activations[0] if view else None
        self.steps.append(Step(reads=tuple(activations), writes=tuple(outputs), view_of=view_of))
        made = compute_known(operation, self.known, self._shape)
        if made is not None:
            self.known[operation.outputs[0].name] = made
        if operation.blocks:
            self._inside(operation, runs)

    def _constant(self, operation: Operation) -> None:
        """Enter an op all of whose inputs are constants as a constant itself."""
        number = read_constant(operation)
        if number is None and operation.kind != "const":
            number = compute_known(operation, self.known, self._shape)
        if number is not None:
            self.known[operation.outputs[0].name] = number
        stored_as = "" if operation.kind == "const" else describe_constant(operation.kind, self._made_from(operation))
        for named in operation.outputs:
            made = read_tensor(named.type)
            self.constants[named.name] = replace(made, stored_as=stored_as or made.dtype)
            word = _word(operation.attributes.get("val"))
            if word is not None:
                self.words[named.name] = word

    def _made_from(self, operation: Operation) -> dict[str, Operand]:
        """What a constant is made from, by parameter; of a parameter with several values the first."""
        found = {}
        for key, argument in operation.inputs.items():
            item = argument[0]
            held = self.constants[item] if isinstance(item, str) else read_tensor(item.type)
            dtype = dtype_named(held.dtype) if held.dtype != "none" else None
            found[key] = Operand(held.shape, dtype, held.stored_as or held.dtype)
        return found

    def _known(self, name: str) -> Tensor:
        found = self.constants.get(name) or self.tensors.get(name)
        if found is None:
            raise EvaluationError(f"value {name!r} is read but nothing before it writes it")
        return found

    def _size(self, name: str) -> int:
        return self._known(name).size_bytes

    def _operands(self, operation: Operation) -> Operands:
        shapes: dict[str, tuple[tuple[int, ...], ...]] = {}
        words: dict[str, str | bool] = {}
        for key, argument in operation.inputs.items():
            shapes[key] = tuple(
                self._known(item).shape if isinstance(item, str) else read_tensor(item.type).shape for item in argument
            )
            item = argument[0]
            word = self.words.get(item) if isinstance(item, str) else _word(item)
            if word is not None:
                words[key] = word
        return Operands(shapes, words, tuple(self.sizes.tensor(named).shape for named in operation.outputs))


def _word(value: Value | None) -> str | bool | None:
    """The constant where it is a single text or truth value."""
    if value is None or not isinstance(value.data, np.ndarray) or value.data.size != 1:
        return None
    item = value.data.reshape(-1)[0]
    if isinstance(item, bytes):
        return item.decode("utf-8", errors="replace")
    if isinstance(item, (str, bool, np.bool_)):
        return item if isinstance(item, str) else bool(item)
    return None
