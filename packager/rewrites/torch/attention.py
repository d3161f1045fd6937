"""Attention as products, a mask that float16 can hold, and a softmax.

Replaces: `aten._native_multi_head_attention` and `_transformer_encoder_layer_fwd`, which torch uses where no gradient
    is wanted, and `scaled_dot_product_attention` with a mask or with fewer keys' heads than queries'.
Why: neither converter has the first two; of the last, coremltools 9.0 refuses grouped heads and, from exports, masks of
    truth values; the value that masks out should be a number, or a row of nothing but masked scores becomes NaN.
Given: `softmax(q k / sqrt(d) + mask) v`. Result: the same, with -30000 where the mask holds -inf or False.
Equal because: exp(-30000 - m) is 0 in float32 and float16 for every score's maximum m above -29000, as exp(-inf) is.
    Where a mask of truth values leaves a row nothing, the result is multiplied by 0, as torch gives 0 there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from packager.rewrites.torch.arguments import named, of_node

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

NAME = "attention"

MASKED = -30000.0
"""added to a score that does not count; float16 ends at -65504"""


def replacements() -> dict[Any, Callable[..., Any]]:
    """By op."""
    import torch

    aten = torch.ops.aten
    calls = {
        aten.scaled_dot_product_attention.default: _scaled_dot_product,
        aten._native_multi_head_attention.default: _multi_head,
        aten._transformer_encoder_layer_fwd.default: _encoder_layer,
    }
    return {op: named(op, call) for op, call in calls.items()}


def wanted(node: Node) -> bool:
    """Whether there is something about it that a converter stumbles over."""
    if "scaled_dot_product" not in str(node.target):
        return True
    call: Any = of_node(node)
    return call.attn_mask is not None or bool(call.enable_gqa)


def _scaled_dot_product(call: Any) -> Tensor:
    import torch

    query, key, value, mask = call.query, call.key, call.value, call.attn_mask
    if call.enable_gqa:
        query, key, value, mask = _grouped(query, key, value, mask)
    scale = 1 / math.sqrt(query.shape[-1]) if call.scale is None else call.scale
    scores = (query * scale) @ key.transpose(-1, -2)
    if call.is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    result = _weighted(scores, mask, value)
    return result.flatten(-4, -3) if call.enable_gqa else result


def _grouped(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Any, ...]:
    """Put the heads of queries that share keys side by side: (…, groups, heads in a group, frame, size)."""
    groups = key.shape[-3]
    query = _split_axis(query, -3, groups)
    if mask is not None and mask.ndim > 2:
        mask = mask.unsqueeze(-3) if mask.shape[-3] == 1 else _split_axis(mask, -3, groups)
    return query, key.unsqueeze(-3), value.unsqueeze(-3), mask


def _split_axis(x: Tensor, axis: int, count: int) -> Tensor:
    at = axis % x.ndim
    return x.reshape(*x.shape[:at], count, x.shape[at] // count, *x.shape[at + 1 :])


def _weighted(scores: Tensor, mask: Tensor | None, value: Tensor) -> Tensor:
    """Mask scores, give each row a sum of 1, and add values up by it."""
    import torch

    if mask is None:
        return torch.softmax(scores, -1) @ value
    if mask.dtype is torch.bool:
        heard = mask.any(-1, keepdim=True).to(scores.dtype)
        added = torch.where(mask, torch.zeros((), dtype=scores.dtype), torch.full((), MASKED, dtype=scores.dtype))
        return (torch.softmax(scores + added, -1) @ value) * heard
    return torch.softmax(scores + torch.clamp(mask, min=MASKED), -1) @ value


def _multi_head(call: Any) -> tuple[Tensor, Tensor | None]:
    """The attention and, where wanted, its weights."""
    import torch

    weights = call.qkv_weight.chunk(3)
    biases = call.qkv_bias.chunk(3) if call.qkv_bias is not None else [None] * 3
    parts = []
    for x, weight, bias in zip((call.query, call.key, call.value), weights, biases, strict=True):
        projected = torch.nn.functional.linear(x, weight, bias)
        parts.append(_split_axis(projected, -1, call.num_head).transpose(1, 2))
    query, key, value = parts
    scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
    if call.mask is not None:
        scores = scores + _masked_out(call.mask, call.mask_type, scores.dtype)
    shares = torch.softmax(scores, -1)
    joined = (shares @ value).transpose(1, 2).flatten(-2)
    result = torch.nn.functional.linear(joined, call.proj_weight, call.proj_bias)
    if not call.need_weights:
        return result, None
    return result, shares.mean(1) if call.average_attn_weights else shares


def _masked_out(mask: Tensor, mask_type: int | None, dtype: Any) -> Tensor:
    """What is added to scores; in these ops True masks out. Types: 0 (frame, frame), 1 (batch, frame), 2 both."""
    import torch

    if mask.dtype is not torch.bool:
        return torch.clamp(mask, min=MASKED)
    if mask_type == 1:
        mask = mask[:, None, None, :]
    return torch.where(mask, torch.full((), MASKED, dtype=dtype), torch.zeros((), dtype=dtype))


def _encoder_layer(call: Any) -> Tensor:
    import torch
    from torch.nn.functional import layer_norm, linear

    x: Tensor = call.src
    size = (call.embed_dim,)

    def attend(y: Tensor) -> Tensor:
        call.query = call.key = call.value = y
        call.num_head, call.need_weights = call.num_heads, False
        return _multi_head(call)[0]

    def feed(y: Tensor) -> Tensor:
        hidden = linear(y, call.ffn_weight_1, call.ffn_bias_1)
        hidden = torch.nn.functional.gelu(hidden) if call.use_gelu else torch.relu(hidden)
        return linear(hidden, call.ffn_weight_2, call.ffn_bias_2)

    def first(y: Tensor) -> Tensor:
        return layer_norm(y, size, call.norm_weight_1, call.norm_bias_1, call.eps)

    def second(y: Tensor) -> Tensor:
        return layer_norm(y, size, call.norm_weight_2, call.norm_bias_2, call.eps)

    if call.norm_first:
        x = x + attend(first(x))
        return x + feed(second(x))
    x = first(x + attend(x))
    return second(x + feed(x))
