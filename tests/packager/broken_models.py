"""PyTorch models that converters refuse, or that take their process with them. Named by recipes in tests."""

from __future__ import annotations

import ctypes
import os

import torch
from torch import Tensor, nn


class NoLowering(nn.Module):
    """An op that neither converter knows."""

    def forward(self, audio: Tensor) -> Tensor:
        frames = audio.reshape(20, 40)
        return torch.linalg.svdvals(frames)


class DataDependent(nn.Module):
    """Control flow that depends on the values."""

    def forward(self, audio: Tensor) -> Tensor:
        while audio.sum() > 0:
            audio = audio - 1
        return audio * 2


class Refused(nn.Module):
    """Adds up at more places than a matrix may name: converted to a scatter that LiteRT does not run."""

    def forward(self, audio: Tensor) -> Tensor:
        first = torch.zeros(1, 4).index_add(1, torch.tensor([0, 2]), audio[:, :2])
        places = (audio.repeat(1, 7) * 1000).abs().long()[0]
        return torch.zeros(5000).index_put((places,), audio.repeat(1, 7)[0], accumulate=True) + first.sum()


class Crashing(nn.Module):
    """Ends the process that exports it by a segmentation fault."""

    def forward(self, audio: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            ctypes.string_at(0)
        return audio * 2


class Hungry(nn.Module):
    """Needs more memory than there may be, as soon as it is exported."""

    def forward(self, audio: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            self.kept = [bytearray(os.urandom(2**20)) * 16 for _ in range(1000)]
        return audio * 2


def _example(module: nn.Module) -> tuple[nn.Module, tuple[Tensor]]:
    torch.manual_seed(0)
    return module.eval(), (torch.randn(1, 800),)


def no_lowering() -> tuple[nn.Module, tuple[Tensor]]:
    return _example(NoLowering())


def data_dependent() -> tuple[nn.Module, tuple[Tensor]]:
    return _example(DataDependent())


def refused() -> tuple[nn.Module, tuple[Tensor]]:
    return _example(Refused())


def crashing() -> tuple[nn.Module, tuple[Tensor]]:
    return _example(Crashing())


def hungry() -> tuple[nn.Module, tuple[Tensor]]:
    return _example(Hungry())


def fine() -> tuple[nn.Module, tuple[Tensor]]:
    return _example(nn.ReLU())
