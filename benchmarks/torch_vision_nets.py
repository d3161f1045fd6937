"""Published networks that were measured on Apple's Neural Engine and of which no library at hand has the definition.

With random weights, and with the branches of their training folded, as they were converted. Sources of the sizes:
RepNeXt and RecNeXt (suous/RepNeXt, suous/RecNeXt), CARE (zhouyuan888888/CARE-Transformer), LowFormer's edge models
(altair199797/LowFormer), and three made up ones, a stack of convolutions, one of dense layers and a transformer, over
10 × 512 values (karimkalimu/Test-TensorFlow-models-speed-on-iOS-devices).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

DEPTHS = ((2, 2, 9, 1), (3, 3, 15, 2), (3, 3, 15, 2), (3, 3, 13, 2), (5, 5, 25, 4), (7, 7, 35, 2))
WIDTHS = (40, 48, 56, 64, 64, 80)
"""of the six sizes of RepNeXt and RecNeXt: blocks in each stage, and channels of the first"""


class Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def normalised(inputs: int, outputs: int, size: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def depthwise(width: int, size: int | tuple[int, int], stride: int = 1) -> nn.Conv2d:
    tall, wide = (size, size) if isinstance(size, int) else size
    return nn.Conv2d(width, width, (tall, wide), stride, (tall // 2, wide // 2), groups=width)


def mixed(width: int, ratio: float) -> nn.Sequential:
    """Channels, by two convolutions."""
    inner = int(width * ratio)
    return nn.Sequential(normalised(width, inner), nn.GELU(), normalised(inner, width))


class Quarters(nn.Module):
    """RepNeXt's block: each quarter of the channels by a window of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        part = width // 4
        self.small, self.middle = depthwise(part, 3), depthwise(part, 7)
        self.large = nn.Sequential(depthwise(part, (1, 11)), depthwise(part, (11, 1)))

    def forward(self, x: Tensor) -> Tensor:
        same, small, middle, large = x.chunk(4, 1)
        return torch.cat((same, self.small(small), self.middle(middle), self.large(large)), 1)


