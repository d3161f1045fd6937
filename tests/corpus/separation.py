"""Source separation on spectrograms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calibration import make_audio, make_features, settle


class OpenUnmix(nn.Module):
    """Open-Unmix (Stoeter 2019): a three-layer BiLSTM on stereo magnitudes, (batch, channel, bin, frame)."""

    def __init__(self, bins: int = 129, kept: int = 96, hidden: int = 64) -> None:
        super().__init__()
        self.bins, self.kept, self.hidden = bins, kept, hidden
        self.fc1 = nn.Linear(kept * 2, hidden, bias=False)
        self.bn1 = nn.BatchNorm1d(hidden)
        self.lstm = nn.LSTM(hidden, hidden // 2, num_layers=3, bidirectional=True, batch_first=False, dropout=0.4)
        self.fc2 = nn.Linear(2 * hidden, hidden, bias=False)
        self.bn2 = nn.BatchNorm1d(hidden)
        self.fc3 = nn.Linear(hidden, bins * 2, bias=False)
        self.bn3 = nn.BatchNorm1d(bins * 2)
        self.input_mean = nn.Parameter(torch.rand(kept) * -0.5)
        self.input_scale = nn.Parameter(torch.rand(kept) + 0.5)
        self.output_scale = nn.Parameter(torch.rand(bins) + 0.5)
        self.output_mean = nn.Parameter(torch.rand(bins))

    def forward(self, magnitude: Tensor) -> Tensor:
        x = magnitude.permute(3, 0, 1, 2)
        frames, batch, channels, _ = x.data.shape
        mix = x.detach().clone()
        x = (x[..., : self.kept] + self.input_mean) * self.input_scale
        x = self.bn1(self.fc1(x.reshape(-1, channels * self.kept)))
        x = torch.tanh(x.reshape(frames, batch, self.hidden))
        x = torch.cat([x, self.lstm(x)[0]], -1)
        x = F.relu(self.bn2(self.fc2(x.reshape(-1, x.shape[-1]))))
        x = self.bn3(self.fc3(x)).reshape(frames, batch, channels, self.bins)
        x = x * self.output_scale + self.output_mean
        return (F.relu(x) * mix).permute(1, 2, 3, 0)


class OpenUnmixOnSamples(nn.Module):
    """Stereo samples in and out: STFT, Open-Unmix for two targets, one round of soft masks, iSTFT."""

    def __init__(self, n_fft: int = 256) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.window = nn.Parameter(torch.hann_window(n_fft), requires_grad=False)
        self.targets = nn.ModuleDict({name: OpenUnmix(hidden=32) for name in ("vocals", "rest")})

    def forward(self, mixture: Tensor) -> Tensor:
        batch, channels, length = mixture.shape
        spectrum = torch.stft(
            mixture.reshape(-1, length), self.n_fft, self.n_fft // 4, window=self.window, center=True, normalized=False,
            onesided=True, pad_mode="reflect", return_complex=True,
        )  # fmt: skip
        spectrum = torch.view_as_real(spectrum).view(batch, channels, self.n_fft // 2 + 1, -1, 2)
        magnitude = torch.pow(spectrum, 2).sum(-1).sqrt()
        estimates = torch.stack([model(magnitude) for model in self.targets.values()], dim=1) + 1e-3
        masks = estimates / estimates.sum(dim=1, keepdim=True)
        separated = torch.view_as_complex(masks[..., None] * spectrum[:, None])
        shape = separated.shape
        audio = torch.istft(
            separated.reshape(-1, *shape[-2:]), self.n_fft, self.n_fft // 4, window=self.window, length=length
        )
        return audio.view(*shape[:-2], length)


class UNet(nn.Module):
    """Spleeter-like U-Net (Jansson 2017): strided convolutions down, transposed ones up, cropped skips."""

    def __init__(self, widths: tuple[int, ...] = (8, 16, 24, 32)) -> None:
        super().__init__()
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        inner = 1
        for outer in widths:
            self.down.append(
                nn.Sequential(nn.Conv2d(inner, outer, 5, 2), nn.BatchNorm2d(outer, eps=1e-3), nn.LeakyReLU(0.2))
            )
            inner = outer
        for index, outer in enumerate([*reversed(widths[:-1]), 1]):
            first = inner if index == 0 else 2 * inner
            up = nn.ConvTranspose2d(first, outer, 5, 2, padding=2, output_padding=1)
            self.up.append(nn.Sequential(up, nn.ReLU(), nn.BatchNorm2d(outer, eps=1e-3), nn.Dropout2d(0.5)))
            inner = outer
        self.mask = nn.Conv2d(1, 2, 4, dilation=2, padding=3)

    def forward(self, magnitude: Tensor) -> Tensor:
        x, skips = magnitude.unsqueeze(1), []
        for layer in self.down:
            x = layer(F.pad(x, (1, 2, 1, 2)))
            skips.append(x)
        for index, layer in enumerate(self.up):
            if index:
                skip = skips[-1 - index]
                x = torch.cat([skip, x[:, :, : skip.shape[2], : skip.shape[3]]], dim=1)
            x = layer(x)
        mask = torch.sigmoid(self.mask(x[..., : magnitude.shape[-2], : magnitude.shape[-1]]))
        return mask * magnitude.unsqueeze(1)


class BandSplit(nn.Module):
    """Band-split (Luo 2023) in small: bands of unequal width, one norm and projection each, RNNs across both axes."""

    def __init__(self, n_fft: int = 256, size: int = 24) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.widths = [4] * 8 + [8] * 4 + [16] * 3 + [17]
        self.register_buffer("window", torch.hann_window(n_fft))
        self.split = nn.ModuleList([nn.Sequential(nn.LayerNorm(2 * w), nn.Linear(2 * w, size)) for w in self.widths])
        self.time = nn.GRU(size, size, batch_first=True)
        self.band = nn.LSTM(size, size, batch_first=True, bidirectional=True)
        self.band_out = nn.Linear(2 * size, size)
        self.masks = nn.ModuleList([nn.Sequential(nn.Linear(size, 4 * w), nn.GLU(dim=-1)) for w in self.widths])

    def forward(self, mixture: Tensor) -> Tensor:
        spectrum = torch.stft(mixture, self.n_fft, self.n_fft // 2, window=self.window, return_complex=True)
        real = torch.view_as_real(spectrum.transpose(1, 2))  # (batch, frame, bin, 2)
        bands = torch.split(real, self.widths, dim=2)
        x = torch.stack([layer(band.flatten(2)) for layer, band in zip(self.split, bands, strict=True)], dim=2)
        batch, frames, count, size = x.shape
        along = self.time(x.transpose(1, 2).reshape(-1, frames, size))[0]
        x = x + along.view(batch, count, frames, size).transpose(1, 2)
        x = x + self.band_out(self.band(x.reshape(-1, count, size))[0]).view_as(x)
        masks = [layer(x[:, :, index]).unflatten(-1, (-1, 2)) for index, layer in enumerate(self.masks)]
        mask = torch.view_as_complex(torch.cat(masks, dim=2).contiguous()).transpose(1, 2)
        return torch.istft(spectrum * mask, self.n_fft, self.n_fft // 2, window=self.window, length=mixture.shape[-1])


def open_unmix() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(501)
    inputs = (make_features(1, 2, 129, 64).abs(),)
    return settle(OpenUnmix(), inputs), inputs


def open_unmix_on_samples() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(502)
    left, right = make_audio(4096), make_audio(4096).roll(7, -1)
    inputs = (torch.stack([left, 0.7 * right], dim=1),)
    return settle(OpenUnmixOnSamples(), inputs), inputs


def unet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(503)
    inputs = (make_features(1, 128, 64).abs(),)
    return settle(UNet(), inputs), inputs


def band_split() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(504)
    inputs = (make_audio(4000),)
    return settle(BandSplit(), inputs), inputs
