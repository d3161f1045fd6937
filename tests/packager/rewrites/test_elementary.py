"""Elementary functions, activations, statistics and products, rewritten, against torch's own, and in both formats."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

LEAST_DB = 110
"""Each function is rounded once or twice more than torch's own."""


def _functions(x: Any) -> Any:
    y = x.roll(1, -1)
    return (
        1 / (x.abs() + 1e-3), x % 1.0, torch.fmod(x, 0.7), torch.exp2(x), torch.hypot(x, y), torch.fmax(x, y),
        torch.fmin(x, y), torch.asinh(x), torch.acosh(x.abs() + 1.5), torch.trunc(x * 3), torch.erfc(x),
        torch.copysign(x, y), torch.round(x, decimals=2), torch.bucketize(x, torch.linspace(-2, 2, 9)),
        torch.searchsorted(torch.linspace(-2, 2, 9), x, right=True), ((x > 0) & (x < 1) | (x < -1)) ^ (x > 2),
    )  # fmt: skip


def _activations(x: Any) -> Any:
    return (
        F.celu(x, 1.3), F.hardshrink(x), F.softshrink(x, 0.3), F.logsigmoid(x), F.rrelu(x), F.glu(x, 1), F.mish(x),
        F.hardswish(x), F.prelu(x, torch.tensor([0.2])), F.elu(x), F.selu(x), F.softplus(x), F.tanhshrink(x), F.gelu(x),
    )  # fmt: skip


def _statistics(x: Any) -> Any:
    return (
        x.std(), x.var(), x.std(-1), *torch.var_mean(x, 1), *torch.std_mean(x), *x.aminmax(), x.prod(-1), x.nansum(-1),
        x.argmax(), x.logsumexp(1), x.std(unbiased=False),
    )  # fmt: skip


def _products(x: Any) -> Any:
    square = x[..., :8]
    return (
        x @ torch.arange(32.0), square[0] @ square[0, 0], torch.einsum("bii->bi", square),
        torch.einsum("bii,bij->ij", square, square), F.bilinear(x[0], x[0], square.new_ones(3, 32, 32)),
        torch.diagonal(square, 1, 1, 2), torch.diag_embed(x[:, 0], 1), torch.kron(square[0, :2], torch.eye(3)),
    )  # fmt: skip


def _rows(x: Any) -> Any:
    """Matrices times `(1, 8, 1, 32)`, as joint networks of transducers have them."""
    row, weight = x[:, :, None], torch.linspace(-1, 1, 160).reshape(5, 32)
    return F.linear(row, weight, torch.arange(5.0)), F.linear(row, weight), row @ weight.t(), F.linear(x[None], weight)


FORMULAS = [_functions, _activations, _statistics, _products, _rows]


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


def test_instance_norm_by_running_statistics(prove: Any, audio: SimpleNamespace) -> None:
    module = torch.nn.InstanceNorm1d(8, affine=True, track_running_stats=True)
    module(audio.noise(1, 8, 32) * 3 + 1)
    snr_db, applied = prove(module, audio.noise(1, 8, 32))
    assert snr_db >= LEAST_DB
    assert applied == ("normalisation",)
