"""Pooling by sizes, steps and divisors that converters do not know.

Replaces: adaptive maximum pooling, maximum pooling with dilation, average pooling with a divisor of its own,
    maximum pooling to values and places, and pooling of what has no batch.
Why: litert-torch 0.10 has no adaptive maximum pooling and gets places wrong; coremltools 9.0 has no dilation, no
    divisor, no places, and counts axes wrong where there is no batch.
Given: such an op. Result: maxima over slices, one for each output of an axis; over shifted, strided slices for
    dilation and places; average pooling with the divisor multiplied out.
Equal because: a maximum over a rectangle is the maximum over one axis of the maxima over the other, and rounds nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import named, of_node

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "pooling"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    pools = (aten.max_pool1d.default, aten.max_pool2d.default)
    with_places = (aten.max_pool1d_with_indices.default, aten.max_pool2d_with_indices.default)
    return {
        aten.adaptive_max_pool1d.default: lambda x, size: _adaptive(x, size, 1),
        aten.adaptive_max_pool2d.default: lambda x, size: _adaptive(x, size, 2),
        **{op: _batched(op, axes, named(op, _values)) for op, axes in zip(pools, (1, 2), strict=True)},
        **{op: named(op, _maximum) for op in with_places},
        aten.avg_pool1d.default: _batched(aten.avg_pool1d.default, 1, lambda *_: NotImplemented),
        aten.avg_pool2d.default: _batched(aten.avg_pool2d.default, 2, named(aten.avg_pool2d.default, _average)),
    }


def wanted(node: Node) -> bool:
    """Whether a converter lacks it. Adaptive pooling whose places are used is left as it is: nothing has those."""
    name = str(node.target)
    call: Any = of_node(node)
    if "adaptive" in name:
        return not any(user.args[1] == 1 and user.users for user in node.users)
    axes = 1 if "1d" in name else 2
    if call.self.meta["val"].ndim == axes + 1:
        return True
    if "avg" in name:
        return getattr(call, "divisor_override", None) is not None
    dilated = any(step != 1 for step in _each_axis(call.dilation, axes))
    return dilated or ("indices" in name and any(user.args[1] == 1 and user.users for user in node.users))


def _each_axis(value: Any, axes: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * axes if len(values) == 1 else values


def _batched(op: Any, axes: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """Give what has no batch a batch of one."""

    def run(x: Tensor, *arguments: Any, **keywords: Any) -> Any:
        if x.ndim == axes + 1:
            return op(x[None], *arguments, **keywords)[0]
        return call(x, *arguments, **keywords)

    return run


def _adaptive(x: Tensor, size: Any, axes: int) -> tuple[Tensor, None]:
    import torch

    for axis, count in enumerate(_each_axis(size, axes), start=x.ndim - axes):
        length = x.shape[axis]
        bounds = [(index * length // count, -(-(index + 1) * length // count)) for index in range(count)]
        parts = [x.narrow(axis, start, end - start).amax(axis, keepdim=True) for start, end in bounds]
        x = torch.cat(parts, axis) if count > 1 else parts[0]
    return x, None


def _average(call: Any) -> Any:
    import torch

    if call.ceil_mode:
        return NotImplemented
    kernel = _each_axis(call.kernel_size, 2)
    # Padding counts, so that every window is divided by its size, which is known.
    pooled = torch.nn.functional.avg_pool2d(
        call.self, kernel, call.stride or kernel, call.padding, call.ceil_mode, count_include_pad=True
    )
    return pooled * (kernel[0] * kernel[1] / call.divisor_override)


def _values(call: Any) -> Any:
    found = _maximum(call)
    return found if found is NotImplemented else found[0]


def _maximum(call: Any) -> Any:
    """Values and flat places, which are what torch counts: rows first, over the plane without padding."""
    import torch

    x = call.self
    name_axes = len(call.kernel_size) if isinstance(call.kernel_size, Sequence) else 1
    axes = max(name_axes, 1) if x.ndim < 4 else 2
    kernel, dilation, padding = (_each_axis(v, axes) for v in (call.kernel_size, call.dilation, call.padding))
    stride = _each_axis(call.stride or kernel, axes)
    if call.ceil_mode:
        return NotImplemented
    sizes = x.shape[x.ndim - axes :]
    if any(padding):
        around = [count for pad in reversed(padding) for count in (pad, pad)]
        x = torch.nn.functional.pad(x, around, value=torch.finfo(x.dtype).min)
    counts = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(sizes, padding, dilation, kernel, stride, strict=True)
    ]
    values: Any = None
    places: Any = None
    starts = [torch.arange(count) * step - pad for count, step, pad in zip(counts, stride, padding, strict=True)]
    for offsets in itertools.product(*(range(k) for k in kernel)):
        part, place = x, torch.zeros((), dtype=torch.int64)
        for axis, offset in enumerate(offsets):
            shift, at = offset * dilation[axis], x.ndim - axes + axis
            index = slice(shift, shift + (counts[axis] - 1) * stride[axis] + 1, stride[axis])
            part = part[(slice(None),) * at + (index,)]
            shape = (-1, *[1] * (axes - 1 - axis))
            place = place * sizes[axis] + (starts[axis] + shift).reshape(shape)
        if values is None:
            values, places = part, place.expand(part.shape)
            continue
        places = torch.where(part > values, place, places)
        values = torch.maximum(values, part)
    return values, places
