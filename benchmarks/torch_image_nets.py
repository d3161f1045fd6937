"""Published image architectures of which no library at hand has the definition, with random weights.

Sources of the sizes: `Enlarger` is SRVGGNetCompact with 32 convolutions of 64 channels (Real-ESRGAN general x4v3, as
qualcomm/ai-hub-models takes it); `Style` is TransformerNet of pytorch/examples, fast_neural_style, with the padding and
the normalisation as john-rocky/LiteRT-Models writes them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Enlarger(nn.Module):
    """Four times the sides: what it adds to the nearest pixels."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (3, *[64] * 32):
            layers += [nn.Conv2d(inputs, 64, 3, padding=1), nn.PReLU(64)]
        self.body = nn.Sequential(*layers, nn.Conv2d(64, 48, 3, padding=1), nn.PixelShuffle(4))

    def forward(self, image: Tensor) -> Tensor:
        large: Tensor = self.body(image) + functional.interpolate(image, scale_factor=4, mode="nearest")
        return large


class Normalised(nn.Module):
    """A padded convolution, then the mean and the deviation of each channel of the picture, as single ops."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.pad = size // 2
        self.convolution = nn.Conv2d(inputs, outputs, size, stride)
        self.scale, self.shift = (nn.Parameter(torch.ones(1, outputs, 1, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(functional.pad(x, (self.pad,) * 4)) * 0.5
        x = x - x.mean(3, keepdim=True).mean(2, keepdim=True)
        spread = (x * x).mean(3, keepdim=True).mean(2, keepdim=True)
        return x * torch.rsqrt(spread + 1e-5) * self.scale + self.shift


class Style(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            Normalised(3, 32, 9), nn.ReLU(), Normalised(32, 64, 3, 2), nn.ReLU(), Normalised(64, 128, 3, 2), nn.ReLU()
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(Normalised(128, 128, 3), nn.ReLU(), Normalised(128, 128, 3)) for _ in range(5)
        )
        self.larger = nn.Sequential(
            nn.Upsample(scale_factor=2), Normalised(128, 64, 3), nn.ReLU(),
            nn.Upsample(scale_factor=2), Normalised(64, 32, 3), nn.ReLU(),
            nn.ZeroPad2d(4), nn.Conv2d(32, 3, 9),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        x = self.first(image)
        for block in self.blocks:
            x = x + block(x)
        picture: Tensor = self.larger(x)
        return picture
