"""Speech enhancement: spectral masks and networks on the waveform."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calibration import make_audio, make_features, settle


class MaskingNet(nn.Module):
    """Magnitude mask from a unidirectional GRU, applied to the complex spectrum; as long out as in."""

    def __init__(self, n_fft: int = 512, hop: int = 128, hidden: int = 64) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft).sqrt())
        bins = n_fft // 2 + 1
        self.norm = nn.BatchNorm1d(bins)
        self.gru = nn.GRU(bins, hidden, num_layers=2, batch_first=True)
        self.mask = nn.Linear(hidden, bins)

    def forward(self, noisy: Tensor) -> Tensor:
        spectrum = torch.stft(noisy, self.n_fft, self.hop, window=self.window, return_complex=True)
        features = self.norm(torch.log1p(spectrum.abs()))
        hidden, _ = self.gru(features.transpose(1, 2))
        mask = torch.sigmoid(self.mask(hidden)).transpose(1, 2)
        return torch.istft(spectrum * mask, self.n_fft, self.hop, window=self.window, length=noisy.shape[-1])


class PhaseNet(nn.Module):
    """Magnitude and phase taken apart and put together again: abs, angle, polar, a compressed magnitude."""

    def __init__(self, n_fft: int = 256) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.register_buffer("window", torch.hamming_window(n_fft))
        self.encoder = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.InstanceNorm2d(16, affine=True), nn.PReLU(16))
        self.dilated = nn.ModuleList([nn.Conv2d(16, 16, 3, padding=(d, 1), dilation=(d, 1)) for d in (1, 2, 4)])
        self.head = nn.Conv2d(16, 3, 1)

    def forward(self, noisy: Tensor) -> Tensor:
        length = noisy.size(-1)
        spectrum = torch.stft(
            noisy, self.n_fft, self.n_fft // 4, window=self.window, center=True, pad_mode="constant", normalized=True,
            onesided=True, return_complex=True,
        )  # fmt: skip
        magnitude, phase = spectrum.abs().clamp(min=1e-5) ** 0.3, spectrum.angle()
        x = self.encoder(torch.stack([magnitude, torch.cos(phase), torch.sin(phase)], dim=1))
        for conv in self.dilated:
            x = x + F.gelu(conv(x))
        scale, real, imaginary = self.head(x).unbind(dim=1)
        enhanced_phase = torch.atan2(imaginary + torch.sin(phase), real + torch.cos(phase))
        enhanced = torch.polar((magnitude * 2.0 * torch.sigmoid(scale)) ** (1 / 0.3), enhanced_phase)
        return torch.istft(enhanced, self.n_fft, self.n_fft // 4, window=self.window, normalized=True, length=length)


class RNNoise(nn.Module):
    """RNNoise (Valin 2018): band gains and a voice flag from 42 features, three GRUs fed with each other's outputs."""

    def __init__(self, n_features: int = 42, n_bands: int = 22) -> None:
        super().__init__()
        self.input_dense = nn.Linear(n_features, 24)
        self.vad_gru = nn.GRU(24, 24, batch_first=True)
        self.vad_output = nn.Linear(24, 1)
        self.noise_gru = nn.GRU(24 + 24 + n_features, 48, batch_first=True)
        self.denoise_gru = nn.GRU(24 + 48 + n_features, 96, batch_first=True)
        self.denoise_output = nn.Linear(96, n_bands)

    def forward(
        self, features: Tensor, vad_state: Tensor, noise_state: Tensor, denoise_state: Tensor
    ) -> tuple[Tensor, ...]:
        x = torch.tanh(self.input_dense(features))
        vad, vad_state = self.vad_gru(x, vad_state)
        noise, noise_state = self.noise_gru(torch.cat([x, vad, features], -1), noise_state)
        denoise, denoise_state = self.denoise_gru(torch.cat([vad, noise, features], -1), denoise_state)
        gains = torch.sigmoid(self.denoise_output(denoise))
        return gains, torch.sigmoid(self.vad_output(vad)), vad_state, noise_state, denoise_state


class ComplexConv2d(nn.Module):
    """A convolution with complex weights on a complex tensor, or the transposed one."""

    def __init__(self, inner: int, outer: int, *, transposed: bool = False) -> None:
        super().__init__()
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        extra = {"output_padding": (1, 0)} if transposed else {}
        self.real = kind(inner, outer, (5, 2), stride=(2, 1), padding=(2, 1), **extra)
        self.imaginary = kind(inner, outer, (5, 2), stride=(2, 1), padding=(2, 1), **extra)

    def forward(self, x: Tensor) -> Tensor:
        real = self.real(x.real) - self.imaginary(x.imag)
        imaginary = self.real(x.imag) + self.imaginary(x.real)
        return torch.complex(real, imaginary)


