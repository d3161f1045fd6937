"""Indexing by what is known: masks and counts as lists of places.

Replaces: `aten.index` with a constant mask, `repeat_interleave` with constant counts, or with the length of its result.
Why: how large the result is depends on the values, which neither converter looks at.
Given: such an op. Result: the places that the mask or the counts name, as constants; where only the length is known,
    the place of each result is how many of the running sums of the counts it has passed.
Equal because: it is the definition; no number is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import known_value
from packager.rewrites.torch.constant_folding import COPIES, op_name

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "indexing"


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    return {aten.index.Tensor: _index, aten.repeat_interleave.self_Tensor: _repeat}


def wanted(node: Node) -> bool:
    """Whether a mask or counts are a constant of the program."""
    import torch

    if node.kwargs.get("output_size") is not None:
        return True
    indices: Any = node.args[1] if isinstance(node.args[1], list | tuple) else [node.args[1]]
    kinds = (torch.bool, torch.uint8) if "index" in str(node.target) else (torch.int64, torch.int32)
    return any(_is_constant(index) and index.meta["val"].dtype in kinds for index in indices)


def _is_constant(index: Any) -> bool:
    while getattr(index, "op", "") == "call_function" and op_name(index) in COPIES:
        index = index.args[0]
    return getattr(index, "op", "") == "placeholder"


def _index(x: Tensor, indices: Sequence[Any]) -> Any:
    import torch

    places: list[Any] = []
    for index in indices:
        if index is None or index.dtype not in (torch.bool, torch.uint8):
            places.append(index)
            continue
        mask = known_value(index)
        if mask is None:
            return NotImplemented
        places.extend(torch.from_numpy(axis) for axis in mask.astype(bool).nonzero())
    given = [(axis, place) for axis, place in enumerate(places) if place is not None]
    if len(given) == 1 and given[0][1].ndim == 1:
        return x.index_select(*given[0])
    return torch.ops.aten.index.Tensor(x, places)


def _repeat(x: Tensor, repeats: Tensor, dim: int | None = None, *, output_size: int | None = None) -> Any:
    import numpy as np
    import torch

    counts = known_value(repeats)
    if dim is None:
        x, dim = x.reshape(-1), 0
    if counts is None:
        if output_size is None or repeats.ndim != 1:
            return NotImplemented
        passed = repeats.cumsum(0)[None] <= torch.arange(output_size, dtype=repeats.dtype)[:, None]
        last = torch.tensor(x.shape[dim] - 1)
        return x.index_select(dim, torch.minimum(passed.to(torch.int64).sum(1), last))
    places = np.repeat(np.arange(x.shape[dim]), counts)
    assert output_size is None or len(places) == output_size
    return x.index_select(dim, torch.from_numpy(places))
