"""Small PyTorch models whose states an app carries, for `test_stateful.py` and `test_dynamic_length.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CausalFilter(nn.Module):
    """Two causal convolutions with cached context: in calls the same as at once, to the last sample."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(1, 8, 9), nn.Conv1d(8, 1, 5)

    def forward(self, samples: Tensor, context: Tensor, inner: Tensor) -> dict[str, Tensor]:
        x = torch.cat([context, samples.unsqueeze(1)], dim=-1)
        y = torch.cat([inner, torch.relu(self.first(x))], dim=-1)
        return {"filtered": self.second(y).squeeze(1), "context_out": x[..., -8:], "inner_out": y[..., -4:]}


class Loudness(nn.Module):
    """A leaky integrator of a thousand calls: what float16 loses in each adds up."""

    def forward(self, samples: Tensor, level: Tensor) -> dict[str, Tensor]:
        level = 0.999 * level + samples.abs().mean(-1, keepdim=True)
        return {"loudness": 1.0 * level, "level_out": level}


class Counter(nn.Module):
    """Counts its calls in whole numbers."""

    def forward(self, samples: Tensor, count: Tensor) -> dict[str, Tensor]:
        return {"louder": samples * 2.0, "count_out": count + 1}


def causal_filter() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(71)
    return CausalFilter(), (torch.randn(1, 160), torch.zeros(1, 1, 8), torch.zeros(1, 8, 4))


def loudness() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Loudness(), (torch.randn(1, 160), torch.zeros(1, 1))


def counter() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Counter(), (torch.randn(1, 160), torch.zeros(1, 1, dtype=torch.int32))


class Strided(nn.Module):
    """A strided convolution, a transposed one, and a mean over all there is."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Conv1d(1, 8, 16, stride=8), nn.ConvTranspose1d(8, 1, 16, stride=8)

    def forward(self, samples: Tensor) -> Tensor:
        y = torch.relu(self.encoder(samples.unsqueeze(1)))
        return self.decoder(y - y.mean(-1, keepdim=True)).squeeze(1)  # type: ignore[no-any-return]


class SpectralRecurrence(nn.Module):
    """A log-magnitude front end inside, a GRU over its frames."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(64))
        self.gru, self.head = nn.GRU(33, 16, batch_first=True), nn.Linear(16, 1)

    def forward(self, samples: Tensor) -> Tensor:
        spectrum = torch.stft(samples, 64, 32, window=self.window, return_complex=True)
        frames = torch.log(spectrum.abs() + 1e-3).transpose(1, 2)
        return torch.sigmoid(self.head(self.gru(frames)[0])).squeeze(-1)


class Padded(nn.Module):
    """Pads to a multiple of four frames: a converter writes down how many it was for the example."""

    def forward(self, samples: Tensor) -> Tensor:
        y = samples[:, ::8]
        return nn.functional.pad(y, (0, -y.shape[-1] % 4)).reshape(1, -1, 4).mean(-1)


def strided() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(72)
    return Strided(), (torch.randn(1, 640),)


def spectral_recurrence() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(73)
    return SpectralRecurrence(), (torch.randn(1, 640),)


def padded() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Padded(), (torch.randn(1, 640),)
