"""Convolutions as torch.jit.trace records them.

Replaces: `_convolution`, which stands in TorchScript that was traced, in place of `conv1d` and the like.
Why: litert-torch 0.10 has no lowering for it.
Given: a convolution with flags for cuDNN at its end. Result: `convolution`, without the flags.
Equal because: that is what torch makes of it, and the flags choose between kernels of a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

NAME = "traced_convolution"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {aten._convolution.default: _convolve, aten._convolution.deprecated: _convolve}


def _convolve(*arguments: Any) -> Any:
    """Input, weight, bias, stride, padding, dilation, transposed, output padding, groups; then flags."""
    import torch

    return torch.convolution(*arguments[:9])
