"""Transposed convolutions that neither pad their output nor spread their kernel, nor go group by group.

Replaces: `aten.conv_transpose1d`, `2d` and `3d` with output padding, dilation, groups, or a padding that is not the one
    of the same name in TFLite.
Why: litert-torch 0.10 ignores output padding without a word (errors as large as the signal), refuses dilation, and
    writes one op for every group, 525 for 256 channels; coremltools 9.0 fails where output padding meets no bias or
    groups.
Given: such an op. Result: the transposed convolution without padding, of which the wanted part is cut out; a dilated
    kernel has its zeros written out; with a stride of 1, an ordinary convolution with the kernel turned round. With
    groups and a stride, that convolution gives as many channels as there are samples to a step, each by every so many
    taps of the kernel, and they are laid side by side.
Equal because: padding of a transposed convolution is cutting its full result, by definition; what output padding adds
    is more of the full result, and only bias behind its end. The products are the same, and so are their sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import named

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "transposed_convolution"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    ops = (aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input)
    return {op: named(op, _transposed) for op in ops}


def wanted(node: Node) -> bool:
    """Whether some format's converter gets it wrong."""
    from packager.rewrites.torch.arguments import of_node

    call: Any = of_node(node)
    weight = call.weight.meta["val"]
    axes = weight.ndim - 2
    if call.input.meta["val"].ndim != weight.ndim:
        return True
    stride, padding, more, dilation = (_each_axis(v, axes) for v in _geometry(call))
    plain = not any(padding)
    same = all(2 * p == k - s for p, k, s in zip(padding, weight.shape[2:], stride, strict=True))
    return call.groups > 1 or any(more) or any(d > 1 for d in dilation) or not (plain or same)


def _geometry(call: Any) -> tuple[Any, Any, Any, Any]:
    return call.stride, call.padding, call.output_padding, call.dilation


def _each_axis(value: int | Sequence[int], axes: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * axes if len(values) == 1 else values


def _transposed(call: Any) -> Tensor:
    import torch

    x, weight = call.input, call.weight
    axes = weight.ndim - 2
    if x.ndim == weight.ndim - 1:
        call.input = x[None]
        return _transposed(call)[0]
    stride, padding, more, dilation = (_each_axis(v, axes) for v in _geometry(call))
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    sizes = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], stride, spans, strict=True)]
    wanted_sizes = [n - 2 * p + m for n, p, m in zip(sizes, padding, more, strict=True)]
    missing = [max(0, p + w - n) for n, p, w in zip(sizes, padding, wanted_sizes, strict=True)]
    bias = call.bias if not any(missing) else None
    if all(s == 1 for s in stride):
        full = _turned(x, weight, bias, dilation, call.groups)
    elif call.groups > 1:
        full = _interleaved(x, _spread(weight, dilation), bias, stride, call.groups)
    else:
        op = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[axes - 1]
        full = op(x, _spread(weight, dilation), bias, stride, groups=call.groups)
    for axis, (before, size, lack) in enumerate(zip(padding, wanted_sizes, missing, strict=True)):
        full = full.narrow(axis + 2, before, size - lack)
    if any(missing):
        full = torch.nn.functional.pad(full, [n for lack in reversed(missing) for n in (0, lack)])
        full = full if call.bias is None else full + call.bias.reshape(-1, *[1] * axes)
    return full


def _turned(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: Sequence[int], groups: int) -> Tensor:
    """A transposed convolution with stride 1 and no padding as an ordinary one."""
    import torch

    axes = weight.ndim - 2
    inputs, outputs = weight.shape[0] // groups, weight.shape[1]
    turned = weight.flip(*range(2, weight.ndim)).reshape(groups, inputs, outputs, *weight.shape[2:])
    turned = turned.transpose(1, 2).reshape(groups * outputs, inputs, *weight.shape[2:])
    around = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    op: Callable[..., Tensor] = (torch.conv1d, torch.conv2d, torch.conv3d)[axes - 1]
    return op(x, turned, bias, 1, around, list(dilation), groups)


def _interleaved(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], groups: int) -> Tensor:
    """A transposed convolution without padding as one with a stride of 1, whose channels are samples of a step.

    Sample q * s + p of the result is the sum over t of x[q - t] * weight[p + s * t].
    """
    import torch

    axes, steps = weight.ndim - 2, [n for n in stride if n > 1]
    taps = [-(-size // step) for size, step in zip(weight.shape[2:], stride, strict=True)]
    lack = [t * step - size for t, step, size in zip(taps, stride, weight.shape[2:], strict=True)]
    padded = torch.nn.functional.pad(weight, [n for after in reversed(lack) for n in (0, after)])
    apart = padded.reshape(*weight.shape[:2], *[n for pair in zip(taps, stride, strict=True) for n in pair])
    order = [0, 1, *(3 + 2 * axis for axis in range(axes)), *(2 + 2 * axis for axis in range(axes))]
    phases = apart.permute(order).reshape(weight.shape[0], -1, *taps)
    count = phases.shape[1] // weight.shape[1]
    spread = None if bias is None else torch.stack([bias] * count, -1).reshape(-1)
    found = _turned(x, phases, spread, [1] * axes, groups)
    lengths = found.shape[2:]
    found = found.reshape(found.shape[0], -1, *steps, *lengths)
    places = iter(range(2, 2 + len(steps)))
    laid = [0, 1]
    for axis, step in enumerate(stride):
        laid += [2 + len(steps) + axis, *([next(places)] if step > 1 else [])]
    return found.permute(laid).reshape(*found.shape[:2], *[n * s for n, s in zip(lengths, stride, strict=True)])


def _spread(weight: Tensor, dilation: Sequence[int]) -> Tensor:
    """Write out the zeros between the taps of a dilated kernel."""
    import torch

    for axis, step in enumerate(dilation, start=2):
        if step > 1:
            size = weight.shape[axis]
            spaced = torch.stack([weight, *[torch.zeros_like(weight)] * (step - 1)], axis + 1)
            weight = spaced.flatten(axis, axis + 1).narrow(axis, 0, step * (size - 1) + 1)
    return weight
