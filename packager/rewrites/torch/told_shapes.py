"""What slow ops give, told at once, so that the export of a model takes no time for each frame or sample.

torch.export keeps `aten.lstm.input` and its like whole, but finds the shape of what they give by running the stack on
tensors without values, frame by frame, in Python: 25 s for a two-layer bidirectional LSTM over 1024 frames.
`aten.istft` it runs sample by sample of a frame: 35 s for frames of 4096.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import named
from packager.rewrites.torch.recurrent_ops import KINDS

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def tell_shapes() -> Iterator[None]:
    """While inside, these ops say shapes only of tensors without values; others are computed as ever."""
    import torch
    from torch._subclasses.fake_impls import op_implementations_dict

    ops: list[Any] = [getattr(torch.ops.aten, kind).input for kind in KINDS]
    kernels = [dict(op.py_kernels) for op in ops]
    for op, own in zip(ops, kernels, strict=True):
        _set_kernels(op, {key: _described(kernel) for key, kernel in own.items()})
    inverse = torch.ops.aten.istft.default
    outer = op_implementations_dict.get(inverse)  # inside of itself, it stays
    op_implementations_dict[inverse] = _describe_signal
    try:
        yield
    finally:
        for op, own in zip(ops, kernels, strict=True):
            _set_kernels(op, own)
        op_implementations_dict.pop(inverse, None)  # torch may have taken it out by itself
        if outer is not None:
            op_implementations_dict[inverse] = outer


def _set_kernels(op: Any, kernels: dict[Any, Callable[..., Any]]) -> None:
    op.py_kernels.update(kernels)
    op._dispatch_cache.clear()


def _described(compute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(compute)
    def run(x: Tensor, *rest: Any) -> Any:
        from torch._subclasses.fake_tensor import FakeTensor

        return _describe(x, *rest) if isinstance(x, FakeTensor) else compute(x, *rest)

    return run


def _describe(x: Tensor, states: Tensor | Sequence[Tensor], *rest: Any) -> tuple[Tensor, ...]:
    """Laid out in memory as torch does: batch-first outputs are the others, transposed."""
    *_, bidirectional, batch_first = rest
    given: Sequence[Any] = list(states) if isinstance(states, list | tuple) else [states]
    frames = x.transpose(0, 1) if batch_first else x
    channels = given[0].shape[2] * (2 if bidirectional else 1)
    y = x.new_empty(frames.shape[0], frames.shape[1], channels)
    return (y.transpose(0, 1) if batch_first else y), *(state.new_empty(state.shape) for state in given)


def _describe_signal(_mode: Any, op: Any, *args: Any, **kwargs: Any) -> Tensor:
    """Of an inverse short-time Fourier transform, as torch cuts it."""
    return named(op, _signal)(*args, **kwargs)  # type: ignore[no-any-return]


def _signal(call: Any) -> Tensor:
    import torch

    spectrum = call.self
    hop = call.n_fft // 4 if call.hop_length is None else call.hop_length
    length = call.n_fft + hop * (spectrum.shape[-1] - 1) - (call.n_fft // 2 * 2 if call.center else 0)
    dtype = spectrum.dtype if call.return_complex else torch.view_as_real(spectrum).dtype
    return spectrum.new_empty((*spectrum.shape[:-2], call.length or length), dtype=dtype)  # type: ignore[no-any-return]
