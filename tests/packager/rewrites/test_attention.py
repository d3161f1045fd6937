"""Attention and distances, rewritten, against torch's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

LEAST_DB = 120
"""A softmax and two products of matrices in float32."""


def _mask(kind: str) -> Any:
    if kind == "float":
        return torch.triu(torch.full((10, 12), -torch.inf), 3)
    mask = torch.ones(10, 12, dtype=torch.bool).tril(1)
    if kind == "empty_row":
        mask[4] = False
    return mask


@pytest.mark.parametrize("kind", ["float", "bool", "empty_row"])
def test_masks(prove: Any, audio: SimpleNamespace, kind: str) -> None:
    attend = torch.nn.functional.scaled_dot_product_attention

    def formula(q: Any, k: Any, v: Any, mask: Any) -> Any:
        return attend(q, k, v, attn_mask=mask), attend(q, k, v, attn_mask=mask[None, None], scale=0.3)

    tensors = [audio.noise(1, 2, frames, 8, seed=frames) for frames in (10, 12, 12)]
    snr_db, applied = prove(formula, *tensors, mask=_mask(kind))
    assert snr_db >= LEAST_DB
    assert "attention" in applied


def test_a_mask_that_is_an_input(prove: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any, heard: Any) -> Any:
        return torch.nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=(heard > 0)[:, None, None, :])

    heard = (torch.arange(10) < 7).float()[None]
    assert prove(formula, audio.noise(1, 2, 10, 8), heard)[0] >= LEAST_DB


@pytest.mark.parametrize("causal", [False, True])
def test_grouped_heads(prove: Any, audio: SimpleNamespace, causal: bool) -> None:
    def formula(q: Any, k: Any, v: Any) -> Any:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)

    tensors = [audio.noise(1, heads, 10, 8, seed=heads) for heads in (4, 2, 2)]
    assert prove(formula, *tensors)[0] >= LEAST_DB


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("mask_type", [None, 0, 1])
def test_the_fast_path(prove: Any, audio: SimpleNamespace, weights: bool, mask_type: int | None) -> None:
    op = torch.ops.aten._native_multi_head_attention
    torch.manual_seed(0)
    layer = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    mask = None
    if mask_type is not None:
        mask = torch.ones(10, 10, dtype=torch.bool).triu(1) if mask_type == 0 else (torch.arange(10) > 7)[None]

    def formula(x: Any, layer: Any) -> Any:
        out = layer.out_proj
        found = op(
            x,
            x,
            x,
            16,
            4,
            layer.in_proj_weight,
            layer.in_proj_bias,
            out.weight,
            out.bias,
            mask,
            weights,
            True,
            mask_type,
        )
        return found if weights else found[0]

    snr_db, applied = prove(formula, audio.noise(1, 10, 16), layer=layer)
    assert snr_db >= LEAST_DB
    assert "attention" in applied


@pytest.mark.parametrize("norm_first", [False, True])
def test_the_fast_path_of_a_layer(prove: Any, audio: SimpleNamespace, norm_first: bool) -> None:
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=norm_first, activation="gelu")

    def formula(x: Any, layer: Any) -> Any:
        attention = layer.self_attn
        return torch.ops.aten._transformer_encoder_layer_fwd(
            x, 16, 4, attention.in_proj_weight, attention.in_proj_bias, attention.out_proj.weight,
            attention.out_proj.bias, True, norm_first, 1e-5, layer.norm1.weight, layer.norm1.bias, layer.norm2.weight,
            layer.norm2.bias, layer.linear1.weight, layer.linear1.bias, layer.linear2.weight, layer.linear2.bias,
        )  # fmt: skip

    snr_db, applied = prove(formula, audio.noise(2, 10, 16), layer=layer)
    assert snr_db >= LEAST_DB
    assert "attention" in applied


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("points", [6, 40])
def test_distances(prove: Any, audio: SimpleNamespace, p: float, points: int) -> None:
    def formula(x: Any, y: Any) -> Any:
        return torch.cdist(x, y, p), torch.nn.functional.pairwise_distance(x[:, :6], y[:, :6], p)

    snr_db, applied = prove(formula, audio.noise(1, 10, 8), audio.noise(1, points, 8, seed=1))
    assert snr_db >= LEAST_DB
    assert "distances" in applied


@pytest.mark.coreml
@pytest.mark.tflite
def test_both_formats(prove_both: Any, audio: SimpleNamespace) -> None:
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    mask = torch.ones(10, 10, dtype=torch.bool).tril()

    def formula(x: Any, layer: Any, mask: Any) -> Any:
        y = layer(x, src_mask=~mask)
        grouped = torch.nn.functional.scaled_dot_product_attention(
            y.unflatten(-1, (4, 4)).transpose(1, 2), *[y.unflatten(-1, (4, 4)).transpose(1, 2)[:, :2]] * 2,
            attn_mask=mask, enable_gqa=True,
        )  # fmt: skip
        return grouped, torch.cdist(y, x), torch.cdist(y, x, 1.0)

    # The layer's norm divides, and the runtimes' divisions and roots differ in their last bits.
    assert min(prove_both(formula, audio.noise(1, 10, 16), layer=layer, mask=mask).values()) >= 110
