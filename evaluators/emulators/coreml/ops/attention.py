"""Attention. Source: iOS18/transformers.py."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op


@op("scaled_dot_product_attention", since=18)
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """`softmax(query · keyᵀ / √E + attn_mask) · value` (iOS18); in a mask of truth values, false stands for -∞."""
    if attn_mask is None:
        return F.scaled_dot_product_attention(query, key, value)
    mask = attn_mask if attn_mask.ndim > 1 else attn_mask[None]
    result = F.scaled_dot_product_attention(query, key, value, mask)
    # torch answers 0 where nothing takes part; the documented softmax of nothing but -∞ is not a number.
    nothing = ~mask.any(-1, keepdim=True) if mask.dtype == torch.bool else mask.amax(-1, keepdim=True) == -math.inf
    return torch.where(nothing, math.nan, result)
