"""Silero VAD at 16 kHz with its states in the open: 32 ms of audio to the probability of speech, call after call.

The package's TorchScript keeps the LSTM's state and the last 64 samples inside itself, where an app can neither see nor
reset them. Here both go in and come out. Source: silero-vad 6 (MIT); the layers are those of its TorchScript.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW, CONTEXT, HIDDEN = 512, 64, 128
_N_FFT, _HOP = 256, 128
_ENCODER = ((129, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1))
"""channels in, channels out, stride"""


class SileroVad(nn.Module):
    """A fixed filter bank, four convolutions, an LSTM cell."""

    basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.zeros(_N_FFT + 2, 1, _N_FFT))
        self.encoder = nn.ModuleList(
            nn.Conv1d(channels_in, channels_out, 3, stride, padding=1) for channels_in, channels_out, stride in _ENCODER
        )
        self.cell = nn.LSTMCell(HIDDEN, HIDDEN)
        self.head = nn.Conv1d(HIDDEN, 1, 1)

    def forward(self, audio: Tensor, context: Tensor, state: Tensor) -> dict[str, Tensor]:
        """One call.

        Args:
            audio: `(1, 512)` new samples.
            context: `(1, 64)`, the last samples of the call before; zeros at the start of a clip.
            state: `(2, 1, 128)`, the LSTM's h and c; zeros at the start of a clip.
        """
        heard = torch.cat([context, audio], dim=1)
        padded = functional.pad(heard[:, None], (0, CONTEXT), mode="reflect")
        real, imaginary = functional.conv1d(padded, self.basis, stride=_HOP).chunk(2, dim=1)
        x = torch.sqrt(real**2 + imaginary**2)
        for layer in self.encoder:
            x = functional.relu(layer(x))
        h, c = self.cell(x[..., 0], (state[0], state[1]))
        speech = torch.sigmoid(self.head(functional.relu(h[..., None])))
        return {
            "speech": speech[:, 0],
            "context_next": heard[:, -CONTEXT:],
            "state_next": torch.stack([h, c]),
        }


def build(script: Any) -> tuple[SileroVad, tuple[Tensor, ...]]:
    """The model with the weights of the package's TorchScript, and examples of its inputs."""
    packed = {name.removeprefix("_model."): value for name, value in script.state_dict().items()}
    weights = {"basis": packed["stft.forward_basis_buffer"]}
    for layer in range(len(_ENCODER)):
        for part in ("weight", "bias"):
            weights[f"encoder.{layer}.{part}"] = packed[f"encoder.{layer}.reparam_conv.{part}"]
    for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        weights[f"cell.{part}"] = packed[f"decoder.rnn.{part}"]
    for part in ("weight", "bias"):
        weights[f"head.{part}"] = packed[f"decoder.decoder.2.{part}"]
    model = SileroVad()
    model.load_state_dict(weights)
    return model.eval(), (torch.zeros(1, WINDOW), torch.zeros(1, CONTEXT), torch.zeros(2, 1, HIDDEN))
