"""Speaker embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calibration import make_audio, make_features, settle
from .voice_activity import mel_filters


class XVector(nn.Module):
    """TDNN x-vector (Snyder 2018): dilated convolutions over MFCCs, mean and deviation over time, two dense layers."""

    def __init__(self, n_mfcc: int = 24, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        plan = ((n_mfcc, width, 5, 1), (width, width, 3, 2), (width, width, 3, 3), (width, 2 * width, 1, 1))
        for inner, outer, kernel, dilation in plan:
            layers += [
                nn.Conv1d(inner, outer, kernel, dilation=dilation),
                nn.ReLU(),
                nn.BatchNorm1d(outer, affine=False),
            ]
        self.frames = nn.Sequential(*layers)
        self.segment = nn.Sequential(nn.Linear(4 * width, 64), nn.ReLU(), nn.BatchNorm1d(64), nn.Linear(64, 48))

    def forward(self, mfcc: Tensor) -> Tensor:
        x = self.frames(mfcc)
        deviation, mean = torch.std_mean(x, dim=2, unbiased=True)
        return F.normalize(self.segment(torch.cat([mean, deviation], dim=1)), p=2, dim=1)


class Res2Block(nn.Module):
    """Channel groups that hear each other in turn, then squeeze and excite."""

    def __init__(self, channels: int, dilation: int, scale: int = 4) -> None:
        super().__init__()
        self.scale, width = scale, channels // scale
        self.enter = nn.Sequential(nn.Conv1d(channels, channels, 1), nn.ReLU(), nn.BatchNorm1d(channels))
        self.convs = nn.ModuleList(
            [
                nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, padding_mode="reflect")
                for _ in range(scale - 1)
            ]
        )
        self.leave = nn.Sequential(nn.Conv1d(channels, channels, 1), nn.ReLU(), nn.BatchNorm1d(channels))
        self.gate = nn.Sequential(nn.Conv1d(channels, 16, 1), nn.ReLU(), nn.Conv1d(16, channels, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        pieces = list(torch.chunk(self.enter(x), self.scale, dim=1))
        for index, conv in enumerate(self.convs):
            piece = pieces[index + 1] if index == 0 else pieces[index + 1] + pieces[index]
            pieces[index + 1] = F.relu(conv(piece))
        y = self.leave(torch.cat(pieces, dim=1))
        return x + y * self.gate(y.mean(dim=2, keepdim=True))


class EcapaTdnn(nn.Module):
    """ECAPA-TDNN (Desplanques 2020), samples in: pre-emphasis by convolution, log-mel, attentive statistics pooling."""

    def __init__(self, channels: int = 48, n_mels: int = 40) -> None:
        super().__init__()
        self.register_buffer("emphasis", torch.tensor([[[-0.97, 1.0]]]))
        self.register_buffer("window", torch.hamming_window(400, periodic=True))
        self.register_buffer("mel", mel_filters(n_mels, 512).T.contiguous())
        self.stem = nn.Sequential(nn.Conv1d(n_mels, channels, 5, padding=2), nn.ReLU(), nn.BatchNorm1d(channels))
        self.blocks = nn.ModuleList([Res2Block(channels, dilation) for dilation in (2, 3, 4)])
        self.gather = nn.Conv1d(3 * channels, 96, 1)
        self.attention = nn.Sequential(
            nn.Conv1d(3 * 96, 32, 1), nn.ReLU(), nn.Tanh(), nn.Conv1d(32, 96, 1), nn.Softmax(2)
        )
        self.norm, self.out = nn.BatchNorm1d(192), nn.Linear(192, 64)

    def forward(self, samples: Tensor) -> Tensor:
        x = F.conv1d(F.pad(samples.unsqueeze(1), (1, 0), "reflect"), self.emphasis).squeeze(1)
        power = torch.stft(
            x, 512, 160, 400, self.window, center=True, pad_mode="reflect", return_complex=True
        ).abs().square()  # fmt: skip
        x = (torch.matmul(self.mel, power) + 1e-6).log()
        x = self.stem(x - torch.mean(x, dim=-1, keepdim=True))
        kept: list[Tensor] = []
        for block in self.blocks:
            x = block(x if not kept else x + kept[-1])
            kept.append(x)
        x = F.relu(self.gather(torch.cat(kept, dim=1)))
        frames = x.size(-1)
        mean, deviation = x.mean(2, keepdim=True), torch.sqrt(x.var(2, keepdim=True).clamp(min=1e-4))
        weights = self.attention(torch.cat([x, mean.repeat(1, 1, frames), deviation.repeat(1, 1, frames)], dim=1))
        mean = torch.sum(x * weights, dim=2)
        deviation = torch.sqrt((torch.sum(x**2 * weights, dim=2) - mean**2).clamp(min=1e-4))
        return self.out(self.norm(torch.cat([mean, deviation], dim=1)))


class SpeakerLstm(nn.Module):
    """GE2E (Wan 2018): three LSTMs with a projection each, the last frame, a unit vector."""

    def __init__(self, n_mels: int = 40, hidden: int = 64, size: int = 32) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_mels, hidden, num_layers=3, batch_first=True, proj_size=size)
        self.linear = nn.Linear(size, size)

    def forward(self, log_mel: Tensor) -> Tensor:
        _, (final, _) = self.lstm(log_mel)
        embedding = F.relu(self.linear(final[-1]))
        return embedding / torch.norm(embedding, dim=1, keepdim=True)


def x_vector() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(801)
    inputs = (make_features(2, 24, 80),)
    module = settle(XVector(), inputs)
    return module, (inputs[0][:1],)


def ecapa_tdnn() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(802)
    settled = (torch.cat([make_audio(12000), make_audio(12000).flip(-1), make_audio(12000) * 0.3]),)
    return settle(EcapaTdnn(), settled), (make_audio(12000),)


def speaker_lstm() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(803)
    inputs = (make_features(1, 80, 40),)
    return settle(SpeakerLstm(), inputs), inputs
