"""Padding, pooling, framing, writing and ordering, rewritten, against torch's own, and in both formats."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

LEAST_DB = 120
"""Values are moved, or added up a few at a time."""


def _padding(x: Any) -> Any:
    return F.pad(x, (5, 7), mode="circular"), F.pad(x, (-2, 3)), F.pad(x, (-2, -3), value=1.0), F.pad(
        x[:, None], (2, 3, 1, 2), mode="circular"
    )  # fmt: skip


def _pooling(x: Any) -> Any:
    plane = x[:, None].abs()
    return (
        F.adaptive_max_pool1d(x, 5), F.adaptive_max_pool1d(x, 1), F.adaptive_max_pool2d(plane, (3, 7)),
        F.max_pool1d(x, 3, 2, 1, dilation=2), *F.max_pool1d(x, 4, 4, return_indices=True),
        *F.max_pool2d(plane, (2, 3), return_indices=True), F.avg_pool2d(plane, 3, 2, 1, divisor_override=5),
    )  # fmt: skip


def _framing(x: Any) -> Any:
    return (
        x.unfold(-1, 8, 4), x.unfold(-1, 9, 2) * torch.hann_window(9), x.as_strided((1, 8, 7, 8), (256, 32, 4, 1)),
        F.fold(x.reshape(1, 32, 8), (1, 18), (1, 4), stride=(1, 2)), F.fold(x.reshape(1, 16, 16), (8, 8), 4, stride=2,
        padding=1)[..., 1:], F.unfold(x[:, None], (3, 4), stride=(2, 3)),
    )  # fmt: skip


def _writing(x: Any) -> Any:
    y = x.clone()
    y[:, 2, 5:9] = 0.0
    y[..., 20:] *= 2
    z = torch.zeros(1, 8, 64)
    z[..., ::2] = x
    masked = x.clone()
    masked[masked < 0] = 0.0
    total = torch.zeros(1, 60)
    for index in range(8):
        total[:, index * 4 : index * 4 + 32] += x[:, index]
    added = torch.zeros(1, 4, 32).index_add(1, torch.arange(8) // 2, x)
    scattered = torch.zeros(1, 8, 4).scatter_add(-1, (torch.arange(32) // 8).expand(1, 8, 32), x)
    put = torch.index_put(x[0], (torch.tensor([1, -2]),), torch.ones(2, 32))
    return y, z, masked, total, added, scattered, put, F.one_hot(x.argmax(1), 8).float()


def _ordering(x: Any) -> Any:
    values, places = x.sort(-1, descending=True)
    return (
        values, places, x.sort(1)[0], x.argsort(-1), *x.topk(3, 1), *x.median(-1), x.median(), x.kthvalue(30, -1)[0],
        x.quantile(0.3, -1), torch.take_along_dim(x, places, -1),
    )  # fmt: skip


def _running(x: Any) -> Any:
    return x.cumprod(-1), *x.cummax(-1), *x.cummin(1), x.logcumsumexp(-1)


FORMULAS = [_padding, _pooling, _framing, _writing, _ordering, _running]


def _id(formula: Any) -> str:
    return str(formula.__name__.strip("_"))


@pytest.mark.parametrize("formula", FORMULAS, ids=_id)
def test_against_torch(prove: Any, audio: SimpleNamespace, formula: Callable[[Any], Any]) -> None:
    assert prove(formula, audio.noise(1, 8, 32))[0] >= LEAST_DB


@pytest.mark.coreml
@pytest.mark.tflite
@pytest.mark.parametrize("formula", FORMULAS, ids=_id)
def test_both_formats(prove_both: Any, audio: SimpleNamespace, formula: Callable[[Any], Any]) -> None:
    # Logarithms and exponentials of the runtimes differ in their last bits.
    assert min(prove_both(formula, audio.noise(1, 8, 32)).values()) >= 100


@pytest.mark.slow
def test_one_of_several_numbers(prove_both: Any, audio: SimpleNamespace) -> None:
    def formula(x: Any) -> Any:
        levels = torch.stack([x.mean(), x.amax()])
        return x / levels[1], levels[-1].sqrt(), torch.nn.functional.pixel_unshuffle(x[None, None], 2)

    assert min(prove_both(formula, audio.noise(4, 8)).values()) >= 110
