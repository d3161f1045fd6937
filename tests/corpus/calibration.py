"""Weights and inputs that keep a random network's signals at a sensible size.

PyTorch's default weights let a deep network's outputs shrink to a constant and its gates and attention stay flat, in
which no fault of a conversion shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

SAMPLE_RATE_HZ = 16000

_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)


def make_audio(samples: int, *, batch: int = 1, rate_hz: int = SAMPLE_RATE_HZ) -> Tensor:
    """A gliding harmonic tone with a slow swell over a noise floor, (batch, samples), within -1 and 1."""
    generator = torch.Generator().manual_seed(samples)
    time_s = torch.arange(samples) / rate_hz
    cycles = torch.cumsum(180.0 + 240.0 * time_s / max(float(time_s[-1]), 1e-3), 0) / rate_hz
    tone = sum(torch.sin(2 * math.pi * k * cycles) / k for k in range(1, 9)) * 0.25
    swell = 0.55 + 0.45 * torch.sin(2 * math.pi * 3.0 * time_s)
    return (tone * swell + 0.02 * torch.randn(batch, samples, generator=generator)).clamp(-1, 1)


def make_features(*shape: int) -> Tensor:
    """Standard normal values of a shape, always the same ones."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def settle(module: nn.Module, inputs: Sequence[Tensor], *, spread: float = 1.0) -> nn.Module:
    """Scale and shift every layer so that its result has mean 0 and standard deviation `spread`; gather statistics.

    Biases and the weights of norms get small random values, so that dropping one shows. It is left in eval mode.

    Args:
        module: With fresh weights, made under a seed.
        inputs: What it is called with.
        spread: Standard deviation of each convolution's and each linear layer's result on `inputs`.
    """
    module.eval()
    with torch.no_grad():
        for part in module.modules():
            _vary(part)
            if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
                part.train()
                part.momentum = None  # a plain mean over the calls
        scaled: set[nn.Module] = set()

        def scale(part: Any, _: Any, result: Tensor) -> Tensor | None:
            deviation = float(result.std())
            if part in scaled or not math.isfinite(deviation) or deviation < 1e-7:
                return None
            scaled.add(part)
            factor = spread / deviation
            weight, bias = _read_gain(part), part.bias
            weight.mul_(factor)
            if bias is None:
                return result * factor
            mean = result.mean()
            bias.sub_(mean).mul_(factor)
            return (result - mean) * factor

        hooks = [part.register_forward_hook(scale) for part in module.modules() if isinstance(part, _WEIGHTED)]
        module(*inputs)
        for hook in hooks:
            hook.remove()
    return module.eval()


def _vary(part: nn.Module) -> None:
    bias = getattr(part, "bias", None)
    if isinstance(part, (*_WEIGHTED, *_NORMS)) and isinstance(bias, Tensor):
        bias.normal_(0.0, 0.1)
    if isinstance(part, _NORMS) and isinstance(part.weight, Tensor):
        part.weight.uniform_(0.7, 1.3)
    if isinstance(part, (nn.RNNBase, nn.RNNCellBase)):
        for name, parameter in part.named_parameters(recurse=False):
            parameter.mul_(3.0 if name.startswith("weight_ih") else 1.0)
    if isinstance(part, nn.MultiheadAttention):
        part.in_proj_weight.mul_(2.0)
        part.in_proj_bias.normal_(0.0, 0.1)


def _read_gain(part: Any) -> Tensor:
    """What a layer's result is proportional to: its weight, or its gain, whichever way a weight norm was put on."""
    parametrized = getattr(part, "parametrizations", None)
    if parametrized is not None and "weight" in parametrized:
        gain: Tensor = parametrized["weight"].original0
        return gain
    return getattr(part, "weight_g", part.weight)  # type: ignore[no-any-return]
