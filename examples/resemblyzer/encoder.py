"""A speaker encoder (GE2E): 1.6 s of a voice to 256 numbers that tell whose it is.

Source: Wan et al., "Generalized end-to-end loss for speaker verification", ICASSP 2018; weights and front end are those
of the package resemblyzer. The mel spectrogram is inside, so that the app hands over samples.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

RATE_HZ = 16000
FRAMES, HOP, N_FFT, MELS = 160, 160, 400, 40
WINDOW = (FRAMES - 1) * HOP + N_FFT


class SpeakerEncoder(nn.Module):
    """Mel spectrogram, three LSTM layers, the last state projected and normalised."""

    window: Tensor
    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT))
        self.register_buffer("mel", mel_filters())
        self.lstm = nn.LSTM(MELS, 256, num_layers=3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, audio: Tensor) -> Tensor:
        """`(1, 25840)` samples to `(1, 256)`, of length 1."""
        spectrum = torch.stft(audio, N_FFT, HOP, window=self.window, center=False, return_complex=True)
        mels = self.mel @ spectrum.abs() ** 2
        _, (hidden, _) = self.lstm(mels.transpose(1, 2))
        embedding = torch.relu(self.linear(hidden[-1]))
        length: Tensor = torch.linalg.vector_norm(embedding, dim=1, keepdim=True)
        return embedding / length


def mel_filters() -> Tensor:
    """Triangles on Slaney's scale with unit area, `(40, 201)`: librosa's default, as the weights know it."""
    edges_hz = _mel_to_hz(torch.linspace(0, _hz_to_mel(RATE_HZ / 2), MELS + 2, dtype=torch.float64))
    bins_hz = torch.linspace(0, RATE_HZ / 2, N_FFT // 2 + 1, dtype=torch.float64)
    slopes = edges_hz[:, None] - bins_hz
    widths = edges_hz.diff()
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * (2 / (edges_hz[2:] - edges_hz[:-2]))[:, None]).float()


def _hz_to_mel(hz: float) -> float:
    return 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def _mel_to_hz(mel: Tensor) -> Tensor:
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp(math.log(6.4) * (mel - 15) / 27))


def build(checkpoint: dict[str, Any]) -> tuple[SpeakerEncoder, tuple[Tensor]]:
    """The model with the package's weights, and an example of its input."""
    model = SpeakerEncoder()
    weights = {name: value for name, value in checkpoint["model_state"].items() if not name.startswith("similarity_")}
    missing = model.load_state_dict(weights, strict=False)
    assert set(missing.missing_keys) == {"window", "mel"}, missing
    return model.eval(), (torch.zeros(1, WINDOW),)
