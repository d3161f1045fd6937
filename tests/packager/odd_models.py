"""PyTorch models with unusual inputs and outputs, for `test_sources_torch.py`: each is a factory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Formula(nn.Module):
    """A module without weights that computes a function of its inputs, under the function's parameters' names."""

    def __init__(self, formula: Callable[..., Any]) -> None:
        super().__init__()
        self.forward = formula


class Pair(NamedTuple):
    tone: Tensor
    noise: Tensor | None


@dataclasses.dataclass
class Result:
    score: Tensor
    parts: list[Tensor]
    label: str = "speech"


def _audio() -> Tensor:
    return torch.sin(torch.arange(160) * 0.1)[None]


def lone() -> Any:
    return Formula(lambda samples: samples * 2), _audio()


def named_tuple() -> Any:
    return Formula(lambda samples: Pair(samples * 2, samples - 1)), (_audio(),)


def named_tuple_with_none() -> Any:
    return Formula(lambda samples: Pair(samples * 2, None)), (_audio(),)


def dataclass_output() -> Any:
    return Formula(lambda samples: Result(samples.sum(-1), [samples, samples * 2])), (_audio(),)


def dictionaries() -> Any:
    """A dictionary in and, nested and with keys that are no names, out."""

    def forward(batch: dict[str, Tensor]) -> dict[Any, Any]:
        x, y = batch["x"], batch["y"]
        return {"../up": x + y, "a b": {"c/d": x - y, 7: x * y}, "x": x * 2, "3rd": y * 3}

    return Formula(forward), {"batch": {"x": _audio(), "y": torch.ones(1, 160)}}


def keywords() -> Any:
    """Numbers, text and flags among the arguments, and tensors by keyword."""

    def forward(samples: Tensor, scale: float, mode: str = "add", *, other: Tensor, twice: bool = False) -> Tensor:
        result = samples + other if mode == "add" else samples - other
        return result * scale * (2 if twice else 1)

    return Formula(forward), ((_audio(), 0.5, "subtract"), {"other": torch.ones(1, 160), "twice": True})


def nested_state() -> Any:
    def forward(samples: Tensor, state: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, tuple[Tensor, list[Tensor]]]:
        h, (c, d) = state
        return samples + h, (h * 0.5 + samples.mean(), [c + 1, d * 0.9 + c])

    return Formula(forward), (_audio(), (torch.zeros(1, 1), [torch.zeros(1, 1), torch.zeros(1, 2)]))


def same_names() -> Any:
    """Outputs that bear inputs' names, one of them a name that is taken."""

    def forward(samples: Tensor, h: Tensor) -> dict[str, Tensor]:
        return {"samples": samples + h, "h": h + 1, "h_out": h * 2}

    return Formula(forward), (_audio(), torch.ones(1, 1))


def passed_through() -> Any:
    """An input as it came, and one tensor under two names."""

    def forward(samples: Tensor, h: Tensor) -> dict[str, Tensor]:
        doubled = samples * 2
        return {"same": h, "doubled": doubled, "again": doubled}

    return Formula(forward), (_audio(), torch.ones(1, 3))


def constant() -> Any:
    return Formula(lambda samples: {"doubled": samples * 2, "half": torch.full((1, 2), 0.5)}), (_audio(),)


def unused() -> Any:
    return Formula(lambda samples, unused: samples * 2), (_audio(), torch.ones(1, 3))


def written_into() -> Any:
    """Writes into its input."""

    def forward(samples: Tensor) -> Tensor:
        samples[:, :80] *= 2
        return samples.cumsum(-1) * 0.1

    return Formula(forward), (_audio(),)


def complex_tensors() -> Any:
    def forward(spectrum: Tensor) -> dict[str, Tensor]:
        return {"turned": spectrum.conj() * 1j, "power": spectrum.abs() ** 2, "minus": spectrum.conj().imag}

    return Formula(forward), (torch.randn(1, 20, dtype=torch.complex64, generator=torch.Generator().manual_seed(0)),)


def doubles() -> Any:
    """float64 in and out."""
    return Formula(lambda samples: (samples + 1.0, samples.sum(-1))), (_audio().double(),)


def halves() -> Any:
    """float16 and bfloat16 in and out."""
    return Formula(lambda a, b: {"first": a * 2, "second": b + 1}), (_audio().half(), torch.ones(1, 8).bfloat16())


def whole_numbers() -> Any:
    def forward(samples: Tensor, index: Tensor, shift: Tensor) -> dict[str, Tensor]:
        return {"picked": samples[:, index], "shifted": index + shift, "loudest": samples.argmax(-1)}

    return Formula(forward), (_audio(), torch.tensor([3, 1, 2]), torch.tensor([1, 2, 3], dtype=torch.int32))


def bytes_in() -> Any:
    """PCM as int16, and a mask as bool."""

    def forward(pcm: Tensor, mask: Tensor) -> dict[str, Tensor]:
        return {"scaled": torch.where(mask, pcm.float() / 32768, 0.0), "loud": pcm.float() > 100}

    return Formula(forward), (torch.arange(160, dtype=torch.int16)[None] * 100, torch.arange(160)[None] % 2 == 0)


def numbers() -> Any:
    """Outputs without dimensions."""
    return Formula(lambda samples: {"mean": samples.mean(), "most": samples.max()}), (_audio(),)


def model_output() -> Any:
    """A class of the transformers library: keys, some of them absent."""
    from transformers.modeling_outputs import CausalLMOutputWithPast

    return Formula(lambda samples: CausalLMOutputWithPast(logits=samples * 2)), (_audio(),)


class Scaled(nn.Module):
    """For TorchScript: a branch on a number, and a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 3, padding=1)
        self.times = 3

    def forward(self, samples: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        x = samples.unsqueeze(1)
        if self.times > 2:
            x = x * 2
        for _ in range(self.times):
            x = torch.relu(self.conv(x)).mean(1, keepdim=True)
        return x.squeeze(1) + h, h * 0.5


def scaled() -> nn.Module:
    torch.manual_seed(3)
    return Scaled().eval()