class Copies(nn.Module):
    """RepNeXt's way to half the sides and twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.small, self.middle = depthwise(width, 3, 2), depthwise(width, 7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.small(x), self.middle(x)), 1)


class Recursion(nn.Module):
    """RecNeXt's block: down by one convolution several times, and up again, each size by a convolution."""

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(width, width, 5, 2, 2, groups=width, bias=False)
        self.sizes = nn.ModuleList(
            nn.Conv2d(width, width, 5, 1, 2, groups=width, bias=False) for _ in range(levels + 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        pictures = [x]
        for _ in self.sizes[1:]:
            pictures.append(self.down(pictures[-1]))
        x = pictures.pop()
        for convolution in self.sizes[:-1]:
            larger = pictures.pop()
            x = larger + functional.interpolate(convolution(x), size=larger.shape[2:], mode="bilinear")
        return self.sizes[-1](x)


class LinearAttention(nn.Module):
    """RecNeXt's: over the channels in large pictures, over the places in the smallest."""

    def __init__(self, width: int, heads: int, places: bool) -> None:
        super().__init__()
        self.heads, self.places = heads, places
        self.asked = normalised(width, 2 * width, groups=2)
        self.near = normalised(width, width, 3, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        one, width, tall, wide = x.shape
        scale = (tall * wide) ** -0.5
        asked = functional.elu(self.asked(x)) + 1
        query, key = asked.view(one, 2, self.heads, width // self.heads, tall * wide).unbind(1)
        query, value = query.transpose(-1, -2), x.view(one, self.heads, width // self.heads, -1).transpose(-1, -2)
        if self.places:
            scores = query @ key
            seen = (scores / (scores.mean(-1, keepdim=True) + 1e-6) * scale) @ (value * scale)
        else:
            seen = query @ ((key * scale) @ (value * scale)) / (query @ key.mean(-1, keepdim=True) + 1e-6)
        return seen.transpose(-1, -2).reshape(x.shape) + self.near(x)


class HalvedAttention(nn.Module):
    def __init__(self, width: int, stage: int) -> None:
        super().__init__()
        self.down = normalised(width, width, 5, 2, groups=width)
        self.attention = LinearAttention(width, 2 ** (stage + 1), stage == 3)
        self.last = normalised(width, width, 5, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x + functional.interpolate(self.attention(self.down(x)), size=x.shape[2:]))


class Staged(nn.Module):
    """Four stages of blocks that mix places and then channels."""

    def __init__(
        self, size: int, mixer: Callable[[int, int], nn.Module], reducer: Callable[[int], nn.Module], ratio: float = 2
    ) -> None:
        super().__init__()
        width = WIDTHS[size]
        self.body = nn.Sequential(normalised(3, width // 2, 3, 2), nn.GELU(), normalised(width // 2, width, 3, 2))
        for stage, depth in enumerate(DEPTHS[size]):
            if stage:
                self.body.append(reducer(width)).append(nn.BatchNorm2d(2 * width))
                width *= 2
                self.body.append(Residual(mixed(width, ratio)))
            for _ in range(depth):
                self.body.append(Residual(mixer(width, stage), mixed(width, ratio)))
        self.head = nn.Linear(width, 1000)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.body(image).mean((2, 3)))


def repnext(size: int) -> nn.Module:
    return Staged(size, lambda width, _: nn.Sequential(Quarters(width), nn.BatchNorm2d(width)), Copies)


def wide_windows(width: int) -> nn.Module:
    return nn.Conv2d(width, 2 * width, 7, 2, 3, groups=width)


def recnext(size: int) -> nn.Module:
    return Staged(
        size, lambda width, stage: nn.Sequential(Recursion(width, 4 - stage), nn.BatchNorm2d(width)), wide_windows
    )


def recnext_attention(size: int) -> nn.Module:
    return Staged(size, HalvedAttention, wide_windows, 1.875 if size > 2 else 2)


class CareBlock(nn.Module):
    """A memory and three parts of channels: one for attention or stripes, two for windows."""

    def __init__(self, part: int, ratios: tuple[int, int], head: int, is_last: bool) -> None:
        super().__init__()
        self.part, self.head, self.is_last = part, head, is_last
        self.small, self.middle = depthwise(part, 3), depthwise(part, 7)
        if head:
            self.asked = nn.Conv2d(part, 2 * part, 1)
        else:
            self.tall, self.wide = depthwise(part, (11, 1)), depthwise(part, (1, 11))
        self.scale = nn.Parameter(torch.empty(4 * part, 1, 1))
        for name, width, ratio in (("near", 3 * part, ratios[0]), ("far", 4 * part, ratios[1])):
            inner = ratio * width
            mixer = nn.Sequential(nn.BatchNorm2d(width), nn.Conv2d(width, inner, 1), nn.GELU(), depthwise(inner, 3))
            if not (is_last and name == "far"):
                mixer.append(nn.Conv2d(inner, width, 1))
            setattr(self, name, mixer)

    def attend(self, x: Tensor) -> Tensor:
        _, width, tall, wide = x.shape
        query, key = self.asked(x).reshape(1, -1, tall * wide).split(width, 1)
        heads = (1, width // self.head, self.head, -1)
        query, key, value = (part.reshape(heads).transpose(-2, -1) for part in (query, key, x))
        query, key = functional.elu(query) + 1, functional.elu(key) + 1
        share = 1 / (query @ key.mean(-2, keepdim=True).transpose(-2, -1) + 1e-6)
        seen = query @ (key.transpose(-2, -1) @ value / (tall * wide)) * share
        return seen.transpose(-2, -1).reshape(x.shape)

    def forward(self, x: Tensor) -> Tensor:
        memory, parts = x.split((self.part, 3 * self.part), 1)
        first, second, third = parts.chunk(3, 1)
        first = self.attend(first) if self.head else self.tall(first) + self.wide(first)
        parts = torch.cat((first, self.small(second), self.middle(third)), 1)
        whole = torch.cat((memory, parts + self.near(parts)), 1)
        mixed_up = self.far(whole)
        return mixed_up if self.is_last else x + (whole + mixed_up) * self.scale


class Care(nn.Module):
    def __init__(self, depths: Sequence[int], parts: Sequence[int], ratios: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4 * parts[0], 4, 4), nn.BatchNorm2d(4 * parts[0]))
        for stage, (depth, part) in enumerate(zip(depths, parts, strict=True)):
            if stage:
                before = 4 * parts[stage - 1]
                self.body.append(nn.BatchNorm2d(before)).append(nn.Conv2d(before, 4 * part, 2, 2))
            for block in range(depth):
                is_last = stage == len(depths) - 1 and block == depth - 1
                self.body.append(CareBlock(part, ratios[stage], (0, 0, 16, 32)[stage], is_last))
        width = 4 * parts[-1] * ratios[-1][1]
        self.heads = nn.ModuleList(
            nn.Sequential(nn.GELU(), nn.LayerNorm(width), nn.Linear(width, 1000)) for _ in range(2)
        )

    def forward(self, image: Tensor) -> Tensor:
        x = self.body(image).mean((2, 3))
        return (self.heads[0](x) + self.heads[1](x)) / 2


def care(size: int) -> nn.Module:
    depths = (2, 4, 8, 4) if size == 0 else (3, 6, 10, 6)
    parts = (8, 16, 48, 96) if size == 2 else (8, 16, 32, 64)
    first = ((2, 2), (2, 4), (4, 4))[size]
    return Care(depths, parts, (first, (4, 4) if size == 2 else (2, 4), (4, 4), (4, 4)))


def widened(inputs: int, outputs: int, ratio: int, stride: int = 1) -> nn.Sequential:
    inner = ratio * inputs
    return nn.Sequential(normalised(inputs, inner, 3, stride), nn.Hardswish(), normalised(inner, outputs))


def narrow(width: int) -> nn.Sequential:
    inner = 4 * width
    around = nn.Sequential(nn.Conv2d(width, inner, 1), nn.Hardswish(), depthwise(inner, 3), nn.Hardswish())
    return around.append(normalised(inner, width))


class LowAttention(nn.Module):
    """LowFormer's: with half of the channels, and in the last but one stage over a quarter of the places."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.heads = max(1, width // 2 // 30)
        self.depth = width // self.heads // 2
        inner = self.heads * self.depth
        self.down = normalised(width, width, 5 if stride > 1 else 3, stride, groups=width)
        self.asked = nn.Conv2d(width, 3 * inner, 1, bias=False)
        self.up = nn.ConvTranspose2d(inner, width, 4 if stride > 1 else 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        asked = self.asked(self.down(x))
        parts = asked.reshape(1, self.heads, 3 * self.depth, -1).permute(0, 1, 3, 2).chunk(3, -1)
        seen = functional.scaled_dot_product_attention(*parts).permute(0, 1, 3, 2)
        return self.up(seen.reshape(1, -1, *asked.shape[2:]))


def lowformer(size: int) -> nn.Module:
    width, head = (20, (2304, 2560)) if size == 1 else (32, (1536, 1600))
    depths = ((0, 1, 1, 4, 4), (1, 2, 3, 4, 4), (1, 2, 3, 6, 6))[size - 1]
    body = nn.Sequential(normalised(3, width, 3, 2), nn.Hardswish())
    for _ in range(depths[0]):
        body.append(Residual(widened(width, width, 4)))
    for stage, depth in enumerate(depths[1:], 1):
        body.append(widened(width, 2 * width, 6, 2))
        width *= 2
        for _ in range(depth - 1 if stage < 3 else depth):
            if size == 3 and stage > 2:
                body.append(Residual(LowAttention(width, 2 if stage == 3 else 1)))
            body.append(Residual(widened(width, width, 4) if stage < 3 or width < 256 else narrow(width)))
    last = nn.Sequential(normalised(width, head[0]), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    last.append(nn.Linear(*head, bias=False)).append(nn.LayerNorm(head[1])).append(nn.Hardswish())
    return body.append(last).append(nn.Linear(head[1], 1000))


def convolutions(layers: int, width: int, size: int) -> nn.Module:
    stack = nn.Sequential()
    for layer in range(layers):
        stack.append(nn.ZeroPad2d(((size - 1) // 2, size // 2) * 2))
        stack.append(nn.Conv2d(width if layer else 3, width, size, bias=False)).append(nn.ReLU())
    return stack


class Attention(nn.Module):
    HEADS, DEPTH = 6, 64

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, self.HEADS * self.DEPTH) for _ in range(3))
        self.last = nn.Linear(self.HEADS * self.DEPTH, width)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        parts = (
            projection(x).reshape(1, -1, self.HEADS, self.DEPTH).transpose(1, 2)
            for projection, x in ((self.query, asking), (self.key, asked), (self.value, asked))
        )
        seen = functional.scaled_dot_product_attention(*parts)
        return self.last(seen.transpose(1, 2).flatten(2))


class TransformerLayer(nn.Module):
    def __init__(self, width: int, inner: int, attentions: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(Attention(width) for _ in range(attentions))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(attentions + 1))
        self.dense = nn.Sequential(nn.Linear(width, inner, bias=False), nn.ReLU(), nn.Linear(inner, width, bias=False))


class Encoding(TransformerLayer):
    def forward(self, x: Tensor) -> Tensor:
        return self.norms[1](x + self.dense(self.norms[0](x + self.attentions[0](x, x))))


class Decoding(TransformerLayer):
    def forward(self, encoded: Tensor, x: Tensor) -> Tensor:
        normed = self.norms[0](x)
        normed = self.norms[1](x + self.attentions[0](normed, normed))
        normed = self.norms[2](normed + self.attentions[1](normed, encoded))
        return normed + self.dense(normed)


class Transformer(nn.Module):
    def __init__(self, layers: int, width: int, inner: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*(Encoding(width, inner, 1) for _ in range(layers)))
        self.decoder = nn.ModuleList(Decoding(width, inner, 2) for _ in range(layers))
        self.head = nn.Linear(width, width)

    def forward(self, frames: Tensor) -> Tensor:
        encoded, x = self.encoder(frames), frames
        for layer in self.decoder:
            x = layer(encoded, x)
        return self.head(x)