class DCCRN(nn.Module):
    """DCCRN-like (Hu 2020): a complex U-Net with an LSTM between, and a complex ratio mask."""

    def __init__(self, n_fft: int = 256, hop: int = 64) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft))
        widths = [1, 8, 16, 16]
        pairs = list(pairwise(widths))
        self.encoder = nn.ModuleList([ComplexConv2d(a, b) for a, b in pairs])
        self.decoder = nn.ModuleList([ComplexConv2d(2 * b, a, transposed=True) for a, b in reversed(pairs)])
        self.slopes = nn.ModuleList([nn.PReLU() for _ in range(2 * len(pairs) - 1)])
        self.lstm = nn.LSTM(2 * 16 * 16, 64, batch_first=True)
        self.back = nn.Linear(64, 2 * 16 * 16)

    def _rectify(self, x: Tensor, slope: nn.Module) -> Tensor:
        return torch.view_as_complex(slope(torch.view_as_real(x)).contiguous())

    def forward(self, noisy: Tensor) -> Tensor:
        spectrum = torch.stft(noisy, self.n_fft, self.hop, window=self.window, return_complex=True)
        x, skips = spectrum[:, None, 1:], []  # without the constant bin there are 2**7
        for index, layer in enumerate(self.encoder):
            x = self._rectify(layer(x), self.slopes[index])
            skips.append(x)
        batch, channels, bins, frames = x.shape
        y = torch.cat([x.real, x.imag], dim=1).permute(0, 3, 1, 2).reshape(batch, frames, -1)
        y = self.back(self.lstm(y)[0]).reshape(batch, frames, 2, channels, bins).permute(0, 3, 4, 1, 2)
        x = torch.view_as_complex(y.contiguous())
        for index, (layer, skip) in enumerate(zip(self.decoder, reversed(skips), strict=True)):
            x = layer(torch.cat([x, skip], dim=1))
            if index + 1 < len(self.decoder):
                x = self._rectify(x, self.slopes[len(self.encoder) + index])
        mask = F.pad(torch.view_as_real(x.squeeze(1)), (0, 0, 0, 0, 1, 0))
        mask = torch.tanh(torch.view_as_complex(mask.contiguous()).abs()) * torch.exp(
            1j * torch.view_as_complex(mask).angle()
        )
        return torch.istft(spectrum * mask, self.n_fft, self.hop, window=self.window, length=noisy.size(-1))


