"""Speech recognition encoders."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calibration import make_audio, make_features, settle
from .voice_activity import LogMel

N_TOKENS = 29


class RelativePositions(nn.Module):
    """Transformer-XL attention: sinusoids of relative positions, two learned biases, the shift by a reshape."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_size = heads, size // heads
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))
        self.position = nn.Linear(size, size, bias=False)
        self.out = nn.Linear(size, size)
        self.u_bias = nn.Parameter(torch.randn(heads, self.head_size) * 0.3)
        self.v_bias = nn.Parameter(torch.randn(heads, self.head_size) * 0.3)

    def _positions(self, frames: int, size: int) -> Tensor:
        position = torch.arange(frames - 1, -frames, -1.0).unsqueeze(1)
        rates = torch.exp(torch.arange(0, size, 2) * -(math.log(10000.0) / size))
        table = torch.zeros(2 * frames - 1, size)
        table[:, 0::2] = torch.sin(position * rates)
        table[:, 1::2] = torch.cos(position * rates)
        return table

    def _shift(self, scores: Tensor) -> Tensor:
        batch, heads, frames, positions = scores.shape
        padded = F.pad(scores, (1, 0)).view(batch, heads, positions + 1, frames)
        return padded[:, :, 1:].reshape(batch, heads, frames, positions)[..., :frames]

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, size = x.shape
        shape = (batch, -1, self.heads, self.head_size)
        query = self.query(x).view(shape)
        key, value = self.key(x).view(shape).transpose(1, 2), self.value(x).view(shape).transpose(1, 2)
        position = (
            self.position(self._positions(frames, size).to(x)).view(1, -1, self.heads, self.head_size).transpose(1, 2)
        )
        content = torch.matmul((query + self.u_bias).transpose(1, 2), key.transpose(2, 3))
        placed = torch.matmul((query + self.v_bias).transpose(1, 2), position.transpose(2, 3))
        weights = torch.softmax((content + self._shift(placed)) / math.sqrt(self.head_size), dim=-1)
        return self.out(torch.matmul(weights, value).transpose(1, 2).reshape(batch, frames, size))


