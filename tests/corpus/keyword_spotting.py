"""Keyword spotters: from features, or from samples with the front end inside."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calibration import make_audio, make_features, settle

N_KEYWORDS = 12


class DepthwiseSeparable(nn.Module):
    def __init__(self, channels: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.pointwise_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.depthwise_norm(self.depthwise(x)), inplace=True)
        return F.relu(self.pointwise_norm(self.pointwise(x)), inplace=True)


class DSCNN(nn.Module):
    """DS-CNN (Hello Edge, Zhang 2017) on MFCCs, (batch, frames, coefficients), with TensorFlow's "same" padding."""

    def __init__(self, channels: int = 64, blocks: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, (10, 4), stride=(2, 2), bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential(*[DepthwiseSeparable(channels) for _ in range(blocks)])
        self.dropout = nn.Dropout(0.4)
        self.classifier = nn.Linear(channels, N_KEYWORDS)

    def forward(self, mfcc: Tensor) -> Tensor:
        x = mfcc.unsqueeze(1)
        padding = []
        for size, kernel, stride in zip(reversed(x.shape[2:]), (4, 10), (2, 2), strict=True):
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            padding += [total // 2, total - total // 2]
        x = self.blocks(F.relu(self.norm(self.stem(F.pad(x, padding)))))
        return self.classifier(self.dropout(x.mean(dim=(2, 3))))


class CRNN(nn.Module):
    """CRNN (Arik 2017): one strided convolution, a two-layer bidirectional GRU, a dense layer on its final states."""

    def __init__(self, n_mels: int = 40, channels: int = 32, hidden: int = 48) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, (5, 20), stride=(4, 2), padding=(1, 2))
        self.gru = nn.GRU(
            channels * (n_mels // 4), hidden, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1
        )
        self.dense = nn.Sequential(nn.Linear(2 * hidden, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, N_KEYWORDS))

    def forward(self, log_mel: Tensor) -> Tensor:
        x = F.relu(self.conv(log_mel.transpose(1, 2).unsqueeze(1)))  # (batch, channel, mel, frame)
        x = x.contiguous().view(x.size(0), -1, x.size(3)).transpose(1, 2)
        _, final = self.gru(x)
        return F.log_softmax(self.dense(torch.cat([final[-2], final[-1]], dim=-1)), dim=-1)


class SubSpectralNorm(nn.Module):
    """A batch norm of its own for each band of the spectrum (Chang 2021)."""

    def __init__(self, channels: int, bands: int = 5) -> None:
        super().__init__()
        self.bands = bands
        self.norm = nn.BatchNorm2d(channels * bands)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, mels, frames = x.size()
        x = x.view(batch, channels * self.bands, mels // self.bands, frames)
        return self.norm(x).view(batch, channels, mels, frames)


class BroadcastedBlock(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.transition = inner != outer or stride != 1
        if self.transition:
            self.expand = nn.Sequential(nn.Conv2d(inner, outer, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU())
        self.frequency = nn.Conv2d(
            outer, outer, (3, 1), (stride, 1), padding="same" if stride == 1 else (1, 0), groups=outer
        )
        self.subspectral = SubSpectralNorm(outer)
        self.temporal = nn.Conv2d(outer, outer, (1, 3), padding=(0, dilation), dilation=(1, dilation), groups=outer)
        self.norm = nn.BatchNorm2d(outer)
        self.mix = nn.Conv2d(outer, outer, 1)
        self.dropout = nn.Dropout2d(0.1)

    def forward(self, x: Tensor) -> Tensor:
        skip = x
        if self.transition:
            x = self.expand(x)
        x = self.subspectral(self.frequency(x))
        pooled = x.mean(2, keepdim=True)
        pooled = self.dropout(self.mix(F.silu(self.norm(self.temporal(pooled)))))
        return F.relu(x + pooled if self.transition else skip + x + pooled)


class BCResNet(nn.Module):
    """BC-ResNet (Kim 2021): two-dimensional features, one-dimensional temporal mixing broadcast over the mels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 5, stride=(2, 1), padding=2)
        plan = [(16, 8, 1, 1), (8, 8, 1, 1), (8, 12, 2, 2), (12, 12, 1, 2), (12, 16, 2, 4), (16, 20, 1, 8)]
        self.blocks = nn.ModuleList([BroadcastedBlock(*sizes) for sizes in plan])
        self.head = nn.Sequential(nn.Conv2d(20, 20, 5, groups=20, padding=(0, 2)), nn.Conv2d(20, 32, 1, bias=False))
        self.classifier = nn.Conv2d(32, N_KEYWORDS, 1)

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.stem(log_mel[:, None])
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.head(x).mean(2, keepdim=True))
        return self.classifier(x.mean(3, keepdim=True)).squeeze(-1).squeeze(-1)


class TCResNet8(nn.Module):
    """TC-ResNet8 (Choi 2019): the coefficients are channels, all convolutions run along time."""

    def __init__(self, n_mfcc: int = 40) -> None:
        super().__init__()
        widths = [16, 24, 32, 48]
        self.stem = nn.Conv1d(n_mfcc, widths[0], 3, padding=1, bias=False)
        self.stages = nn.ModuleList()
        for inner, outer in pairwise(widths):
            body = nn.Sequential(
                nn.Conv1d(inner, outer, 9, stride=2, padding=4, bias=False), nn.BatchNorm1d(outer), nn.ReLU(True),
                nn.Conv1d(outer, outer, 9, padding=4, bias=False), nn.BatchNorm1d(outer),
            )  # fmt: skip
            skip = nn.Sequential(nn.Conv1d(inner, outer, 1, stride=2, bias=False), nn.BatchNorm1d(outer), nn.ReLU())
            self.stages.append(nn.ModuleDict({"body": body, "skip": skip}))
        self.head = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(widths[-1], N_KEYWORDS))

    def forward(self, mfcc: Tensor) -> Tensor:
        x = self.stem(mfcc)
        for stage in self.stages:
            x = F.relu(stage["body"](x) + stage["skip"](x))
        return self.head(x).softmax(dim=1)


class AttentionPooling(nn.Module):
    """Multi-head attention RNN (Rybakov 2020): an LSTM, then heads that look at the middle frame."""

    def __init__(self, n_mels: int = 40, hidden: int = 40, heads: int = 4) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 10, (5, 1), padding="same"), nn.ReLU(), nn.Conv2d(10, 1, (5, 1), padding="same")
        )
        self.lstm = nn.LSTM(n_mels, hidden, bidirectional=True, batch_first=True)
        self.query = nn.Linear(2 * hidden, 2 * hidden)
        self.attention = nn.MultiheadAttention(2 * hidden, heads, batch_first=True)
        self.classifier = nn.Sequential(nn.Linear(2 * hidden, 32), nn.GELU(), nn.Linear(32, N_KEYWORDS))

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(log_mel.unsqueeze(1)).squeeze(1)
        x, _ = self.lstm(x)
        query = self.query(x[:, x.size(1) // 2]).unsqueeze(1)
        pooled, weights = self.attention(query, x, x)
        return self.classifier(pooled.squeeze(1)), weights.squeeze(1)


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // reduction, 1)
        self.excite = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = F.adaptive_avg_pool2d(x, 1)
        return x * F.hardsigmoid(self.excite(F.relu6(self.squeeze(gate))))


class SqueezeExciteSpotter(nn.Module):
    """MobileNetV3-like, samples in: pre-emphasis, frames by unfold, DFT by matrix product, mel, log, per-clip norm."""

    def __init__(self, frame: int = 400, hop: int = 160, n_mels: int = 32) -> None:
        super().__init__()
        self.frame, self.hop = frame, hop
        angle = 2 * math.pi * torch.outer(torch.arange(frame), torch.arange(frame // 2 + 1)) / frame
        self.register_buffer("dft", torch.cat([angle.cos(), -angle.sin()], dim=1))
        self.register_buffer("window", torch.hamming_window(frame, periodic=False))
        self.register_buffer("mel", torch.rand(frame // 2 + 1, n_mels) / 20)
        self.blocks = nn.ModuleList()
        for inner, outer in ((1, 16), (16, 24), (24, 32)):
            self.blocks.append(
                nn.Sequential(
                    nn.Conv2d(inner, outer, 3, stride=2, padding=1),
                    nn.BatchNorm2d(outer),
                    nn.Hardswish(),
                    nn.Conv2d(outer, outer, 3, padding=1, groups=outer),
                    nn.BatchNorm2d(outer),
                    nn.Hardswish(),
                    SqueezeExcite(outer),
                )
            )
        self.classifier = nn.Linear(64, N_KEYWORDS)

    def forward(self, samples: Tensor) -> Tensor:
        emphasised = torch.cat([samples[:, :1], samples[:, 1:] - 0.97 * samples[:, :-1]], dim=1)
        frames = emphasised.unfold(-1, self.frame, self.hop) * self.window
        real, imaginary = (frames @ self.dft).chunk(2, dim=-1)
        log_mel = ((real**2 + imaginary**2) @ self.mel).clamp(min=1e-6).log10()
        log_mel = (log_mel - log_mel.mean((1, 2), keepdim=True)) / (log_mel.std((1, 2), keepdim=True) + 1e-5)
        x = log_mel.unsqueeze(1)
        for block in self.blocks:
            x = block(x)
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)
        return torch.sigmoid(self.classifier(pooled))


class StreamingWakeWord(nn.Module):
    """A GRU that hears one hop of mel frames a call and carries its state and a running peak."""

    def __init__(self, n_mels: int = 40, hidden: int = 64) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(n_mels, hidden), nn.PReLU())
        self.gru = nn.GRU(hidden, hidden, num_layers=2)
        self.score = nn.Linear(hidden, 1)

    def forward(self, frames: Tensor, hidden: Tensor, peak: Tensor) -> dict[str, Tensor]:
        x = self.project(frames).transpose(0, 1)  # (frame, batch, hidden)
        x, hidden = self.gru(x, hidden)
        score = self.score(x).sigmoid().squeeze(-1).transpose(0, 1)
        return {
            "score": score,
            "hidden_out": hidden,
            "peak_out": torch.maximum(peak * 0.9, score.amax(1, keepdim=True)),
        }


def ds_cnn() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(101)
    inputs = (make_features(1, 49, 10),)
    return settle(DSCNN(), inputs), inputs


def crnn_gru() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(102)
    inputs = (make_features(1, 99, 40),)
    return settle(CRNN(), inputs), inputs


def bc_resnet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(103)
    inputs = (make_features(1, 40, 101),)
    return settle(BCResNet(), inputs), inputs


def tc_resnet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(104)
    inputs = (make_features(1, 40, 98),)
    return settle(TCResNet8(), inputs), inputs


def attention_pooling() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(105)
    inputs = (make_features(1, 60, 40),)
    return settle(AttentionPooling(), inputs), inputs


def squeeze_excite() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(106)
    inputs = (make_audio(16000),)
    return settle(SqueezeExciteSpotter(), inputs), inputs


def streaming_wake_word() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(107)
    inputs = (make_features(1, 8, 40), torch.zeros(2, 1, 64), torch.zeros(1, 1))
    return settle(StreamingWakeWord(), inputs), inputs
