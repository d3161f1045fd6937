"""How much convolutions and pools pad: TensorFlow's rule. Source: `aggregated_pad`, coremltools ops/defs/_utils.py."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.sizes import check_size
from evaluators.errors import EvaluationError

Pads = tuple[tuple[int, int], ...]
"""before and after, a spatial dimension each"""


def spatial_pads(
    pad_type: str,
    sizes: Sequence[int],
    *,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pad: Sequence[int] | None,
) -> Pads:
    """The padding of each spatial dimension.

    `same` makes the output `ceil(size / stride)` long; an odd element goes after the data, with `same_lower` before.

    Args:
        pad_type: valid, custom, same or same_lower.
        sizes: Spatial sizes of the input; only `same` and `same_lower` look at them.
        kernel: Spatial sizes of the kernel.
        strides: One a dimension.
        dilations: One a dimension.
        pad: Before and after each dimension in turn, by default 0; only `custom` looks at it.

    Raises:
        EvaluationError: The pad type is unknown, or `custom` with a `pad` that does not fit.
    """
    if pad_type == "valid":
        return tuple((0, 0) for _ in kernel)
    if pad_type == "custom":
        pad = [0, 0] * len(kernel) if pad is None else pad
        if len(pad) != 2 * len(kernel):
            raise EvaluationError(f"custom padding needs {2 * len(kernel)} numbers, found {pad}")
        return tuple(zip(pad[::2], pad[1::2], strict=True))
    if pad_type not in ("same", "same_lower"):
        raise EvaluationError(f"pad_type is {pad_type!r}; expected valid, custom, same or same_lower")
    totals = (
        max(0, (-(-size // stride) - 1) * stride + (width - 1) * dilation + 1 - size)
        for size, width, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    )
    pairs = ((total // 2, total - total // 2) for total in totals)
    return tuple(pairs if pad_type == "same" else (pair[::-1] for pair in pairs))


def depends_on_size(pad_type: str) -> bool:
    """Whether the padding can only be told when the input's size is known."""
    return pad_type in ("same", "same_lower")


def padded(x: Tensor, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """`x` with its last dimensions padded with a value; negative amounts cut off.

    Raises:
        EvaluationError: The result would be too large.
    """
    first = x.ndim - len(pads)
    check_size((*x.shape[:first], *(size + sum(pair) for size, pair in zip(x.shape[first:], pads, strict=True))))
    return F.pad(x, [amount for pair in reversed(pads) for amount in pair], value=value)
