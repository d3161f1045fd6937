"""Music: transcription, tagging, and front ends of their own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .calibration import make_audio, make_features, settle
from .voice_activity import mel_filters

MUSIC_RATE_HZ = 22050


class Pcen(nn.Module):
    """Per-channel energy normalisation (Wang 2017), the smoother as a loop over frames, all parameters learned."""

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.log_s = nn.Parameter(torch.full((n_mels,), math.log(0.04)))
        self.log_alpha = nn.Parameter(torch.full((n_mels,), math.log(0.9)))
        self.log_delta = nn.Parameter(torch.full((n_mels,), math.log(2.0)))
        self.log_r = nn.Parameter(torch.full((n_mels,), math.log(0.5)))

    def forward(self, energy: Tensor) -> Tensor:
        s, alpha = self.log_s.exp(), self.log_alpha.exp()
        delta, r = self.log_delta.exp(), self.log_r.exp()
        smooth, last = [], energy[:, 0]
        for frame in range(energy.shape[1]):
            last = (1 - s) * last + s * energy[:, frame]
            smooth.append(last)
        gain = (torch.stack(smooth, dim=1) + 1e-6) ** -alpha
        return (energy * gain + delta) ** r - delta**r


class PcenTagger(nn.Module):
    """Samples in: magnitude mel, PCEN, a small convolutional tagger with mean and max pooling."""

    def __init__(self, n_mels: int = 32) -> None:
        super().__init__()
        self.register_buffer("window", torch.blackman_window(512))
        self.register_buffer("mel", mel_filters(n_mels, 512, MUSIC_RATE_HZ))
        self.pcen = Pcen(n_mels)
        self.conv = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SELU(), nn.AvgPool2d(2, ceil_mode=True),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.SELU(), nn.MaxPool2d(3, 2, padding=1),
        )  # fmt: skip
        self.out = nn.Linear(64, 16)

    def forward(self, samples: Tensor) -> Tensor:
        spectrum = torch.stft(samples, 512, 256, window=self.window, center=False, return_complex=True)
        mel = torch.einsum("bft,fm->btm", torch.abs(spectrum), self.mel)
        x = self.conv(self.pcen(mel).unsqueeze(1))
        return self.out(torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1))


class HarmonicCnn(nn.Module):
    """Harmonic CNN (Won 2020): triangular filters of learned centre and width, six harmonics as channels, dB."""

    def __init__(self, harmonics: int = 6, levels: int = 32, n_fft: int = 512) -> None:
        super().__init__()
        self.n_fft = n_fft
        bands = 32.7 * 2 ** (torch.arange(levels) / 8)
        self.centre = nn.Parameter(torch.cat([bands * (k + 1) for k in range(harmonics)]).unsqueeze(0))
        self.quality = nn.Parameter(torch.tensor([1.0]))
        self.register_buffer("bins", torch.linspace(0, MUSIC_RATE_HZ / 2, n_fft // 2 + 1))
        self.harmonics, self.levels = harmonics, levels
        self.norm = nn.BatchNorm2d(harmonics)
        self.layers = nn.ModuleList()
        for inner, outer in ((harmonics, 24), (24, 32), (32, 32)):
            self.layers.append(
                nn.Sequential(nn.Conv2d(inner, outer, 3, padding=1, stride=2), nn.BatchNorm2d(outer), nn.ReLU())
            )
        self.dense = nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 20))

    def _filters(self) -> Tensor:
        width = (0.1079 * self.centre + 24.7) / self.quality
        bins = self.bins.unsqueeze(1)
        up = torch.matmul(bins, 2 / width) + 1 - 2 * self.centre / width
        down = torch.matmul(bins, -2 / width) + 1 + 2 * self.centre / width
        return torch.max(self.bins.new_zeros(1), torch.min(down, up))

    def forward(self, samples: Tensor) -> Tensor:
        window = torch.hann_window(self.n_fft, dtype=samples.dtype, device=samples.device)
        spectrum = torch.stft(samples, self.n_fft, 256, window=window, return_complex=True)
        power = torch.view_as_real(spectrum).pow(2).sum(-1)
        energy = torch.matmul(power.transpose(1, 2), self._filters()).transpose(1, 2)
        decibels = 10 * torch.log10(torch.maximum(energy, energy.new_tensor(1e-10)))
        x = decibels.view(decibels.size(0), self.harmonics, self.levels, decibels.size(2))
        x = self.norm(torch.maximum(x, x.flatten(1).max(dim=1).values.view(-1, 1, 1, 1) - 80.0))
        for layer in self.layers:
            x = layer(x)
        x = F.max_pool1d(x.mean(dim=2), x.size(3)).squeeze(2)
        return torch.sigmoid(self.dense(x))


class AcousticStack(nn.Module):
    def __init__(self, n_mels: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d((1, 2)), nn.Dropout(0.25), nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d((1, 2)),
        )  # fmt: skip
        self.fc = nn.Sequential(nn.Linear(24 * (n_mels // 4), 48), nn.Dropout(0.5))
        self.gru = nn.GRU(48, hidden, num_layers=1, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, outputs)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.cnn(mel.unsqueeze(1)).transpose(1, 2).flatten(-2)
        return torch.sigmoid(self.out(self.gru(self.fc(x))[0]))


class NoteCrnn(nn.Module):
    """Onsets and Frames (Hawthorne 2018): an onset stack, a frame stack, and a BiLSTM over both; outputs by name."""

    def __init__(self, n_mels: int = 64, pitches: int = 88) -> None:
        super().__init__()
        self.onset, self.activity = AcousticStack(n_mels, 32, pitches), AcousticStack(n_mels, 32, pitches)
        self.combined = nn.LSTM(2 * pitches, 32, batch_first=True, bidirectional=True)
        self.frame = nn.Linear(64, pitches)
        self.velocity = nn.Conv1d(pitches, pitches, 5, padding=2, groups=pitches)

    def forward(self, mel: Tensor) -> dict[str, Tensor]:
        onset, activity = self.onset(mel), self.activity(mel)
        x, _ = self.combined(torch.cat([onset.detach(), activity], dim=-1))
        velocity = torch.where(onset > 0.5, self.velocity(onset.mT).mT, torch.zeros_like(onset))
        return {"onset": onset, "frame": torch.sigmoid(self.frame(x)), "velocity": velocity.clamp(0.0, 1.0)}


class SpectralResizer(nn.Module):
    """A spectrogram made finer: bicubic and bilinear resize, pixel shuffle, a group and an instance norm between."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.Mish())
        self.deepen = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(16, 16, 3), nn.InstanceNorm2d(16), nn.CELU())
        self.shuffle = nn.Sequential(nn.Conv2d(16, 4 * 8, 1), nn.PixelShuffle(2), nn.Softplus())
        self.out = nn.Conv2d(8 + 1, 1, 3, padding=1, padding_mode="replicate")

    def forward(self, spectrogram: Tensor) -> Tensor:
        x = spectrogram.unsqueeze(1)
        coarse = F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=True)
        fine = F.interpolate(x, size=(2 * x.shape[2], 2 * x.shape[3]), mode="bicubic", align_corners=False)
        y = self.enter(coarse)
        y = F.interpolate(y + self.deepen(y), size=x.shape[-2:], mode="bilinear", align_corners=False)
        return (self.out(torch.cat([self.shuffle(y), fine], dim=1)) + fine).squeeze(1)


def pcen_tagger() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(901)
    inputs = (make_audio(16384, rate_hz=MUSIC_RATE_HZ),)
    return settle(PcenTagger(), inputs), inputs


def harmonic_cnn() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(902)
    tone = make_audio(16384, rate_hz=MUSIC_RATE_HZ)
    module = settle(HarmonicCnn(), (torch.cat([tone, 0.2 * tone.flip(-1), tone.roll(5000, -1)]),))
    return module, (tone,)


def note_crnn() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(903)
    inputs = (make_features(1, 48, 64),)
    return settle(NoteCrnn(), inputs), inputs


def spectral_resizer() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(904)
    inputs = (make_features(1, 40, 32),)
    return settle(SpectralResizer(), inputs), inputs
