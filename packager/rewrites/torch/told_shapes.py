"""What slow ops give, told at once, so that the export of a model takes no time for each frame or sample.

torch.export keeps `aten.lstm.input` and its like whole, but finds the shape of what they give by running the stack on
tensors without values, frame by frame, in Python: 25 s for a two-layer bidirectional LSTM over 1024 frames.
`aten.istft` adds its frames up by `aten.unfold_backward`, sample by sample of a frame: 35 s for frames of 4096.
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
def tell_shapes() -> Iterator[None]:
    """While inside, these ops say shapes only of tensors without values; others are computed as ever."""
    import torch

    told: dict[Any, Callable[..., Any]] = {getattr(torch.ops.aten, kind).input: _describe for kind in KINDS}
    told[torch.ops.aten.unfold_backward.default] = _describe_sum
    kernels = {op: dict(op.py_kernels) for op in told}
    for op, own in kernels.items():
        _set_kernels(op, {key: _described(kernel, told[op]) for key, kernel in own.items()})
    try:
        yield
    finally:
        for op, own in kernels.items():
            _set_kernels(op, own)


def _set_kernels(op: Any, kernels: dict[Any, Callable[..., Any]]) -> None:
    op.py_kernels.update(kernels)
    op._dispatch_cache.clear()


def _described(compute: Callable[..., Any], describe: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(compute)
    def run(x: Tensor, *rest: Any) -> Any:
        from torch._subclasses.fake_tensor import FakeTensor

        return describe(x, *rest) if isinstance(x, FakeTensor) else compute(x, *rest)

    return run


def _describe(x: Tensor, states: Tensor | Sequence[Tensor], *rest: Any) -> tuple[Tensor, ...]:
    """Laid out in memory as torch does: batch-first outputs are the others, transposed."""
    *_, bidirectional, batch_first = rest
    given: Sequence[Any] = list(states) if isinstance(states, list | tuple) else [states]
    frames = x.transpose(0, 1) if batch_first else x
    channels = given[0].shape[2] * (2 if bidirectional else 1)
    y = x.new_empty(frames.shape[0], frames.shape[1], channels)
    return (y.transpose(0, 1) if batch_first else y), *(state.new_empty(state.shape) for state in given)


def _describe_sum(frames: Tensor, shape: Sequence[int], *_rest: Any) -> Tensor:
    return frames.new_empty(tuple(shape))
