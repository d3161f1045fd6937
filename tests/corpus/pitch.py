"""Fundamental frequency: CREPE on frames of samples, and a conformer on a log-mel spectrogram."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calibration import make_audio, make_features, settle

N_BINS = 360
CENTS_PER_BIN = 20.0


class Crepe(nn.Module):
    """CREPE (Kim 2018), "tiny" or thinner: frames are cut and normalised inside, TensorFlow's padding by hand."""

    def __init__(self, widths: tuple[int, ...] = (64, 16, 16, 16, 32, 48), frame: int = 1024, hop: int = 320) -> None:
        super().__init__()
        self.frame, self.hop = frame, hop
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        inner = 1
        for index, outer in enumerate(widths):
            kernel, stride = ((512, 1), (4, 1)) if index == 0 else ((64, 1), (1, 1))
            self.convs.append(nn.Conv2d(inner, outer, kernel, stride))
            self.norms.append(nn.BatchNorm2d(outer, eps=0.0010000000474974513, momentum=0.0))
            inner = outer
        self.classifier = nn.Linear(4 * widths[-1], N_BINS)
        self.register_buffer("cents", torch.arange(N_BINS) * CENTS_PER_BIN + 1997.3794084376191)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        frames = F.pad(samples, (self.frame // 2, self.frame // 2)).unfold(1, self.frame, self.hop)
        frames = frames.reshape(-1, self.frame)
        frames = frames - frames.mean(dim=1, keepdim=True)
        frames = frames / torch.clamp(frames.std(dim=1, keepdim=True), min=1e-10)
        x = frames[:, None, :, None]
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            padding = (0, 0, 254, 254) if index == 0 else (0, 0, 31, 32)
            x = F.max_pool2d(norm(F.relu(conv(F.pad(x, padding)))), (2, 1), (2, 1))
        x = x.permute(0, 2, 1, 3).reshape(-1, self.classifier.in_features)
        salience = torch.sigmoid(self.classifier(x))
        cents = (salience * self.cents).sum(1) / salience.sum(1)
        return salience, 10.0 * 2 ** (cents / 1200.0)


class RelativeAttention(nn.Module):
    """Self-attention with rotary positions, scaled_dot_product_attention underneath."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_size = heads, size // heads
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.out = nn.Linear(size, size)
        self.register_buffer(
            "rates", 1.0 / 10000 ** (torch.arange(0, self.head_size, 2) / self.head_size), persistent=False
        )

    def _rotate(self, x: Tensor) -> Tensor:
        angles = torch.outer(torch.arange(x.shape[-2], device=x.device, dtype=self.rates.dtype), self.rates)
        sine, cosine = angles.sin().repeat_interleave(2, dim=-1), angles.cos().repeat_interleave(2, dim=-1)
        turned = torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).flatten(-2)
        return x * cosine + turned * sine

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, size = x.shape
        qkv = self.qkv(x).view(batch, frames, 3, self.heads, self.head_size)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(self._rotate(query), self._rotate(key), value)
        return self.out(x.transpose(1, 2).reshape(batch, frames, size))


class ConformerConv(nn.Module):
    def __init__(self, size: int, kernel: int = 31) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.enter = nn.Conv1d(size, 4 * size, 1)
        self.depthwise = nn.Conv1d(2 * size, 2 * size, kernel, padding=kernel // 2, groups=2 * size)
        self.leave = nn.Conv1d(2 * size, size, 1)
        self.slope = nn.PReLU(2 * size)

    def forward(self, x: Tensor) -> Tensor:
        x = F.glu(self.enter(self.norm(x).transpose(1, 2)), dim=1)
        return self.leave(self.slope(self.depthwise(x))).transpose(1, 2)


class Fcpe(nn.Module):
    """FCPE-like: convolution stem with GroupNorm, conformer layers, and a local weighted mean about the largest bin."""

    def __init__(self, n_mels: int = 64, size: int = 64, layers: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(n_mels, size, 3, 1, 1), nn.GroupNorm(4, size), nn.LeakyReLU(), nn.Conv1d(size, size, 3, 1, 1)
        )
        self.layers = nn.ModuleList()
        for _ in range(layers):
            self.layers.append(nn.ModuleList([RelativeAttention(size, 4), ConformerConv(size), nn.LayerNorm(size)]))
        self.norm = nn.LayerNorm(size)
        self.out = nn.Linear(size, N_BINS)
        self.register_buffer(
            "cents", torch.linspace(1200 * math.log2(32.7 / 10), 1200 * math.log2(1975.5 / 10), N_BINS)[None, None]
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.stem(log_mel.transpose(-1, -2)).transpose(-1, -2)
        for attention, conv, norm in self.layers:
            x = x + attention(norm(x))
            x = x + conv(x)
        salience = self.out(self.norm(x)).sigmoid()
        confidence, centre = torch.max(salience, dim=-1, keepdim=True)
        index = torch.clamp(centre - 4 + torch.arange(9, device=x.device), 0, N_BINS - 1)
        near, cents = salience.gather(-1, index), self.cents.expand(*salience.shape).gather(-1, index)
        cents = torch.sum(cents * near, -1, keepdim=True) / torch.sum(near, -1, keepdim=True)
        octaves = torch.where(confidence <= 0.5, torch.full_like(cents, -1.0), cents / 1200.0)
        return torch.cat([octaves, confidence], dim=-1)


def crepe_tiny() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(401)
    inputs = (make_audio(4800),)
    return settle(Crepe(), inputs, spread=1.5), inputs


def fcpe() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(402)
    inputs = (make_features(1, 50, 64),)
    return settle(Fcpe(), inputs), inputs
