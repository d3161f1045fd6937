"""Instance normalisation by running statistics.

Replaces: `aten.instance_norm` where the module tracks statistics and is in evaluation mode.
Why: coremltools 9.0 normalises by the input's own statistics all the same, without a word.
Given: such an op. Result: batch normalisation by the running mean and variance.
Equal because: by its definition it normalises each channel by numbers that do not depend on the instance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import named, of_node

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "normalisation"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    op = torch.ops.aten.instance_norm.default
    return {op: named(op, _by_running_statistics)}


def wanted(node: Node) -> bool:
    """Whether the input's own statistics are not to be used."""
    return not of_node(node).use_input_stats


def _by_running_statistics(call: Any) -> Tensor:
    import torch

    return torch.nn.functional.batch_norm(
        call.input, call.running_mean, call.running_var, call.weight, call.bias, training=False, eps=call.eps
    )
