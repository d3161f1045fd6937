"""Enhancement along time and along frequency: DPRNN, FullSubNet, a weight-normed streaming network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from .calibration import make_audio, settle


class DualPathBlock(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.intra = nn.LSTM(channels, hidden, batch_first=True, bidirectional=True)
        self.intra_out = nn.Linear(2 * hidden, channels)
        self.intra_norm = nn.GroupNorm(1, channels, eps=1e-8)
        self.inter = nn.LSTM(channels, hidden, batch_first=True, bidirectional=True)
        self.inter_out = nn.Linear(2 * hidden, channels)
        self.inter_norm = nn.GroupNorm(1, channels, eps=1e-8)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, inside, chunks = x.shape
        y = x.permute(0, 3, 2, 1).reshape(batch * chunks, inside, channels)
        y = self.intra_out(self.intra(y)[0]).view(batch, chunks, inside, channels).permute(0, 3, 2, 1)
        x = x + self.intra_norm(y)
        y = x.permute(0, 2, 3, 1).reshape(batch * inside, chunks, channels)
        y = self.inter_out(self.inter(y)[0]).view(batch, inside, chunks, channels).permute(0, 3, 1, 2)
        return x + self.inter_norm(y)


class DPRNN(nn.Module):
    """DPRNN (Luo 2020): the latent is cut into half-overlapping chunks, and added up again with fold."""

    def __init__(self, basis: int = 32, channels: int = 24, chunk: int = 20) -> None:
        super().__init__()
        self.basis, self.chunk = basis, chunk
        self.encoder = nn.Conv1d(1, basis, 16, stride=8, bias=False)
        self.bottleneck = nn.Sequential(nn.GroupNorm(1, basis), nn.Conv1d(basis, channels, 1))
        self.blocks = nn.Sequential(DualPathBlock(channels, 24), DualPathBlock(channels, 24))
        self.head = nn.Sequential(nn.PReLU(), nn.Conv2d(channels, 2 * basis, 1))
        self.decoder = nn.ConvTranspose1d(basis, 1, 16, stride=8, bias=False)

    def forward(self, mixture: Tensor) -> Tensor:
        encoded = torch.relu(self.encoder(mixture[:, None]))
        x = self.bottleneck(encoded)
        batch, channels, frames = x.shape
        hop = self.chunk // 2
        padding = (hop - frames % hop) % hop
        x = F.pad(x, (hop, hop + padding))
        padded = x.shape[-1]
        x = F.unfold(x.unsqueeze(-1), (self.chunk, 1), stride=(hop, 1)).view(batch, channels, self.chunk, -1)
        x = self.head(self.blocks(x))
        x = x.reshape(batch, -1, x.shape[-1])
        masks = F.fold(x, (padded, 1), (self.chunk, 1), stride=(hop, 1)).squeeze(-1)[..., hop : hop + frames] / 2
        masks = torch.sigmoid(masks.view(batch, 2, self.basis, frames))
        sources = [self.decoder(masks[:, index] * encoded) for index in range(2)]
        return torch.cat(sources, dim=1)


class FullSubNet(nn.Module):
    """FullSubNet-like (Hao 2021): a full-band LSTM, then one LSTM for every bin with its neighbours; complex mask."""

    def __init__(self, n_fft: int = 128, neighbours: int = 3) -> None:
        super().__init__()
        self.n_fft, self.neighbours = n_fft, neighbours
        bins = n_fft // 2 + 1
        self.full = nn.LSTM(bins, 48, num_layers=2, batch_first=True)
        self.full_out = nn.Linear(48, bins)
        self.sub = nn.LSTM(2 * neighbours + 2, 24, num_layers=1, batch_first=True)
        self.sub_out = nn.Linear(24, 2)

    def _normalise(self, x: Tensor) -> Tensor:
        """By the running mean of all that came before."""
        per_frame = x.mean(dim=1, keepdim=True)
        count = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype).view(1, 1, -1)
        return x / (torch.cumsum(per_frame, dim=-1) / count + 1e-5)

    def forward(self, noisy: Tensor) -> Tensor:
        window = torch.hann_window(self.n_fft, device=noisy.device)
        spectrum = torch.stft(noisy, self.n_fft, self.n_fft // 2, window=window, return_complex=True)
        magnitude = spectrum.abs()
        batch, bins, frames = magnitude.shape
        full = F.relu(self.full_out(self.full(self._normalise(magnitude).transpose(1, 2))[0])).transpose(1, 2)
        around = F.pad(magnitude.unsqueeze(1), (0, 0, self.neighbours, self.neighbours), mode="reflect")
        around = around.squeeze(1).unfold(1, 2 * self.neighbours + 1, 1).permute(0, 1, 3, 2)
        sub = torch.cat([around, full.unsqueeze(2)], dim=2).reshape(batch * bins, -1, frames)
        sub = self._normalise(sub).transpose(1, 2)
        mask = self.sub_out(self.sub(sub)[0]).reshape(batch, bins, frames, 2)
        mask = -10.0 * torch.log((10.0 - mask.clamp(-9.9, 9.9)) / (10.0 + mask.clamp(-9.9, 9.9)))
        enhanced = spectrum * torch.view_as_complex(mask.contiguous())
        return torch.istft(enhanced, self.n_fft, self.n_fft // 2, window=window, length=noisy.size(-1))


class StreamingDenoiser(nn.Module):
    """Causal, weight-normed, 256 samples a call: cached context of every convolution and a GRU state, in and out."""

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        self.enter = weight_norm(nn.Conv1d(1, channels, 16, stride=8))
        self.layers = nn.ModuleList([weight_norm(nn.Conv1d(channels, 2 * channels, 3, dilation=d)) for d in (1, 2, 4)])
        self.gru = nn.GRU(channels, channels, batch_first=True)
        self.leave = weight_norm(nn.ConvTranspose1d(channels, 1, 16, stride=8))

    def forward(
        self, samples: Tensor, history: Tensor, caches: Tensor, hidden: Tensor, overlap: Tensor
    ) -> dict[str, Tensor]:
        x = torch.cat([history, samples], dim=-1).unsqueeze(1)
        history_out = x[:, 0, -8:]
        x = F.elu(self.enter(x))
        kept, offset = [], 0
        for layer in self.layers:
            width = 2 * layer.dilation[0]
            extended = torch.cat([caches[..., offset : offset + width], x], dim=-1)
            kept.append(extended[..., -width:])
            offset += width
            value, gate = layer(extended).chunk(2, dim=1)
            x = x + torch.tanh(value) * torch.sigmoid(gate)
        x, hidden = self.gru(x.transpose(1, 2), hidden)
        y = self.leave(x.transpose(1, 2)).squeeze(1)
        y = torch.cat([y[:, :8] + overlap, y[:, 8:]], dim=-1)
        return {
            "enhanced": y[:, : samples.shape[-1]],
            "history_out": history_out,
            "caches_out": torch.cat(kept, dim=-1),
            "hidden_out": hidden,
            "overlap_out": y[:, samples.shape[-1] :],
        }


def dprnn() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(308)
    inputs = (make_audio(4000),)
    return settle(DPRNN(), inputs, spread=0.7), inputs


def fullsubnet() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(309)
    inputs = (make_audio(8000),)
    return settle(FullSubNet(), inputs), inputs


def streaming_denoiser() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(310)
    inputs = (
        make_audio(256), torch.zeros(1, 8), torch.zeros(1, 24, 14), torch.zeros(1, 1, 24), torch.zeros(1, 8),
    )  # fmt: skip
    return settle(StreamingDenoiser(), inputs, spread=0.7), inputs
