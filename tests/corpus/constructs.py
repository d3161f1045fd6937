"""Small models of one awkward construct each: what public bug reports of converters are about."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.ao import quantization
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .calibration import make_audio, make_features, settle

_SEED = 17


class DepthwiseUpsampler(nn.Module):
    """A vocoder's upsampling: a depthwise transposed convolution, Snake, and a mixing one."""

    def __init__(self, channels: int = 96) -> None:
        super().__init__()
        self.up = nn.ConvTranspose1d(channels, channels, 8, 4, 2, groups=channels)
        self.alpha = nn.Parameter(torch.rand(1, channels, 1) + 0.5)
        self.mix = nn.Conv1d(channels, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(x)
        return self.mix(x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-9))


class SpikyBlock(nn.Module):
    """RMSNorm over values of which a few are large; grouped queries, rotary positions by complex numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.out = nn.RMSNorm(32, eps=1e-6), nn.Linear(32, 8)
        self.queries, self.keys = nn.Linear(32, 32), nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x * (1 + 200 * (x > 2.2)))
        q = self.queries(y).unflatten(-1, (4, 8)).transpose(1, 2)
        k, v = (part.unflatten(-1, (2, 8)).transpose(1, 2) for part in self.keys(y).chunk(2, -1))
        turns = torch.outer(torch.arange(x.shape[1]), 100 ** -(torch.arange(4) / 4))
        q, k = (_turned(part, torch.polar(torch.ones_like(turns), turns)) for part in (q, k))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out(y.transpose(1, 2).flatten(2))


def _turned(x: Tensor, by: Tensor) -> Tensor:
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * by).flatten(-2)


class Chroma(nn.Module):
    """A spectrum folded onto twelve pitch classes, added up at places and written in place."""

    def __init__(self) -> None:
        super().__init__()
        self.places = torch.arange(96) % 12  # a plain attribute
        self.out = nn.Linear(12, 8)

    def forward(self, x: Tensor) -> Tensor:
        folded = torch.zeros(x.shape[0], x.shape[1], 12).index_add_(2, self.places, x.square())
        folded[..., 0] *= 0.5
        return self.out(folded / folded.sum(-1, keepdim=True))


class EdgePhases(nn.Module):
    """The phase of the bins that are real, which is 0 or pi, beside levels over a wide range."""

    def forward(self, x: Tensor) -> Tensor:
        bins = torch.fft.rfft(x.unfold(-1, 128, 64) * torch.hann_window(128))
        edges = bins[..., [0, -1]]
        return torch.cat(
            [torch.atan2(edges.imag, edges.real), torch.log((300 * bins[..., 1:20].abs()).square() + 1)], -1
        )


class StridedConstants(nn.Module):
    """Plain attributes that are views of other layouts."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = make_features(16, 24).t()
        self.shift = make_features(1, 48)[:, ::2].flip(0)
        self.rows = make_features(1, 16).t()
        self.out = nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.out((x * self.scale.t() + self.rows * self.shift).transpose(1, 2))


class HalfBody(nn.Module):
    """A front of float32, a body of bfloat16 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.front, self.body = nn.Conv1d(1, 16, 64, 32), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        y = self.front(x[:, None]).relu().transpose(1, 2)
        return self.body(y.to(self.body.weight.dtype)).float()


class Scripted(nn.Module):
    """A loop and a branch on a setting, as TorchScript keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.turns = nn.Conv1d(8, 8, 3, padding=1), 3

    def forward(self, x: Tensor) -> Tensor:
        for turn in range(self.turns):
            y = self.conv(x)
            x = x + y.tanh() if turn % 2 == 0 else x + y.relu()
        return x


class GatedLoudness(nn.Module):
    """Loudness of the blocks above a gate, picked by a mask whose size depends on the audio, and levelled by it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 32, 16)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        blocks = x.unfold(-1, 400, 100).square().mean(-1)
        loud = blocks[blocks > 0.1 * blocks.mean()]
        level = torch.stack([loud.mean(), loud.amax(), loud.std()])
        y = self.conv(x[:, None] / level[0].sqrt())
        y[y > 2.0] = 2.0 + torch.log(y[y > 2.0] - 1.0)
        return y, level


class Experts(nn.Module):
    """Two of four experts a frame, called on the frames that chose them, added up at their places."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(16, 4, bias=False)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(16, 24), nn.SiLU(), nn.Linear(24, 16)) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, 16)
        weight, chosen = self.gate(rows).softmax(-1).topk(2, -1)
        hits, y = F.one_hot(chosen, 4).permute(2, 1, 0), torch.zeros_like(rows)
        for number, expert in enumerate(self.experts):
            which, frame = torch.where(hits[number])
            y.index_add_(0, frame, expert(rows[frame]) * weight[frame, which, None])
        return y.view(x.shape)


