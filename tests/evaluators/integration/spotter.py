"""A small model with a front end outside, states and two outputs of one shape: what each known fault shows on."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Spotter(nn.Module):
    """A GRU over log-power frames, two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(129, 16, batch_first=True)
        self.onset, self.frame = nn.Linear(16, 4), nn.Linear(16, 4)

    def forward(self, features: Tensor, memory: Tensor) -> dict[str, Tensor]:
        y, memory_next = self.gru(features, memory)
        return {
            "onset": torch.sigmoid(self.onset(y)),
            "frame": torch.sigmoid(self.frame(y)),
            "memory_next": memory_next,
        }


def build() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(3)
    return Spotter(), (torch.randn(1, 17, 129), torch.zeros(1, 1, 16))
