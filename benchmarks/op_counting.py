"""Counts what a torch module does in one call, op by op, as a phone's runtime would run it, on the `meta` device.

Batch normalisation and ReLU are folded into the convolution before them, reshapes are free, and what depends on no
input is a constant, as in a converted file. A transposition, a cut or a concatenation moves data and counts as an op;
so does the padding that TFLite cannot express as `SAME`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

VIEWS = {
    "view", "_unsafe_view", "reshape", "_reshape_alias", "expand", "squeeze", "unsqueeze", "alias", "detach", "clone",
    "lift_fresh", "contiguous", "dropout", "lift_fresh_copy",
}  # fmt: skip
TURNS = {"permute", "transpose", "t"}
CUTS = {"slice", "select", "narrow"}
GATHERS = {"index", "gather", "index_select", "embedding", "roll", "flip", "repeat"}
SPLITS = {"split", "split_with_sizes", "chunk", "unbind", "unsafe_split"}
JOINS = {"cat", "stack"}
NORMS = {"_native_batch_norm_legit_no_training", "native_batch_norm", "batch_norm", "cudnn_batch_norm"}
RECTIFIERS = {"relu", "relu_", "hardtanh", "hardtanh_", "clamp", "clamp_", "relu6"}
POOLS = {
    "max_pool2d_with_indices", "max_pool2d", "avg_pool2d", "avg_pool1d", "_adaptive_avg_pool2d", "adaptive_avg_pool2d",
    "mean", "sum", "amax", "max_pool3d_with_indices", "avg_pool3d", "linalg_vector_norm", "var_mean", "var",
}  # fmt: skip
TAKE_ACTIVATION = {"conv", "depthwise", "dense"}
SUMS = {"add", "add_", "sub", "mul", "mul_"}


class Op(NamedTuple):
    """One op. Values are elements, not bytes; `macs` and values are of one of its `runs`."""

    kind: str
    macs: int = 0
    read_values: int = 0
    written_values: int = 0
    weight_values: int = 0
    runs: int = 1


class Explicit(TorchFunctionMode):
    """Attention as the ops that converters make of it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.scaled_dot_product_attention:
            return attention(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """In the order that exporters write: scaled queries, so that the scores are not gone over once more."""
    del dropout_p, enable_gqa
    scores = (query * (scale or query.shape[-1] ** -0.5)) @ key.transpose(-2, -1)
    if is_causal:
        attn_mask = torch.zeros(scores.shape[-2:], device=scores.device)
    return torch.softmax(scores if attn_mask is None else scores + attn_mask, -1) @ value


class OpCounter(TorchDispatchMode):
    """Sees every aten op that runs within it. `tensorflow` pads convolutions as TensorFlow does, without an op."""

    def __init__(self, inputs: Sequence[Tensor], tensorflow: bool = False) -> None:
        super().__init__()
        self.tensorflow = tensorflow
        self.ops: list[Op | None] = []
        self.kept: list[Any] = list(inputs)  # so that no identity is given twice
        self.computed = {id(tensor) for tensor in inputs}
        self.makers: dict[int, int] = {}
        self.adjoint: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self.kept += outputs
        if any(id(operand) in self.computed for operand in operands):
            self.computed |= {id(output) for output in outputs}
            self._count(func.overloadpacket.__name__, args, operands, outputs)
        return result

    def _count(self, name: str, args: Any, operands: list[Tensor], outputs: list[Tensor]) -> None:
        first, out = operands[0], outputs[0]
        if name in RECTIFIERS and self._maker(first) in TAKE_ACTIVATION | {"sum"}:
            return  # what comes next can no longer be folded in
        if self._is_free(name, first, out):
            self._pass_on(first, out)
        elif name in TURNS:
            self._turn(first, out, args, name)
        elif name in CUTS:
            self._cut(first, out)
        elif name == "convolution":
            self._convolve(args, out)
        elif name == "max_pool2d_with_indices":
            self._pool(args, out)
        elif name in ("addmm", "mm", "bmm", "baddbmm", "mv"):
            self._multiply(operands, out)
        else:
            self._add(out, self._other(name, operands, outputs))

    def _is_free(self, name: str, first: Tensor, out: Tensor) -> bool:
        if name == "_to_copy":
            return out.dtype.is_floating_point == first.dtype.is_floating_point
        if name in NORMS:
            return self._maker(first) in TAKE_ACTIVATION
        return name in VIEWS or (name == "constant_pad_nd" and self.tensorflow)

    def _other(self, name: str, operands: list[Tensor], outputs: list[Tensor]) -> Op:
        read = sum(operand.numel() for operand in operands if id(operand) in self.computed)
        written = outputs[0].numel()
        weights = sum(operand.numel() for operand in operands if id(operand) not in self.computed)
        if name in SPLITS:
            return Op("move", 0, read, read)
        if name in JOINS or name == "constant_pad_nd":
            return Op("move", 0, read, written, weights)
        if name in GATHERS:
            return Op("move", 0, written, written)
        if name in POOLS:
            return Op("pool", 0, read, written, weights)
        same = any(operand.shape == outputs[0].shape for operand in operands) or written == math.prod(
            torch.broadcast_shapes(*(operand.shape for operand in operands))
        )
        kind = ("sum" if name in SUMS else "elementwise") if same and "upsample" not in name else "other"
        return Op(kind, 0, read, written, weights)

    def _maker(self, tensor: Tensor) -> str:
        made = self.ops[self.makers[id(tensor)]] if id(tensor) in self.makers else None
        return made.kind if made else ""

    def _add(self, output: Tensor, op: Op) -> None:
        self.makers[id(output)] = len(self.ops)
        self.ops.append(op)

    def _pass_on(self, source: Tensor, output: Tensor) -> None:
        if id(source) in self.makers:
            self.makers[id(output)] = self.makers[id(source)]
        if id(source) in self.adjoint and output.shape[-2:] == source.shape[-2:]:
            self.adjoint.add(id(output))

    def _turn(self, source: Tensor, output: Tensor, args: Any, name: str) -> None:
        rank = source.dim()
        order = list(range(rank))
        if name == "permute":
            order = [axis % rank for axis in args[1]]
        elif rank > 1:
            one, other = (0, 1) if name == "t" else (args[1] % rank, args[2] % rank)
            order[one], order[other] = order[other], order[one]
        long = [axis for axis in order if source.shape[axis] > 1]
        if long == sorted(long):
            return self._pass_on(source, output)
        self._add(output, Op("move", 0, source.numel(), source.numel()))
        if order[:-2] == list(range(rank - 2)):
            self.adjoint.add(id(output))
        return None

    def _cut(self, source: Tensor, output: Tensor) -> None:
        if output.numel() == source.numel():
            self._pass_on(source, output)
        else:
            self._add(output, Op("move", 0, output.numel(), output.numel()))

    def _convolve(self, args: Any, out: Tensor) -> None:
        source, weight, bias, stride, padding, dilation, transposed, _, groups = args
        padded = [] if transposed else self._padded(source, weight.shape[2:], out, stride, padding, dilation)
        read = math.prod(padded or source.shape)
        if padded:
            self.ops.append(Op("move", 0, source.numel(), read))
        macs = (source.numel() if transposed else out.numel()) * weight.numel() // weight.shape[0]
        weights = weight.numel() + (0 if bias is None else bias.numel())
        kind = "depthwise" if groups > 1 and groups == source.shape[1] else "conv"
        self._add(out, Op(kind, macs, read, out.numel(), weights))

    def _pool(self, args: Any, out: Tensor) -> None:
        source, kernel, stride, *rest = args
        padding, dilation = (*rest, (0, 0), (1, 1))[:2] if len(rest) < 2 else rest[:2]
        padded = self._padded(source, kernel, out, stride, padding, dilation)
        if padded:
            self.ops.append(Op("move", 0, source.numel(), math.prod(padded)))
        self._add(out, Op("pool", 0, math.prod(padded or source.shape), out.numel()))

    def _padded(self, source: Tensor, kernel: Any, out: Tensor, stride: Any, padding: Any, dilation: Any) -> list[int]:
        """The shape that a padding op makes first, none where TFLite's `SAME` or `VALID` does."""
        if self.tensorflow:
            return []
        sizes = list(source.shape[2:])
        spread = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
        before = [
            max((given - 1) * step + wide - size, 0) // 2
            for given, step, wide, size in zip(out.shape[2:], stride, spread, sizes, strict=True)
        ]
        same = before == list(padding) and list(out.shape[2:]) == [
            -(-size // step) for size, step in zip(sizes, stride, strict=True)
        ]
        if same or not any(padding):
            return []
        return [*source.shape[:2], *(size + 2 * pad for size, pad in zip(sizes, padding, strict=True))]

    def _multiply(self, operands: list[Tensor], out: Tensor) -> None:
        left, right = operands[-2:]
        for operand in (left, right):
            if id(operand) in self.adjoint:  # BATCH_MATMUL reads either operand transposed
                self.ops[self.makers[id(operand)]] = None
                self.adjoint.discard(id(operand))
        macs = out.numel() * left.shape[-1]
        constant = [operand.numel() for operand in operands if id(operand) not in self.computed]
        read = sum(operand.numel() for operand in operands if id(operand) in self.computed)
        dense = not {id(left), id(right)} <= self.computed
        self._add(out, Op("dense" if dense else "matmul", macs, read, out.numel(), sum(constant)))


def count(model: nn.Module, inputs: Sequence[Tensor], tensorflow: bool = False) -> dict[Op, int]:
    """Each different op that the module runs for the inputs, and how often, in the order of their first appearance."""
    counter = OpCounter(inputs, tensorflow)
    with torch.no_grad(), counter, Explicit():
        model(*inputs)
    found = (op for op in counter.ops if op)
    return dict(Counter(op._replace(kind="elementwise") if op.kind == "sum" else op for op in found))
