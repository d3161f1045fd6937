"""Attention. Source: iOS18/transformers.py."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import broadcast_shape, check_size
from evaluators.errors import EvaluationError


@op("scaled_dot_product_attention", since=18)
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """`softmax(query · keyᵀ / √E + attn_mask) · value` (iOS18); in a mask of truth values, false stands for -∞."""
    _check_heads(query, key, value)
    if attn_mask is None:
        return F.scaled_dot_product_attention(query, key, value)
    mask = attn_mask if attn_mask.ndim > 1 else attn_mask[None]
    check_size(broadcast_shape(mask.shape, (*query.shape[:-1], key.shape[-2])))
    result = F.scaled_dot_product_attention(query, key, value, mask)
    # torch answers 0 where nothing takes part; the documented softmax of nothing but -∞ is not a number.
    nothing = ~mask.any(-1, keepdim=True) if mask.dtype == torch.bool else mask.amax(-1, keepdim=True) == -math.inf
    return torch.where(nothing, math.nan, result)


def _check_heads(query: Tensor, key: Tensor, value: Tensor) -> None:
    rank = query.ndim
    fits = (
        rank >= 3
        and key.ndim == value.ndim == rank
        and key.shape[-2] == value.shape[-2]
        and key.shape[-1] == query.shape[-1]
    )
    if not fits:
        shapes = ", ".join(str(list(x.shape)) for x in (query, key, value))
        raise EvaluationError(
            f"scaled_dot_product_attention has query, key and value of shapes {shapes}; expected [*batch, target,"
            " width], [*batch, source, width], [*batch, source, any]"
        )
    whole = broadcast_shape(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    check_size((*whole, query.shape[-2], max(key.shape[-2], value.shape[-1])))
