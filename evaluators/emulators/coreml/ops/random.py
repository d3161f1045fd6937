"""Random numbers. Source: iOS15/random.py.

With a seed of 0 or more, each call gives the same numbers; with any other, none can be foreseen. They come from torch's
generator, so they follow the distribution Core ML's follow but are not the same numbers. Within `repeat_draws` every
call gives the same numbers, so that two programs can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import check_size
from evaluators.errors import EvaluationError

_REPEATED_SEED = 0
"""stands for seeds that cannot be foreseen within `repeat_draws`"""


@dataclass
class Draws:
    """What was drawn within `repeat_draws`."""

    unforeseeable: bool = False
    """whether an op without a seed drew numbers: outside, they would be others on each call"""


_draws: ContextVar[Draws | None] = ContextVar("draws", default=None)


@contextmanager
def repeat_draws() -> Iterator[Draws]:
    """Give ops without a seed the same numbers on each call, in whichever program they stand."""
    draws = Draws()
    token = _draws.set(draws)
    try:
        yield draws
    finally:
        _draws.reset(token)


@op("random_bernoulli", exact=True, folds=False)
def random_bernoulli(shape: list[int], prob: float = 0.5, seed: int = -1) -> Tensor:
    """1 with probability `prob`, else 0 (iOS15)."""
    check_size(shape, times=2)
    return (torch.rand(shape, generator=_generator(seed)) < prob).float()


@op("random_normal", folds=False)
def random_normal(shape: list[int], mean: float = 0.0, stddev: float = 1.0, seed: int = -1) -> Tensor:
    """Numbers of the normal distribution (iOS15)."""
    check_size(shape, times=2)
    return torch.randn(shape, generator=_generator(seed)) * stddev + mean


@op("random_uniform", folds=False)
def random_uniform(shape: list[int], low: float = 0.0, high: float = 1.0, seed: int = -1) -> Tensor:
    """Numbers from `low` on, below `high`, all equally likely (iOS15); rounding to float16 may reach `high`."""
    if high < low:
        raise EvaluationError(f"random_uniform has low {low} and high {high}; expected low to be the smaller")
    check_size(shape, times=2)
    numbers = torch.rand(shape, generator=_generator(seed)) * (high - low) + low
    below = torch.nextafter(torch.tensor(high, dtype=torch.float32), torch.tensor(low, dtype=torch.float32))
    return numbers.clamp(max=below.item())


@op("random_categorical", folds=False)
def random_categorical(x: Tensor, mode: str = "logits", size: int = 1, seed: int = -1) -> Tensor:
    """`size` classes drawn with replacement from each distribution in the last dimension (iOS15)."""
    if mode not in ("logits", "probs"):
        raise EvaluationError(f"random_categorical has mode {mode!r}; expected logits or probs")
    check_size((*x.shape[:-1], size), times=2)
    weights = torch.softmax(x.float(), -1) if mode == "logits" else x.float()
    drawn = torch.multinomial(
        weights.reshape(math.prod(x.shape[:-1]), x.shape[-1]), size, replacement=True, generator=_generator(seed)
    )
    return drawn.reshape(*x.shape[:-1], size).float()


def _generator(seed: int) -> torch.Generator:
    generator = torch.Generator()
    draws = _draws.get()
    if seed >= 0:
        generator.manual_seed(seed)
    elif draws is None:
        generator.seed()
    else:
        draws.unforeseeable = True
        generator.manual_seed(_REPEATED_SEED)
    return generator