class CumulativeNorm(nn.Module):
    """Cumulative layer norm: the mean and variance of everything so far, for causal networks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, channels, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        count = torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=x.dtype) * x.shape[1]
        mean = torch.cumsum(x.sum(1), dim=-1) / count
        power = torch.cumsum(x.pow(2).sum(1), dim=-1) / count
        variance = power - mean.pow(2)
        return self.gain * (x - mean.unsqueeze(1)) / (variance.unsqueeze(1) + 1e-8).sqrt() + self.bias


class TemporalBlock(nn.Module):
    def __init__(self, channels: int, hidden: int, dilation: int, *, causal: bool) -> None:
        super().__init__()
        self.padding = (2 * dilation, 0) if causal else (dilation, dilation)
        norm = CumulativeNorm if causal else (lambda size: nn.GroupNorm(1, size, eps=1e-8))
        self.expand = nn.Sequential(nn.Conv1d(channels, hidden, 1), nn.PReLU(), norm(hidden))
        self.depthwise = nn.Conv1d(hidden, hidden, 3, dilation=dilation, groups=hidden)
        self.after = nn.Sequential(nn.PReLU(), norm(hidden))
        self.residual, self.skip = nn.Conv1d(hidden, channels, 1), nn.Conv1d(hidden, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.after(self.depthwise(F.pad(self.expand(x), self.padding)))
        return x + self.residual(y), self.skip(y)


class ConvTasNet(nn.Module):
    """Conv-TasNet (Luo 2019), two speakers: learned basis, masks by a temporal network, overlap and add."""

    def __init__(self, *, causal: bool, basis: int = 48, kernel: int = 32) -> None:
        super().__init__()
        self.basis, self.kernel = basis, kernel
        self.encoder = nn.Conv1d(1, basis, kernel, stride=kernel // 2, bias=False)
        self.bottleneck = nn.Sequential(
            CumulativeNorm(basis) if causal else nn.GroupNorm(1, basis), nn.Conv1d(basis, 32, 1)
        )
        self.blocks = nn.ModuleList([TemporalBlock(32, 64, 2**k, causal=causal) for _ in range(2) for k in range(4)])
        self.mask = nn.Sequential(nn.PReLU(), nn.Conv1d(32, 2 * basis, 1))
        self.decoder = nn.ConvTranspose1d(basis, 1, kernel, stride=kernel // 2, bias=False)

    def forward(self, mixture: Tensor) -> Tensor:
        stride = self.kernel // 2
        rest = (mixture.shape[-1] - self.kernel) % stride
        padded = F.pad(mixture.unsqueeze(1), (stride, stride + (stride - rest) % stride))
        encoded = F.relu(self.encoder(padded))
        x, total = self.bottleneck(encoded), 0
        for block in self.blocks:
            x, skip = block(x)
            total = total + skip
        masks = self.mask(total).view(-1, 2, self.basis, encoded.shape[-1]).softmax(dim=1)
        sources = self.decoder((masks * encoded.unsqueeze(1)).flatten(0, 1))
        return sources.view(-1, 2, padded.shape[-1])[..., stride : stride + mixture.shape[-1]]


class Demucs(nn.Module):
    """Denoiser-style Demucs (Defossez 2020): normalised input, GLUs, an LSTM, skips cut to fit."""

    def __init__(self, width: int = 12, depth: int = 3, kernel: int = 8, stride: int = 4) -> None:
        super().__init__()
        self.kernel, self.stride, self.depth = kernel, stride, depth
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        inner, outer = 1, width
        for index in range(depth):
            self.encoder.append(
                nn.Sequential(
                    nn.Conv1d(inner, outer, kernel, stride), nn.ReLU(), nn.Conv1d(outer, 2 * outer, 1), nn.GLU(1)
                )
            )
            up = [nn.Conv1d(outer, 2 * outer, 1), nn.GLU(1), nn.ConvTranspose1d(outer, inner, kernel, stride)]
            self.decoder.insert(0, nn.Sequential(*up, *([nn.ReLU()] if index else [])))
            inner, outer = outer, 2 * outer
        self.lstm = nn.LSTM(inner, inner, num_layers=2)

    def _valid_length(self, length: int) -> int:
        for _ in range(self.depth):
            length = max(-(-(length - self.kernel) // self.stride) + 1, 1)
        for _ in range(self.depth):
            length = (length - 1) * self.stride + self.kernel
        return length

    def forward(self, mix: Tensor) -> Tensor:
        mix = mix.unsqueeze(1) if mix.dim() == 2 else mix
        deviation = mix.mean(dim=1, keepdim=True).std(dim=-1, keepdim=True)
        length = mix.shape[-1]
        x = F.pad(mix / (1e-3 + deviation), (0, self._valid_length(length) - length))
        skips = []
        for encode in self.encoder:
            x = encode(x)
            skips.append(x)
        x, _ = self.lstm(x.permute(2, 0, 1))
        x = x.permute(1, 2, 0)
        for decode in self.decoder:
            skip = skips.pop(-1)
            x = decode(x + skip[..., : x.shape[-1]])
        return deviation * x[..., :length]


def stft_masking() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(301)
    inputs = (make_audio(16000),)
    return settle(MaskingNet(), inputs), inputs


def phase_net() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(302)
    inputs = (make_audio(8000),)
    return settle(PhaseNet(), inputs), inputs


def rnnoise() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(303)
    inputs = (make_features(1, 20, 42), torch.zeros(1, 1, 24), torch.zeros(1, 1, 48), torch.zeros(1, 1, 96))
    return settle(RNNoise(), inputs), inputs


def dccrn() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(304)
    inputs = (make_audio(8000),)
    return settle(DCCRN(), inputs), inputs


def conv_tasnet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(305)
    inputs = (make_audio(8000),)
    return settle(ConvTasNet(causal=False), inputs), inputs


def causal_conv_tasnet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(306)
    inputs = (make_audio(4001),)
    return settle(ConvTasNet(causal=True), inputs), inputs


def demucs() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(307)
    inputs = (make_audio(8000),)
    return settle(Demucs(), inputs), inputs
