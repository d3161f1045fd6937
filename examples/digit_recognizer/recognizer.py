"""A recogniser of spoken digits: 640 ms of audio at 8 kHz to a score of each word, sixteen times, call after call.

A log-mel spectrogram, two convolutions, a GRU that hears only what was, and CTC over whole words: zero to nine, star,
pound, and a blank for all else. The GRU's state and the last samples go in and come out. Source: Graves et al.,
"Connectionist temporal classification", ICML 2006. The weights are made by `train_recognizer.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from words import RATE_HZ, WORDS

HOP, N_FFT, MELS = 80, 256, 32
WINDOW = 64 * HOP
CHANNELS, HIDDEN, KERNEL = 64, 96, 5
CONTEXT = N_FFT - HOP + 9 * HOP
"""samples before a call: what its first spectrum lacks, and nine spectra that two convolutions look back at"""
_FLOOR = 0.01
"""of a mel band's magnitude: what a quiet room has; small enough for speech, great enough for float16"""


class Recognizer(nn.Module):
    """The recogniser; it takes any number of four hops."""

    window: Tensor
    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.register_buffer("mel", mel_filters(), persistent=False)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, CHANNELS, KERNEL, stride=2, bias=False) for channels in (MELS, CHANNELS)
        )
        self.entry = nn.BatchNorm1d(MELS)
        self.norms = nn.ModuleList(nn.BatchNorm1d(CHANNELS) for _ in range(2))
        self.gru = nn.GRU(CHANNELS, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, 1 + len(WORDS))

    def forward(self, audio: Tensor, context: Tensor, state: Tensor) -> dict[str, Tensor]:
        """One call.

        Args:
            audio: `(1, 5120)` new samples.
            context: `(1, 896)`, the last samples of the call before; zeros at the start of a clip.
            state: `(1, 1, 96)`, the GRU's; zeros at the start of a clip.
        """
        heard = torch.cat([context, audio], dim=1)
        spectrum = torch.stft(heard, N_FFT, HOP, window=self.window, center=False, return_complex=True).abs()
        x = self.entry(torch.log(self.mel @ spectrum + _FLOOR))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.relu(norm(convolution(x)))
        x, state_next = self.gru(x.transpose(1, 2), state)
        return {"logits": self.head(x), "context_next": heard[:, -CONTEXT:], "state_next": state_next}


def start(batch: int) -> tuple[Tensor, Tensor]:
    """Context and state of a clip that begins."""
    return torch.zeros(batch, CONTEXT), torch.zeros(1, batch, HIDDEN)


def mel_filters() -> Tensor:
    """Triangles from 60 Hz to 3.8 kHz on HTK's scale, `(32, 129)`, the wide ones each with sum 1."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (60, 3800))
    edges_hz = 700 * (10 ** (torch.linspace(low, high, MELS + 2, dtype=torch.float64) / 2595) - 1)
    bins_hz = torch.linspace(0, RATE_HZ / 2, N_FFT // 2 + 1, dtype=torch.float64)
    slopes, widths = edges_hz[:, None] - bins_hz, edges_hz.diff()
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles / triangles.sum(dim=1, keepdim=True).clamp(min=1)).float()


def build() -> tuple[Recognizer, tuple[Tensor, ...]]:
    """The model, trained where it is not yet, and examples of its inputs."""
    from train_recognizer import find_weights

    model = Recognizer()
    model.load_state_dict(torch.load(find_weights(), weights_only=True))
    return model.eval(), (torch.zeros(1, WINDOW), *start(1))
