"""Signal processing inside networks: filters computed from parameters, synthesis, FFTs other than the STFT."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calibration import SAMPLE_RATE_HZ, make_audio, make_features, settle
from .voice_activity import mel_filters


class SincNet(nn.Module):
    """SincNet (Ravanelli 2018): band-pass kernels made in forward from learned edges; layer norm, a plain RNN."""

    def __init__(self, filters: int = 24, kernel: int = 129) -> None:
        super().__init__()
        edges = 30.0 + (SAMPLE_RATE_HZ / 2 - 130.0) * torch.linspace(0, 1, filters + 1) ** 1.5
        self.low, self.band = nn.Parameter(edges[:-1, None].clone()), nn.Parameter(edges.diff()[:, None])
        half = kernel // 2
        self.register_buffer("window", 0.54 - 0.46 * torch.cos(math.pi * torch.arange(half) / half))
        self.register_buffer("time", 2 * math.pi * torch.arange(-half, 0).view(1, -1) / SAMPLE_RATE_HZ)
        self.norm = nn.InstanceNorm1d(1, affine=True)
        self.after = nn.Sequential(nn.MaxPool1d(3), nn.BatchNorm1d(filters), nn.LeakyReLU(0.2))
        self.conv = nn.Sequential(nn.Conv1d(filters, 32, 5, stride=2), nn.AvgPool1d(4), nn.BatchNorm1d(32), nn.ELU())
        self.rnn = nn.RNN(32, 32, num_layers=2, nonlinearity="tanh", batch_first=True)
        self.out = nn.Linear(32, 16)

    def _kernels(self) -> Tensor:
        low = 30.0 + torch.abs(self.low)
        high = torch.clamp(low + 50.0 + torch.abs(self.band), 50.0, SAMPLE_RATE_HZ / 2)
        band = (high - low)[:, 0]
        left = (torch.sin(high @ self.time) - torch.sin(low @ self.time)) / (self.time / 2) * self.window
        middle = 2 * band.view(-1, 1)
        return torch.cat([left, middle, torch.flip(left, dims=[1])], dim=1) / (2 * band[:, None])

    def forward(self, samples: Tensor) -> Tensor:
        x = F.conv1d(self.norm(samples.unsqueeze(1)), self._kernels().unsqueeze(1), stride=8)
        x = self.conv(self.after(torch.abs(x)))
        x, _ = self.rnn(x.permute(0, 2, 1))
        return F.log_softmax(self.out(x[:, -1, :]), dim=1)


class Ddsp(nn.Module):
    """DDSP (Engel 2020): f0 and loudness to harmonics and filtered noise; the noise is an input, so that it repeats."""

    def __init__(self, harmonics: int = 24, bands: int = 33, hop: int = 64) -> None:
        super().__init__()
        self.hop, self.harmonics = hop, harmonics
        self.f0_net, self.loudness_net = self._mlp(1), self._mlp(1)
        self.gru = nn.GRU(64, 48, batch_first=True)
        self.mlp = self._mlp(48 + 2)
        self.harmonic_head, self.noise_head = nn.Linear(32, harmonics + 1), nn.Linear(32, bands)

    @staticmethod
    def _mlp(size: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(size, 32), nn.LayerNorm(32), nn.LeakyReLU(), nn.Linear(32, 32), nn.LeakyReLU())

    def _upsample(self, x: Tensor) -> Tensor:
        return F.interpolate(x.transpose(1, 2), size=x.shape[1] * self.hop, mode="linear").transpose(1, 2)

    def _filter(self, noise: Tensor, magnitudes: Tensor) -> Tensor:
        """Linear-phase filters, a hop each, applied as products of spectra."""
        impulse = torch.fft.irfft(torch.complex(magnitudes, torch.zeros_like(magnitudes)))
        size = impulse.shape[-1]
        impulse = torch.roll(impulse, size // 2, -1) * torch.hann_window(size)
        impulse = torch.roll(F.pad(impulse, (0, 2 * self.hop - size)), -size // 2, -1)
        signal = F.pad(noise.view(noise.shape[0], -1, self.hop), (0, self.hop))
        filtered = torch.fft.irfft(torch.fft.rfft(signal) * torch.fft.rfft(impulse))
        return filtered[..., : self.hop].reshape(noise.shape[0], -1)

    def forward(self, f0_hz: Tensor, loudness: Tensor, noise: Tensor) -> Tensor:
        pitch = 12.0 * torch.log2(f0_hz.clamp(min=1.0) / 440.0) / 24.0
        x, _ = self.gru(torch.cat([self.f0_net(pitch), self.loudness_net(loudness)], -1))
        x = self.mlp(torch.cat([x, pitch, loudness], -1))
        controls = 2.0 * torch.sigmoid(self.harmonic_head(x)) ** math.log(10) + 1e-7
        total, weights = controls[..., :1], controls[..., 1:]
        multiples = torch.arange(1, self.harmonics + 1, device=f0_hz.device)
        weights = weights * (f0_hz * multiples < SAMPLE_RATE_HZ / 2).float()
        weights = weights / weights.sum(-1, keepdim=True) * total
        turns = torch.cumsum(self._upsample(f0_hz) / SAMPLE_RATE_HZ, dim=1) % 1.0
        harmonic = (torch.sin(2 * math.pi * turns * multiples) * self._upsample(weights)).sum(-1)
        return harmonic + 0.3 * self._filter(noise, 2.0 * torch.sigmoid(self.noise_head(x) - 1.0))


class Autocorrelation(nn.Module):
    """A pitch tracker without weights but for its head: Wiener-Khinchin, YIN's cumulative mean, the best three lags."""

    def __init__(self, frame: int = 512, lags: int = 200) -> None:
        super().__init__()
        self.frame, self.lags = frame, lags
        self.head = nn.Sequential(nn.Linear(lags, 32), nn.Softsign(), nn.Linear(32, 1))

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        frames = F.pad(samples, (0, self.frame // 2)).unfold(-1, self.frame, 160)
        spectrum = torch.fft.rfft(frames, n=2 * self.frame, dim=-1)
        correlation = torch.fft.irfft(spectrum.real.square() + spectrum.imag.square(), dim=-1)[..., : self.lags]
        energy = correlation[..., :1]
        difference = 2 * (energy - correlation)
        lag = torch.arange(1, self.lags, device=samples.device)
        normal = difference[..., 1:] * lag / (difference[..., 1:].cumsum(-1) + 1e-6)
        best = torch.topk(correlation[..., 32:] / (energy + 1e-6), k=3, dim=-1)
        voiced = torch.sigmoid(self.head(F.pad(normal, (1, 0), value=1.0))).squeeze(-1)
        return SAMPLE_RATE_HZ / (best.indices + 32).float(), best.values, voiced


class StateSpace(nn.Module):
    """S4D (Gu 2022): kernels from complex exponentials of parameters, long causal convolutions by FFT, gated."""

    def __init__(self, channels: int = 16, states: int = 8, layers: int = 2) -> None:
        super().__init__()
        self.enter = nn.Conv1d(1, channels, 16, stride=8)
        self.step = nn.Parameter(torch.rand(layers, channels) * 2 - 4.0)
        self.decay = nn.Parameter(torch.log(0.5 * torch.ones(layers, channels, states)))
        self.turn = nn.Parameter(math.pi * torch.arange(states).repeat(layers, channels, 1))
        self.c = nn.Parameter(torch.randn(layers, channels, states, 2) * 0.5**0.5)
        self.skip = nn.Parameter(torch.randn(layers, channels, 1))
        self.mix = nn.ModuleList(
            [nn.Sequential(nn.GELU(), nn.Conv1d(channels, 2 * channels, 1), nn.GLU(1)) for _ in range(layers)]
        )
        self.out = nn.Linear(channels, 8)

    def _kernel(self, layer: int, length: int) -> Tensor:
        step = torch.exp(self.step[layer])[:, None]
        a = -torch.exp(self.decay[layer]) + 1j * self.turn[layer]
        c = torch.view_as_complex(self.c[layer]) * (torch.exp(a * step) - 1.0) / a
        powers = torch.exp((a * step).unsqueeze(-1) * torch.arange(length, device=a.device))
        return 2 * torch.einsum("cn,cnl->cl", c, powers).real

    def forward(self, samples: Tensor) -> Tensor:
        x = self.enter(samples.unsqueeze(1))
        length = x.shape[-1]
        for layer, mix in enumerate(self.mix):
            kernel = torch.fft.rfft(self._kernel(layer, length), n=2 * length)
            y = torch.fft.irfft(torch.fft.rfft(x, n=2 * length) * kernel, n=2 * length)[..., :length]
            x = x + mix(y + self.skip[layer] * x)
        return self.out(x.mean(-1))


class MfccDeltas(nn.Module):
    """Kaldi-like features for a linear classifier: MFCC, deltas twice, a sliding mean taken off, a lifter."""

    def __init__(self, n_mels: int = 40, n_mfcc: int = 20, context: int = 21) -> None:
        super().__init__()
        self.context = context
        angle = math.pi / n_mels * (torch.arange(n_mels)[:, None] + 0.5) * torch.arange(n_mfcc)
        self.register_buffer("dct", torch.cos(angle) * math.sqrt(2.0 / n_mels))
        self.register_buffer("lifter", 1 + 11 * torch.sin(math.pi * torch.arange(n_mfcc) / 22))
        self.register_buffer("window", torch.hann_window(400, periodic=False).pow(0.85))
        self.register_buffer("mel", mel_filters(n_mels, 512))
        self.register_buffer("slope", torch.arange(-2.0, 3.0).repeat(n_mfcc, 1, 1))
        self.out = nn.Linear(3 * n_mfcc, 10)

    def _delta(self, x: Tensor) -> Tensor:
        return F.conv1d(F.pad(x, (2, 2), mode="replicate"), self.slope, groups=x.shape[1]) / 10.0

    def forward(self, samples: Tensor) -> Tensor:
        frames = samples.unfold(-1, 400, 160)
        frames = frames - frames.mean(-1, keepdim=True)
        frames = frames - 0.97 * F.pad(frames, (1, 0), mode="replicate")[..., :-1]
        power = torch.fft.rfft(frames * self.window, n=512).abs() ** 2.0
        log_mel = (power @ self.mel).clamp_min(torch.finfo(torch.float32).eps).log()
        mfcc = ((log_mel @ self.dct) * self.lifter).transpose(1, 2)
        total = F.pad(torch.cumsum(F.pad(mfcc, (self.context // 2,) * 2, mode="reflect"), dim=-1), (1, 0))
        mfcc = mfcc - (total[..., self.context :] - total[..., : -self.context]) / self.context
        delta = self._delta(mfcc)
        x = torch.cat([mfcc, delta, self._delta(delta)], dim=1)
        return self.out(F.normalize(x.transpose(1, 2), dim=-1))


class OverlapAdd(nn.Module):
    """An equaliser that does its own frames: as_strided out, FFT and a gain a bin, index_add back."""

    def __init__(self, frame: int = 256) -> None:
        super().__init__()
        self.frame = frame
        self.register_buffer("window", torch.signal.windows.cosine(frame, sym=False))
        self.gain = nn.Sequential(nn.Linear(frame // 2 + 1, 32), nn.ReLU(), nn.Linear(32, frame // 2 + 1))

    def forward(self, samples: Tensor) -> Tensor:
        hop = self.frame // 2
        count = (samples.shape[-1] - self.frame) // hop + 1
        frames = samples[0].as_strided((count, self.frame), (hop, 1)) * self.window
        spectrum = torch.fft.fft(frames)[:, : hop + 1]
        gain = F.softplus(self.gain(torch.log(spectrum.abs() + 1e-4)))
        restored = torch.fft.irfft(spectrum * gain, n=self.frame) * self.window
        places = torch.arange(count)[:, None] * hop + torch.arange(self.frame)
        out = torch.zeros(samples.shape[-1], dtype=samples.dtype)
        return out.index_add(0, places.flatten(), restored.flatten()).unsqueeze(0)


def sincnet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1301)
    inputs = (make_audio(8000),)
    return settle(SincNet(), inputs), inputs


def ddsp() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1302)
    frames = torch.linspace(0, 1, 40).view(1, -1, 1)
    inputs = (180 + 240 * frames, torch.sin(9 * frames) - 0.5, make_features(1, 2560).clamp(-1, 1))
    return settle(Ddsp(), inputs), inputs


def autocorrelation() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1303)
    inputs = (make_audio(8000),)
    return settle(Autocorrelation(), inputs), inputs


def state_space() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1304)
    inputs = (make_audio(4000),)
    return settle(StateSpace(), inputs), inputs


def mfcc_deltas() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1305)
    inputs = (make_audio(8000),)
    return settle(MfccDeltas(), inputs), inputs


def overlap_add() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1306)
    inputs = (make_audio(4096),)
    return settle(OverlapAdd(), inputs), inputs
