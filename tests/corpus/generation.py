"""Audio made from something smaller: WaveNet, a vocoder, codecs with vector quantisation."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from .calibration import make_audio, make_features, settle


class CausalConv1d(nn.Conv1d):
    """Pads on the left alone, so that nothing is heard before its time."""

    def forward(self, x: Tensor) -> Tensor:
        extent = (self.kernel_size[0] - 1) * self.dilation[0]
        rest = -(x.shape[-1] - 1) % self.stride[0] if self.stride[0] > 1 else 0
        return super().forward(F.pad(x, (extent + 1 - self.stride[0], rest)))


class WaveNet(nn.Module):
    """WaveNet (van den Oord 2016): mu-law in, gated dilated convolutions conditioned on mels, logits out."""

    def __init__(self, channels: int = 24, levels: int = 64, n_mels: int = 20, hop: int = 40) -> None:
        super().__init__()
        self.levels, self.hop = levels, hop
        self.embed = nn.Embedding(levels, channels)
        self.condition = nn.Conv1d(n_mels, 2 * channels, 1)
        self.dilated = nn.ModuleList(
            [CausalConv1d(channels, 2 * channels, 2, dilation=2**k) for _ in range(2) for k in range(5)]
        )
        self.residual = nn.ModuleList([nn.Conv1d(channels, channels, 1) for _ in self.dilated])
        self.skip = nn.ModuleList([nn.Conv1d(channels, 32, 1) for _ in self.dilated])
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(32, 32, 1), nn.ReLU(), nn.Conv1d(32, levels, 1))

    def forward(self, samples: Tensor, mels: Tensor) -> Tensor:
        mu = self.levels - 1.0
        companded = torch.sign(samples) * torch.log1p(mu * torch.abs(samples)) / math.log1p(mu)
        index = torch.floor((companded + 1) / 2 * mu + 0.5).long()
        x = self.embed(index).transpose(1, 2)
        condition = F.interpolate(self.condition(mels), scale_factor=float(self.hop), mode="nearest")
        total: Tensor | int = 0
        for dilated, residual, skip in zip(self.dilated, self.residual, self.skip, strict=True):
            value, gate = (dilated(x) + condition).chunk(2, dim=1)
            y = torch.tanh(value) * torch.sigmoid(gate)
            total = total + skip(y)
            x = (x + residual(y)) * math.sqrt(0.5)
        return self.head(total)


class ResidualStack(nn.Module):
    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...] = (1, 3)) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for dilation in dilations:
            self.convs.append(weight_norm(nn.Conv1d(channels, channels, kernel, dilation=dilation, padding="same")))

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = x + conv(F.leaky_relu(x, 0.1))
        return x


class HifiGan(nn.Module):
    """HiFi-GAN-like (Kong 2020): weight-normed transposed convolutions, several receptive fields averaged, tanh."""

    def __init__(self, n_mels: int = 40, width: int = 48, rates: tuple[int, ...] = (8, 5, 2)) -> None:
        super().__init__()
        self.enter = weight_norm(nn.Conv1d(n_mels, width, 7, padding=3))
        self.ups, self.fields = nn.ModuleList(), nn.ModuleList()
        for index, rate in enumerate(rates):
            inner, outer = width // 2**index, width // 2 ** (index + 1)
            up = nn.ConvTranspose1d(inner, outer, 2 * rate, rate, padding=rate // 2 + rate % 2, output_padding=rate % 2)
            self.ups.append(weight_norm(up))
            self.fields.append(nn.ModuleList([ResidualStack(outer, kernel) for kernel in (3, 7)]))
        self.leave = weight_norm(nn.Conv1d(width // 2 ** len(rates), 1, 7, padding=3))

    def forward(self, mel: Tensor) -> Tensor:
        x = self.enter(mel)
        for up, fields in zip(self.ups, self.fields, strict=True):
            x = up(F.leaky_relu(x, 0.1))
            x = sum(field(x) for field in fields) / len(fields)
        return torch.tanh(self.leave(F.leaky_relu(x)))


class ResidualQuantizer(nn.Module):
    """Each stage takes the nearest code, by cdist and argmin, of what the stages before left over."""

    def __init__(self, stages: int, codes: int, size: int) -> None:
        super().__init__()
        self.books = nn.Parameter(torch.randn(stages, codes, size) / (1 + torch.arange(stages))[:, None, None])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rest, quantized, indices = x, torch.zeros_like(x), []
        for book in self.books:
            distance = torch.cdist(rest, book.unsqueeze(0))
            index = distance.argmin(dim=-1)
            code = F.embedding(index, book)
            rest, quantized = rest - code, quantized + code
            indices.append(index)
        return x + (quantized - x).detach(), torch.stack(indices, dim=1)


class VqCodec(nn.Module):
    """SoundStream-like codec: causal strided encoder, residual quantiser, transposed decoder trimmed on the right."""

    def __init__(self, width: int = 12, rates: tuple[int, ...] = (4, 5, 4), size: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = [CausalConv1d(1, width, 7)]
        for rate in rates:
            layers += [nn.ELU(), CausalConv1d(width, 2 * width, 2 * rate, stride=rate)]
            width *= 2
        self.encoder = nn.Sequential(*layers, nn.ELU(), nn.Conv1d(width, size, 1))
        self.quantizer = ResidualQuantizer(3, 64, size)
        self.enter = nn.Conv1d(size, width, 1)
        self.decoder = nn.ModuleList()
        for rate in reversed(rates):
            self.decoder.append(nn.ConvTranspose1d(width, width // 2, 2 * rate, stride=rate))
            width //= 2
        self.leave = CausalConv1d(width, 1, 7)

    def decode(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for layer in self.decoder:
            x = layer(F.elu(x))[..., : -layer.stride[0]]
        return torch.tanh(self.leave(F.elu(x)))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        latent = self.encoder(samples.unsqueeze(1)).transpose(1, 2)
        quantized, codes = self.quantizer(latent)
        return self.decode(quantized.transpose(1, 2)).squeeze(1), codes


class CodecDecoder(nn.Module):
    """Codes in, samples out: the half of a codec that a phone plays, with a Snake activation and old weight norm."""

    def __init__(self, books: int = 2, codes: int = 64, size: int = 32) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList([nn.Embedding(codes, size) for _ in range(books)])
        self.alpha = nn.Parameter(torch.rand(1, size, 1) + 0.5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # deprecated, and what most published vocoders use
            self.up = nn.utils.weight_norm(nn.ConvTranspose1d(size, size // 2, 16, 8, 4))
            self.leave = nn.utils.weight_norm(nn.Conv1d(size // 2, 1, 7))
        self.refine = nn.Upsample(scale_factor=4, mode="linear", align_corners=True)

    def forward(self, codes: Tensor) -> Tensor:
        x = torch.stack([book(codes[:, index]) for index, book in enumerate(self.embeddings)]).sum(0).transpose(1, 2)
        x = x + (self.alpha + 1e-9).reciprocal() * torch.sin(self.alpha * x).pow(2)
        x = self.refine(F.silu(self.up(x)))
        return torch.tanh(self.leave(F.pad(x, (3, 3), mode="replicate")))


class ConvNeXt(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand, self.shrink = nn.Linear(channels, 2 * channels), nn.Linear(2 * channels, channels)
        self.gamma = nn.Parameter(torch.rand(channels) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.gamma * self.shrink(F.gelu(self.expand(y)))
        return x + y.transpose(1, 2)


class Vocos(nn.Module):
    """Vocos (Siuzdak 2023): ConvNeXt blocks predict magnitude and phase of a spectrogram, istft makes samples of it."""

    def __init__(self, n_mels: int = 40, channels: int = 48, n_fft: int = 256) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.embed = nn.Conv1d(n_mels, channels, 7, padding=3)
        self.blocks = nn.Sequential(ConvNeXt(channels), ConvNeXt(channels))
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.out = nn.Linear(channels, n_fft + 2)
        self.register_buffer("window", torch.hann_window(n_fft))

    def forward(self, mel: Tensor) -> Tensor:
        x = self.norm(self.blocks(self.embed(mel)).transpose(1, 2))
        magnitude, phase = self.out(x).transpose(1, 2).chunk(2, dim=1)
        magnitude = torch.clip(torch.exp(magnitude), max=1e2)
        spectrum = magnitude * (torch.cos(phase) + 1j * torch.sin(phase))
        return torch.istft(spectrum, self.n_fft, self.n_fft // 4, self.n_fft, self.window, center=True)


def wavenet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(601)
    inputs = (make_audio(1000), make_features(1, 20, 25))
    return settle(WaveNet(), inputs), inputs


def hifi_gan() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(602)
    inputs = (make_features(1, 40, 32),)
    return settle(HifiGan(), inputs, spread=0.7), inputs


def vq_codec() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(603)
    inputs = (make_audio(4000),)
    return settle(VqCodec(), inputs), inputs


def codec_decoder() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(604)
    inputs = (torch.randint(0, 64, (1, 2, 40)),)
    return settle(CodecDecoder(), inputs, spread=0.7), inputs


def vocos() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(605)
    inputs = (make_features(1, 40, 40),)
    return settle(Vocos(), inputs), inputs
