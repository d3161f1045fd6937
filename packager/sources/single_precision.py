"""PyTorch models with weights of 16 bits, computed in float32 as phones are given them.

`model.float()` widens the weights, and a `forward` that casts to what the weights were (`.to(torch.bfloat16)`) then
meets weights of another type. Here such casts follow the weights.
"""

from __future__ import annotations

import functools
from typing import Any


def widen(model: Any) -> bool:
    """Let a module compute in float32, in place.

    Args:
        model: Its weights may be of any types.

    Returns:
        Whether it held weights of 16 bits, so that whoever asks for these in `forward` gets float32 too.
    """
    import torch

    halves = frozenset({torch.float16, torch.bfloat16})
    held = any(tensor.dtype in halves for tensor in (*model.parameters(), *model.buffers()))
    model.float()
    if held:
        model.forward = _following(model.forward, halves)
    return held


def _following(forward: Any, halves: frozenset[Any]) -> Any:
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._pytree import tree_map

    def single(value: Any) -> Any:
        return torch.float32 if isinstance(value, torch.dtype) and value in halves else value

    class Single(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            if func in (torch.Tensor.half, torch.Tensor.bfloat16):
                func = torch.Tensor.float
            args, kwargs = tree_map(single, (args, kwargs or {}))
            return func(*args, **kwargs)

    @functools.wraps(forward)
    def follow(*args: Any, **kwargs: Any) -> Any:
        with Single():
            return forward(*args, **kwargs)

    return follow
