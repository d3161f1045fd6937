"""Voice activity detectors, streaming and whole."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calibration import SAMPLE_RATE_HZ, make_audio, make_features, settle


def mel_filters(n_mels: int, n_fft: int, rate_hz: int = SAMPLE_RATE_HZ) -> Tensor:
    """Triangular filters, (bins, mels), evenly spaced on the HTK mel scale."""
    top = 2595.0 * math.log10(1.0 + rate_hz / 2 / 700.0)
    corners = 700.0 * (10.0 ** (torch.linspace(0.0, top, n_mels + 2) / 2595.0) - 1.0)
    bins = torch.linspace(0.0, rate_hz / 2, n_fft // 2 + 1)
    slopes = corners[None, :] - bins[:, None]
    widths = corners[1:] - corners[:-1]
    return torch.clamp(torch.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]), min=0.0)


class LstmVad(nn.Module):
    """Silero-like: strided convolutions over a chunk of samples, an LSTM whose state the caller carries."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.basis = nn.Conv1d(1, 2 * 65, 128, stride=64, bias=False)
        self.encoder = nn.Sequential(
            nn.Conv1d(65, 64, 3, padding=1), nn.ReLU(),
            nn.Conv1d(64, 64, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv1d(64, hidden, 3, stride=2, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.decoder = nn.Sequential(nn.Dropout(0.1), nn.ReLU(), nn.Conv1d(hidden, 1, 1), nn.Sigmoid())

    def forward(self, chunk: Tensor, context: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
        x = torch.cat([context, chunk], dim=1)
        x = F.pad(x.unsqueeze(1), (0, 64), mode="reflect")
        spectrum = self.basis(x)
        magnitude = torch.sqrt(spectrum[:, :65] ** 2 + spectrum[:, 65:] ** 2)
        x = self.encoder(magnitude).transpose(1, 2)
        x, (h, c) = self.lstm(x, (h, c))
        speech = self.decoder(x.transpose(1, 2)).mean(dim=2)
        return {"speech": speech, "context_out": chunk[:, -64:], "h_out": h, "c_out": c}


class LstmCellVad(nn.Module):
    """One frame of features a call, two stacked LSTM cells; h and c in one tensor, a tuple back."""

    def __init__(self, n_features: int = 24, hidden: int = 32) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_features)
        self.first = nn.LSTMCell(n_features, hidden)
        self.second = nn.LSTMCell(hidden, hidden)
        self.head = nn.Linear(hidden, 2)

    def forward(self, frame: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        h0, c0, h1, c1 = state.unbind(0)
        h0, c0 = self.first(self.norm(frame), (h0, c0))
        h1, c1 = self.second(h0, (h1, c1))
        return F.softmax(self.head(h1), dim=-1)[:, 1], torch.stack([h0, c0, h1, c1])


class LogMel(nn.Module):
    """torchaudio's MelSpectrogram and AmplitudeToDB in a few lines, with its top_db floor."""

    def __init__(self, n_fft: int = 512, hop: int = 160, n_mels: int = 40, top_db: float = 80.0) -> None:
        super().__init__()
        self.n_fft, self.hop, self.top_db = n_fft, hop, top_db
        self.register_buffer("window", torch.hann_window(400))
        self.register_buffer("filters", mel_filters(n_mels, n_fft))

    def forward(self, samples: Tensor) -> Tensor:
        spectrum = torch.stft(
            samples, self.n_fft, self.hop, win_length=400, window=self.window, center=True, pad_mode="reflect",
            return_complex=True,
        )  # fmt: skip
        mel = torch.matmul(spectrum.abs().pow(2.0).transpose(-1, -2), self.filters).transpose(-1, -2)
        decibels = 10.0 * torch.log10(torch.clamp(mel, min=1e-10))
        return torch.max(decibels, decibels.amax(dim=(-2, -1), keepdim=True) - self.top_db)


class CrnnVad(nn.Module):
    """Samples in, a probability a frame out: log-mel, convolutions pooled in frequency, BiGRU, upsampled back."""

    def __init__(self) -> None:
        super().__init__()
        self.front_end = LogMel()
        self.norm = nn.InstanceNorm2d(1, affine=True)
        layers: list[nn.Module] = []
        for inner, outer, pool in ((1, 16, (2, 2)), (16, 24, (2, 1)), (24, 32, (5, 1))):
            layers += [
                nn.Conv2d(inner, outer, 3, padding=1),
                nn.BatchNorm2d(outer),
                nn.LeakyReLU(0.1),
                nn.LPPool2d(4, pool),
            ]
        self.cnn = nn.Sequential(*layers)
        self.gru = nn.GRU(64, 32, bidirectional=True, batch_first=True)
        self.head = nn.Linear(64, 1)

    def forward(self, samples: Tensor) -> Tensor:
        x = self.norm(self.front_end(samples).unsqueeze(1))
        frames = x.shape[-1]
        x = self.cnn(x)
        x = x.permute(0, 3, 1, 2).flatten(-2)
        x, _ = self.gru(x)
        x = torch.sigmoid(self.head(x)).transpose(1, 2)
        return F.interpolate(x, size=frames, mode="linear", align_corners=False).squeeze(1)


class MarbleBlock(nn.Module):
    def __init__(self, inner: int, outer: int, kernel: int, repeat: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index in range(repeat):
            channels = inner if index == 0 else outer
            layers += [nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
                       nn.Conv1d(channels, outer, 1, bias=False), nn.BatchNorm1d(outer, eps=1e-3)]  # fmt: skip
            if index + 1 < repeat:
                layers += [nn.ReLU(), nn.Dropout(0.1)]
        self.body = nn.Sequential(*layers)
        self.skip = nn.Sequential(nn.Conv1d(inner, outer, 1, bias=False), nn.BatchNorm1d(outer, eps=1e-3))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.skip(x))


class MarbleNet(nn.Module):
    """MarbleNet (Jia 2021) on MFCCs normalised per feature, as NeMo does it, with its odd tail of dilated blocks."""

    def __init__(self, n_mfcc: int = 64) -> None:
        super().__init__()
        self.prologue = nn.Sequential(nn.Conv1d(n_mfcc, 64, 11, padding=5, bias=False), nn.BatchNorm1d(64), nn.ReLU())
        self.blocks = nn.Sequential(MarbleBlock(64, 32, 13, 2), MarbleBlock(32, 32, 15, 2), MarbleBlock(32, 32, 17, 2))
        self.epilogue = nn.Sequential(
            nn.Conv1d(32, 48, 29, padding=28, dilation=2, bias=False), nn.BatchNorm1d(48), nn.ReLU(),
            nn.Conv1d(48, 48, 1, bias=False), nn.BatchNorm1d(48), nn.ReLU(),
        )  # fmt: skip
        self.decoder = nn.Conv1d(48, 2, 1)

    def forward(self, mfcc: Tensor) -> tuple[Tensor, Tensor]:
        deviation = mfcc.var(dim=2, keepdim=True, correction=1).sqrt() + 1e-5
        x = (mfcc - mfcc.mean(dim=2, keepdim=True)) / deviation
        logits = self.decoder(self.epilogue(self.blocks(self.prologue(x))))
        return F.adaptive_avg_pool1d(logits, 1).squeeze(-1), logits.transpose(1, 2).log_softmax(-1)


def lstm_vad() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(201)
    inputs = (make_audio(512), torch.zeros(1, 64), torch.zeros(1, 1, 64), torch.zeros(1, 1, 64))
    return settle(LstmVad(), inputs), inputs


def lstm_cell_vad() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(202)
    inputs = (make_features(1, 24), torch.zeros(4, 1, 32))
    module = LstmCellVad()
    nn.init.normal_(module.head.weight, std=2.0)
    return module.eval(), inputs


def crnn_vad() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(203)
    inputs = (make_audio(16000),)
    return settle(CrnnVad(), inputs), inputs


def marblenet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(204)
    inputs = (make_features(1, 64, 63),)
    return settle(MarbleNet(), inputs), inputs
