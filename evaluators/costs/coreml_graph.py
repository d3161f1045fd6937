"""Reads the graph of an ML Program (`.mlpackage`), through the emulator's typed program."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from evaluators.costs.coreml_macs import Operands, count_macs
from evaluators.costs.coreml_weights import Operand, describe_constant
from evaluators.costs.graph import Graph, Op, Step, peak_bytes
from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.emulators.coreml.package import open_package
from evaluators.emulators.coreml.program import Block, Function, Operation, Value, ValueType, read_function
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.emulators.coreml.weights import WeightFiles
from evaluators.errors import EvaluationError

_VIEWS = {"reshape", "reshape_like", "squeeze", "expand_dims", "identity"}
"""ops whose output is the input under another shape"""

_PARTIAL = {
    "gather", "gather_along_axis", "gather_nd", "slice_by_index", "slice_by_size", "shape", "split",
}  # fmt: skip
"""ops that read of their source no more than they write"""

_WIDENING = {"cast", "identity", "quantize", "dequantize"}
"""ops that, on constants, run once when the model is compiled on the phone"""


@dataclass(frozen=True)
class _Tensor:
    size_bytes: int
    shape: tuple[int, ...]
    dynamic: bool
    dtype: str
    stored_as: str = ""
    """of a constant: how the file holds it"""


def read_coreml_graph(path: Path) -> Graph:
    """Read an `.mlpackage`'s function `main`; see `read_graph`.

    Raises:
        EvaluationError: The package is damaged or holds no ML Program.
    """
    package = open_package(path)
    model = parse_model(package.specification.read_bytes(), str(path))
    which = model.WhichOneof("Type")
    if which != "mlProgram":
        raise EvaluationError(
            f"{path}: holds {which or 'no model of a known kind'}; right is an ML Program (mlProgram)"
        )
    names = sorted(model.mlProgram.functions)
    name = "main" if "main" in names or not names else names[0]
    weights = WeightFiles(package.specification.parent, package.root)
    function = read_function(model.mlProgram, name, weights=weights, where=str(path))
    return _Walk().graph(function)


@dataclass
class _Walk:
    """State of one pass over a function's ops."""

    tensors: dict[str, _Tensor] = field(default_factory=dict)
    constants: dict[str, _Tensor] = field(default_factory=dict)
    words: dict[str, str | bool] = field(default_factory=dict)
    rounded: set[str] = field(default_factory=set)
    """values that were rounded to 8 bits and widened again"""
    stored_bytes: int = 0
    expanded: dict[str, int] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def graph(self, function: Function) -> Graph:
        for named in function.inputs:
            self.tensors[named.name] = _tensor(named.type)
        self._block(function.block)
        sizes: dict[object, int] = {name: tensor.size_bytes for name, tensor in self.tensors.items()}
        inputs = [named.name for named in function.inputs]
        peak = peak_bytes(self.steps, sizes, inputs=inputs, kept=[*inputs, *function.block.outputs])
        return Graph(
            format="coreml",
            ops=tuple(self.ops),
            weight_bytes=self.stored_bytes,
            expanded_weight_bytes=sum(self.expanded.values()),
            peak_activation_bytes=peak,
        )

    def _block(self, block: Block) -> None:
        for named in block.inputs:
            self.tensors.setdefault(named.name, _tensor(named.type))
        for operation in block.operations:
            self._operation(operation)
            for inner in operation.blocks:
                self._block(inner)

    def _operation(self, operation: Operation) -> None:
        reads = [name for argument in operation.inputs.values() for name in argument if isinstance(name, str)]
        folds = operation.kind.startswith("constexpr_") or operation.kind in _WIDENING
        if operation.kind == "const" or (folds and all(name in self.constants for name in reads)):
            self._constant(operation)
            return
        outputs = {named.name: _tensor(named.type) for named in operation.outputs}
        self.tensors.update(outputs)
        activations = [name for name in reads if name not in self.constants]
        fixed = [name for name in reads if name in self.constants]
        for name in fixed:
            self.expanded[name] = self.constants[name].size_bytes
        weight = max((self.constants[name] for name in fixed), key=lambda each: each.size_bytes, default=None)
        if operation.kind == "dequantize":
            self.rounded.update(outputs)
        view = operation.kind in _VIEWS and len(activations) == 1
        written = sum(tensor.size_bytes for tensor in outputs.values())
        limit = written if operation.kind in _PARTIAL else math.inf
        first = next(iter(outputs.values()), None)
        self.ops.append(
            Op(
                name=next(iter(outputs), operation.name),
                kind=operation.kind,
                macs=count_macs(operation.kind, self._operands(operation)),
                read_bytes=0 if view else int(min(sum(self._size(name) for name in activations), limit)),
                written_bytes=0 if view else written,
                weight_bytes=0 if view else int(min(sum(self._size(name) for name in fixed), limit)),
                dtype=first.dtype if first else "none",
                dynamic=any(t.dynamic for t in outputs.values()) or any(self._known(n).dynamic for n in activations),
                weight_dtype="" if weight is None else weight.dtype,
                stored_as="" if weight is None else weight.stored_as,
                rounds_activations=bool(activations) and self.rounded.issuperset(activations),
            )
        )
        view_of = activations[0] if view else None
        self.steps.append(Step(reads=tuple(activations), writes=tuple(outputs), view_of=view_of))

    def _constant(self, operation: Operation) -> None:
        """Enter an op all of whose inputs are constants as a constant itself; what it takes in the file is counted."""
        held = [item for argument in operation.inputs.values() for item in argument if isinstance(item, Value)]
        if operation.kind == "const":  # of other ops, what stands among the attributes stands among the inputs too
            held += [value for key, value in operation.attributes.items() if key != "name"]
        for value in held:
            if isinstance(value.data, np.ndarray) and value.type.dtype is not None and value.data.dtype != object:
                self.stored_bytes += (value.data.size * value.type.dtype.bits + 7) // 8
        stored_as = "" if operation.kind == "const" else describe_constant(operation.kind, self._made_from(operation))
        for named in operation.outputs:
            made = _tensor(named.type)
            self.constants[named.name] = replace(made, stored_as=stored_as or made.dtype)
            word = _word(operation.attributes.get("val"))
            if word is not None:
                self.words[named.name] = word

    def _made_from(self, operation: Operation) -> dict[str, Operand]:
        """What a constant is made from, by parameter; of a parameter with several values the first."""
        found = {}
        for key, argument in operation.inputs.items():
            item = argument[0]
            held = self.constants[item] if isinstance(item, str) else _tensor(item.type)
            dtype = dtype_named(held.dtype) if held.dtype != "none" else None
            found[key] = Operand(held.shape, dtype, held.stored_as or held.dtype)
        return found

    def _known(self, name: str) -> _Tensor:
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
                self._known(item).shape if isinstance(item, str) else _tensor(item.type).shape for item in argument
            )
            item = argument[0]
            word = self.words.get(item) if isinstance(item, str) else _word(item)
            if word is not None:
                words[key] = word
        return Operands(shapes, words, tuple(_tensor(named.type).shape for named in operation.outputs))


def _tensor(type_: ValueType) -> _Tensor:
    """A tensor's size, open dimensions counted as 1; what is no tensor (lists, dictionaries) counts nothing."""
    if type_.dtype is None or type_.shape is None:
        return _Tensor(0, (), True, "none")
    shape = tuple(1 if size is None else size for size in type_.shape)
    size_bytes = (math.prod(shape) * type_.dtype.bits + 7) // 8
    return _Tensor(size_bytes, shape, None in type_.shape, type_.dtype.name)


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