class ConformerLayer(nn.Module):
    def __init__(self, size: int, heads: int = 4, kernel: int = 15) -> None:
        super().__init__()
        feed = [nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.SiLU(), nn.Dropout(0.1), nn.Linear(2 * size, size)]
        self.feed_1 = nn.Sequential(*feed)
        self.feed_2 = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.SiLU(), nn.Linear(2 * size, size))
        self.attention_norm, self.attention = nn.LayerNorm(size), RelativePositions(size, heads)
        self.conv_norm = nn.LayerNorm(size)
        self.pointwise = nn.Conv1d(size, 2 * size, 1)
        self.depthwise = nn.Conv1d(size, size, kernel, padding=(kernel - 1) // 2, groups=size, bias=False)
        self.batch_norm, self.leave, self.norm = nn.BatchNorm1d(size), nn.Conv1d(size, size, 1), nn.LayerNorm(size)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.feed_1(x)
        x = x + self.attention(self.attention_norm(x))
        y = F.glu(self.pointwise(self.conv_norm(x).mT), dim=1)
        x = x + self.leave(F.silu(self.batch_norm(self.depthwise(y)))).mT
        return self.norm(x + 0.5 * self.feed_2(x))


class Conformer(nn.Module):
    """Conformer CTC (Gulati 2020): subsampling by four, relative positions, log-probabilities and lengths."""

    def __init__(self, n_mels: int = 40, size: int = 48, layers: int = 2) -> None:
        super().__init__()
        self.subsample = nn.Sequential(nn.Conv2d(1, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 16, 3, 2), nn.ReLU())
        self.project = nn.Linear(16 * (((n_mels - 1) // 2 - 1) // 2), size)
        self.layers = nn.ModuleList([ConformerLayer(size) for _ in range(layers)])
        self.ctc = nn.Linear(size, N_TOKENS)

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.subsample(log_mel[:, None])
        x = self.project(torch.einsum("bcft->btcf", x).flatten(2))
        for layer in self.layers:
            x = layer(x)
        return self.ctc(x).log_softmax(dim=-1)


class TransformerTagger(nn.Module):
    """nn.TransformerEncoder as it comes, on log-mels made inside; a class token, sinusoid positions, tags."""

    def __init__(self, size: int = 48, layers: int = 2) -> None:
        super().__init__()
        self.front_end = LogMel(n_fft=400, n_mels=40)
        self.project = nn.Conv1d(40, size, 3, stride=2, padding=1)
        self.token = nn.Parameter(torch.randn(1, 1, size))
        layer = nn.TransformerEncoderLayer(size, 4, 96, dropout=0.1, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.head = nn.Linear(size, 10)

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        x = self.project(self.front_end(samples) / 40.0).transpose(1, 2)
        position = torch.arange(x.shape[1], device=x.device).unsqueeze(1)
        rates = torch.pow(10000.0, -torch.arange(0, x.shape[2], 2, device=x.device) / x.shape[2])
        x = x + torch.stack([torch.sin(position * rates), torch.cos(position * rates)], dim=-1).flatten(1)
        x = self.encoder(torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1))
        return {"tags": torch.sigmoid(self.head(x[:, 0])), "embedding": F.normalize(x[:, 1:].mean(1), dim=-1)}


class MaskedAttention(nn.Module):
    """Pre-norm layers of nn.MultiheadAttention with a causal mask of -inf and the average of all layers."""

    def __init__(self, size: int = 40, layers: int = 3) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(size) for _ in range(layers)])
        self.attention = nn.ModuleList([nn.MultiheadAttention(size, 4) for _ in range(layers)])
        self.mix = nn.Parameter(torch.randn(layers))

    def forward(self, features: Tensor) -> Tensor:
        x = features.transpose(0, 1)
        mask = torch.triu(torch.full((x.shape[0], x.shape[0]), float("-inf"), device=x.device), diagonal=1)
        every = []
        for norm, attention in zip(self.norms, self.attention, strict=True):
            y = norm(x)
            x = x + attention(y, y, y, attn_mask=mask, need_weights=False)[0]
            every.append(x)
        return torch.einsum("l,ltbc->btc", self.mix.softmax(0), torch.stack(every))


class DeepSpeech2(nn.Module):
    """Deep Speech 2 (Amodei 2016): clipped convolutions, BiLSTMs whose directions add up, batch norms."""

    def __init__(self, bins: int = 81, hidden: int = 64, layers: int = 2) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 16, (41, 11), (2, 2), (20, 5)), nn.BatchNorm2d(16), nn.Hardtanh(0, 20, inplace=True),
            nn.Conv2d(16, 16, (21, 11), (2, 1), (10, 5)), nn.BatchNorm2d(16), nn.Hardtanh(0, 20, inplace=True),
        )  # fmt: skip
        sizes = [16 * ((bins + 3) // 4), *[hidden] * (layers - 1)]
        self.rnns = nn.ModuleList([nn.LSTM(size, hidden, bidirectional=True) for size in sizes])
        self.norms = nn.ModuleList([nn.BatchNorm1d(size) for size in [*sizes[1:], hidden]])
        self.lookahead = nn.Conv1d(hidden, hidden, 6, groups=hidden, bias=False)
        self.fc = nn.Linear(hidden, N_TOKENS, bias=False)

    def forward(self, spectrogram: Tensor) -> Tensor:
        x = self.conv(spectrogram.unsqueeze(1))
        sizes = x.size()
        x = x.view(sizes[0], sizes[1] * sizes[2], sizes[3]).transpose(1, 2).transpose(0, 1).contiguous()
        for rnn, norm in zip(self.rnns, self.norms, strict=True):
            x, _ = rnn(x)
            x = x.view(x.size(0), x.size(1), 2, -1).sum(2).view(x.size(0), x.size(1), -1)
            x = norm(x.view(-1, x.size(-1))).view_as(x)
        x = self.lookahead(F.pad(x.permute(1, 2, 0), pad=(0, 5), value=0)).permute(0, 2, 1)
        return F.softmax(self.fc(F.hardtanh(x, 0, 20)), dim=-1)


class QuartzNet(nn.Module):
    """QuartzNet (Kriman 2020): time-channel separable convolutions in residual blocks, a dilated tail, CTC."""

    def __init__(self, n_mels: int = 64, width: int = 48) -> None:
        super().__init__()
        self.stem = self._unit(n_mels, width, 33, stride=2)
        self.blocks = nn.ModuleList()
        for kernel in (33, 39):
            units = nn.Sequential(self._unit(width, width, kernel), nn.ReLU(), self._unit(width, width, kernel))
            skip = nn.Sequential(nn.Conv1d(width, width, 1, bias=False), nn.BatchNorm1d(width, eps=1e-3))
            self.blocks.append(nn.ModuleList([units, skip]))
        self.tail = nn.Sequential(self._unit(width, width, 87, dilation=2), nn.ReLU(), nn.Conv1d(width, N_TOKENS, 1))

    @staticmethod
    def _unit(inner: int, outer: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
        padding = dilation * (kernel - 1) // 2
        depthwise = nn.Conv1d(inner, inner, kernel, stride, padding, dilation, groups=inner, bias=False)
        return nn.Sequential(depthwise, nn.Conv1d(inner, outer, 1, bias=False), nn.BatchNorm1d(outer, eps=1e-3))

    def forward(self, log_mel: Tensor) -> Tensor:
        x = F.relu(self.stem(log_mel))
        for units, skip in self.blocks:
            x = F.relu(units(x) + skip(x))
        return self.tail(x).transpose(1, 2).log_softmax(-1)


def conformer() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(701)
    inputs = (make_features(1, 40, 83),)
    return settle(Conformer(), inputs), inputs


def transformer_tagger() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(702)
    inputs = (make_audio(8000),)
    return settle(TransformerTagger(), inputs), inputs


def masked_attention() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(703)
    inputs = (make_features(1, 48, 40),)
    return settle(MaskedAttention(), inputs), inputs


def deep_speech_2() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(704)
    inputs = (make_features(1, 81, 80),)
    return settle(DeepSpeech2(), inputs), inputs


def quartznet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(705)
    inputs = (make_features(1, 64, 96),)
    return settle(QuartzNet(), inputs), inputs
