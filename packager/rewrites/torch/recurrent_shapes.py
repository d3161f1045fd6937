"""What a stack of recurrent layers gives, told at once, so that the export of a model takes no time for each frame.

torch.export keeps `aten.lstm.input` and its like whole, but finds the shape of what they give by running the stack on
tensors without values, frame by frame, in Python: 25 s for a two-layer bidirectional LSTM over 1024 frames.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.recurrent_ops import KINDS

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def describe_stacks() -> Iterator[None]:
    """While inside, recurrent ops on tensors without values say shapes only; on others they compute as ever."""
    import torch

    ops: list[Any] = [getattr(torch.ops.aten, kind).input for kind in KINDS]
    kernels = [dict(op.py_kernels) for op in ops]
    for op, own in zip(ops, kernels, strict=True):
        _set_kernels(op, {key: _described(kernel) for key, kernel in own.items()})
    try:
        yield
    finally:
        for op, own in zip(ops, kernels, strict=True):
            _set_kernels(op, own)


def _set_kernels(op: Any, kernels: dict[Any, Callable[..., Any]]) -> None:
    op.py_kernels.update(kernels)
    op._dispatch_cache.clear()


def _described(compute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(compute)
    def describe(x: Tensor, states: Any, *rest: Any) -> Any:
        from torch._subclasses.fake_tensor import FakeTensor

        if not isinstance(x, FakeTensor):
            return compute(x, states, *rest)
        *_, bidirectional, batch_first = rest
        given: Sequence[Tensor] = list(states) if isinstance(states, list | tuple) else [states]
        return _describe(x, given, bidirectional=bidirectional, batch_first=batch_first)

    return describe


def _describe(x: Tensor, states: Sequence[Tensor], *, bidirectional: bool, batch_first: bool) -> tuple[Tensor, ...]:
    """Laid out in memory as torch does: batch-first outputs are the others, transposed."""
    frames = x.transpose(0, 1) if batch_first else x
    channels = states[0].shape[2] * (2 if bidirectional else 1)
    y = x.new_empty(frames.shape[0], frames.shape[1], channels)
    return (y.transpose(0, 1) if batch_first else y), *(state.new_empty(state.shape) for state in states)
