"""What the quantizer's rules are made of: a TFLite model's ops, by the names that the quantizer gives them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

_LARGEST_FRONT_SHARE = 0.9
"""of the multiply-accumulates: what is more is no front end, but a model that ends in such an op. A spectrogram made of
matrix products is often the larger part of a small model."""

_KERNEL_INPUTS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "CONV_2D_TRANSPOSE": 1}
"""kind → where its weights stand among its inputs"""

WEIGHTED = frozenset({*_KERNEL_INPUTS, "BATCH_MATMUL"})
"""kinds of ops that multiply and accumulate"""


class QuantizedGraph:
    """A model as the AI Edge Quantizer reads it.

    Attributes:
        kinds: The kinds of ops there are that the quantizer knows, sorted.
    """

    def __init__(self, model: bytes) -> None:
        from ai_edge_litert.schema_py_generated import BuiltinOperator
        from ai_edge_quantizer.utils import tfl_flatbuffer_utils

        read = tfl_flatbuffer_utils.read_model(model)
        names = tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME
        codes = [entry.builtinCode for entry in read.operatorCodes]
        self._kind = {index: str(names[code].value) for index, code in enumerate(codes) if code in names}
        self._scope: Callable[..., str] = tfl_flatbuffer_utils.get_op_scope
        self._main, *self._nested = read.subgraphs
        self._buffers = read.buffers
        self._openers = {
            index for index, code in enumerate(codes) if code in (BuiltinOperator.LOG, BuiltinOperator.POW)
        }
        used = {op.opcodeIndex for graph in read.subgraphs for op in graph.operators}
        self.kinds = sorted({kind for index, kind in self._kind.items() if index in used})

    def left_scopes(self) -> Iterator[str]:
        """How the quantizer calls the products of matrices whose left operand is constant, as of a mel filter bank.

        LiteRT 2.3 takes integer weights on the right alone, and the quantizer does not ask on which side they are.
        """
        for graph in (self._main, *self._nested):
            for op in graph.operators:
                if self._kind.get(op.opcodeIndex) == "BATCH_MATMUL" and self._is_constant(graph.tensors[op.inputs[0]]):
                    yield self._scope(op, graph.tensors)

    def _is_constant(self, tensor: Any) -> bool:
        data = self._buffers[tensor.buffer].data
        return data is not None and len(data) > 0

    def loop_scopes(self) -> Iterator[str]:
        """How the quantizer calls the ops of loops and branches: all subgraphs but the first."""
        for graph in self._nested:
            yield from (self._scope(op, graph.tensors) for op in graph.operators)

    def front_scopes(self) -> Iterator[str]:
        """How the quantizer calls the ops that lead to a logarithm or a power, where a model comes after these."""
        graph = self._main
        maker = {tensor: op for op in graph.operators for tensor in op.outputs}
        front: dict[int, Any] = {}
        waiting = [op for op in graph.operators if op.opcodeIndex in self._openers]
        while waiting:
            op = waiting.pop()
            if id(op) not in front:
                front[id(op)] = op
                waiting += [maker[tensor] for tensor in op.inputs if tensor in maker]
        macs = sum(map(self._macs, front.values()))
        if macs <= _LARGEST_FRONT_SHARE * sum(map(self._macs, graph.operators)):
            yield from (self._scope(op, graph.tensors) for op in front.values())

    def _macs(self, op: Any) -> int:
        """Multiply-accumulates, near enough to compare parts of a model."""
        kind = self._kind.get(op.opcodeIndex, "")
        given = math.prod(self._shape(op.outputs[0]))
        if kind == "BATCH_MATMUL":
            return given * self._shape(op.inputs[0])[-1]
        if kind not in _KERNEL_INPUTS:
            return 0
        weights = self._shape(op.inputs[_KERNEL_INPUTS[kind]])
        return given * math.prod(weights) // weights[-1 if kind == "DEPTHWISE_CONV_2D" else 0]

    def _shape(self, tensor: int) -> list[int]:
        return [int(size) for size in self._main.tensors[tensor].shape]
