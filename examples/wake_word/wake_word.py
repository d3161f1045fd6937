"""A wake word spotter: 160 ms of audio at 8 kHz to the probabilities of two words, eight times, call after call.

A log-mel spectrogram, then causal convolutions over 0.8 s. What they remember of earlier calls goes
in and comes out, so that an app can see and reset it. Source: the layers are those of small streaming spotters, as in
Rybakov et al., "Streaming keyword spotting on mobile devices", Interspeech 2020. `train_wake_word.py` makes the
weights.
"""

from __future__ import annotations

import math

import torch
from clips import RATE_HZ, WORDS
from torch import Tensor, nn
from torch.nn import functional

HOP, N_FFT, MELS = 80, 256, 32
WINDOW = 16 * HOP
CHANNELS, KERNEL = 32, 5
DILATIONS = (1, 2, 2, 4)
KEPT = tuple((KERNEL - 1) * dilation for dilation in DILATIONS)
"""frames that each block remembers"""
MEMORY = sum(KEPT)
CONTEXT = N_FFT - HOP + 3 * HOP
"""samples before a call: what its first spectrum lacks, and three spectra that its first convolution looks back at"""
FLOOR = 0.01
"""of a mel band's magnitude: what a quiet room has; small enough for speech, great enough for float16"""


class WakeWord(nn.Module):
    """The spotter; it takes any number of whole hops, two at least."""

    window: Tensor
    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.register_buffer("mel", mel_filters(), persistent=False)
        self.entry = nn.Conv1d(MELS, CHANNELS, KERNEL, stride=2)
        self.blocks = nn.ModuleList(Block(dilation) for dilation in DILATIONS)
        self.head = nn.Conv1d(CHANNELS, len(WORDS), 1)

    def forward(self, audio: Tensor, context: Tensor, memory: Tensor) -> dict[str, Tensor]:
        """One call.

        Args:
            audio: `(1, 1280)` new samples.
            context: `(1, 416)`, the last samples of the call before; zeros at the start of a stream.
            memory: `(1, 32, 36)`, what the blocks remember; zeros at the start of a stream.
        """
        logits, context_next, memory_next = self.listen(audio, context, memory)
        keyword = torch.sigmoid(logits).transpose(1, 2)
        return {"keyword": keyword, "context_next": context_next, "memory_next": memory_next}

    def listen(self, audio: Tensor, context: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `forward`, with logits `(batch, words, frames)` in place of probabilities."""
        heard = torch.cat([context, audio], dim=1)
        spectrum = torch.stft(heard, N_FFT, HOP, window=self.window, center=False, return_complex=True).abs()
        x = functional.relu(self.entry(torch.log(self.mel @ spectrum + FLOOR)))
        kept = []
        remembered = memory.split(KEPT, dim=2)  # type: ignore[no-untyped-call]
        for block, before in zip(self.blocks, remembered, strict=True):
            x, after = block(x, before)
            kept.append(after)
        return self.head(x), heard[:, -CONTEXT:], torch.cat(kept, dim=2)


class Block(nn.Module):
    """A convolution over time, around it what went in."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(CHANNELS, CHANNELS, KERNEL, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(CHANNELS)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Frames, and those before them that are remembered; gives frames, and those to remember."""
        joined = torch.cat([before, x], dim=2)
        return x + functional.relu(self.norm(self.convolution(joined))), joined[:, :, -before.shape[2] :]


def start(batch: int) -> tuple[Tensor, Tensor]:
    """Context and memory of a stream that begins."""
    return torch.zeros(batch, CONTEXT), torch.zeros(batch, CHANNELS, MEMORY)


def mel_filters() -> Tensor:
    """Triangles from 60 Hz to 3.8 kHz on HTK's scale, each with sum 1, `(32, 129)`."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (60, 3800))
    edges_hz = 700 * (10 ** (torch.linspace(low, high, MELS + 2, dtype=torch.float64) / 2595) - 1)
    bins_hz = torch.linspace(0, RATE_HZ / 2, N_FFT // 2 + 1, dtype=torch.float64)
    slopes, widths = edges_hz[:, None] - bins_hz, edges_hz.diff()
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles / triangles.sum(dim=1, keepdim=True).clamp(min=1)).float()


def build() -> tuple[WakeWord, tuple[Tensor, ...]]:
    """The model, trained where it is not yet, and examples of its inputs."""
    from train_wake_word import find_weights

    model = WakeWord()
    model.load_state_dict(torch.load(find_weights(), weights_only=True))
    return model.eval(), (torch.zeros(1, WINDOW), *start(1))
