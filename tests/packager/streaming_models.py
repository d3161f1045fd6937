"""Small PyTorch models whose states an app carries, for `test_stateful.py` and `test_dynamic_length.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CausalFilter(nn.Module):
    """Two causal convolutions with cached context: in calls the same as at once, to the last sample."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(1, 8, 9), nn.Conv1d(8, 1, 5)

    def forward(self, samples: Tensor, context: Tensor, inner: Tensor) -> dict[str, Tensor]:
        x = torch.cat([context, samples.unsqueeze(1)], dim=-1)
        y = torch.cat([inner, torch.relu(self.first(x))], dim=-1)
        return {"filtered": self.second(y).squeeze(1), "context_out": x[..., -8:], "inner_out": y[..., -4:]}


class Loudness(nn.Module):
    """A leaky integrator of a thousand calls: what float16 loses in each adds up."""

    def forward(self, samples: Tensor, level: Tensor) -> dict[str, Tensor]:
        level = 0.999 * level + samples.abs().mean(-1, keepdim=True)
        return {"loudness": 1.0 * level, "level_out": level}


class Counter(nn.Module):
    """Counts its calls in whole numbers."""

    def forward(self, samples: Tensor, count: Tensor) -> dict[str, Tensor]:
        return {"louder": samples * 2.0, "count_out": count + 1}


def causal_filter() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(71)
    return CausalFilter(), (torch.randn(1, 160), torch.zeros(1, 1, 8), torch.zeros(1, 8, 4))


def loudness() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Loudness(), (torch.randn(1, 160), torch.zeros(1, 1))


def counter() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Counter(), (torch.randn(1, 160), torch.zeros(1, 1, dtype=torch.int32))