class PeakBranch(nn.Module):
    """Asks the audio: normalised where it is loud, one of two heads by its sign."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 16, 64, 32)
        self.heads = nn.ModuleList(nn.Linear(16, 4) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        peak = x.abs().max()
        assert peak < 100, "no audio"
        if peak > 0.5:
            x = x / peak
        y = self.conv(x[:, None]).relu().transpose(1, 2)
        head = self.heads[0] if x.mean() > 0 else self.heads[1]
        return head(y).tanh()


class PackedEncoder(nn.Module):
    """A speaker encoder over clips of several lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.out = nn.LSTM(20, 16, 2, batch_first=True, bidirectional=True), nn.Linear(32, 8)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        packed = pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
        y, (last, _) = self.body(packed)
        y = pad_packed_sequence(y, batch_first=True, total_length=features.shape[1])[0]
        return self.out(y), torch.cat([last[-2], last[-1]], -1)


class Histogram(nn.Module):
    """Counts of codes, a histogram, and nearest neighbours of a residual quantiser."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("book", make_features(2, 16, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rest, found = x, []
        for book in self.book:
            code = torch.cdist(rest, book[None]).argmin(-1)
            rest = rest - F.embedding(code, book)
            found.append(torch.bincount(code.reshape(-1), minlength=16))
        return rest, torch.stack([*found, torch.histc(x, bins=16, min=-2, max=2).long()])


class Selective(nn.Module):
    """A state-space model that is stepped in Python, with a state taken in and given back."""

    def __init__(self) -> None:
        super().__init__()
        self.rates, self.inner = nn.Parameter(-torch.rand(8, 4) - 0.1), nn.Linear(8, 16)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        step, write, read = self.inner(x).split([8, 4, 4], -1)
        step, found = F.softplus(step), []
        for at in range(x.shape[1]):
            now = step[:, at, :, None]
            state = torch.exp(now * self.rates) * state + now * write[:, at, None] * x[:, at, :, None]
            found.append((state * read[:, at, None]).sum(-1))
        return torch.stack(found, 1) + x, state


def _make(module: nn.Module, *inputs: Tensor) -> tuple[nn.Module, tuple[Tensor, ...]]:
    return settle(module, inputs), inputs


def _seeded(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(_SEED)
    return kind()


def depthwise_upsampler() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 96, 20) → (1, 4, 80)."""
    return _make(_seeded(DepthwiseUpsampler), make_features(1, 96, 20))


def spiky_block() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 20, 32) → (1, 20, 8)."""
    return _make(_seeded(SpikyBlock), make_features(1, 20, 32))


def chroma() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 20, 96) → (1, 20, 8)."""
    return _make(_seeded(Chroma), make_features(1, 20, 96))


def edge_phases() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 2000) → (1, 30, 21)."""
    return _make(_seeded(EdgePhases), make_audio(2000))


def strided_constants() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 16, 24) → (1, 24, 8)."""
    return _make(_seeded(StridedConstants), make_features(1, 16, 24))


def half_body() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 4000) → (1, 124, 8)."""
    module, inputs = _make(_seeded(HalfBody), make_audio(4000))
    module.body.to(torch.bfloat16)
    return module, inputs


def scripted() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 8, 50) → (1, 8, 50)."""
    module, inputs = _make(_seeded(Scripted), make_features(1, 8, 50))
    return torch.jit.script(module), inputs


def gated_loudness() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 4000) → (1, 8, 249) and three levels."""
    return _make(_seeded(GatedLoudness), make_audio(4000))


def experts() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 12, 16) → (1, 12, 16)."""
    module = _seeded(Experts)
    module.gate.weight.data *= 4
    return module.eval(), (make_features(1, 12, 16),)


def peak_branch() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 4000) → (1, 124, 4)."""
    return _make(_seeded(PeakBranch), make_audio(4000))


def packed_encoder() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(2, 30, 20) and two lengths → (2, 30, 8), (2, 32)."""
    return _make(_seeded(PackedEncoder), make_features(2, 30, 20), torch.tensor([30, 17]))


def histogram() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 60, 4) → (1, 60, 4) and (3, 16) counts."""
    return _seeded(Histogram).eval(), (make_features(1, 60, 4),)


def selective() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 12, 8) and a state (1, 8, 4) → the same."""
    return _make(_seeded(Selective), make_features(1, 12, 8), torch.zeros(1, 8, 4))


def quantized_layers() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """(1, 40, 16) → (1, 40, 8), the weights of 8 bits as torch packs them."""
    torch.manual_seed(_SEED)
    inputs = (make_features(1, 40, 16),)
    module = settle(nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8)), inputs)
    return quantization.quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8).eval(), inputs
