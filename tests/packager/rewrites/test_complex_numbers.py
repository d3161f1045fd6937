"""Complex arithmetic on pairs, against torch's own on complex tensors."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.pytorch]

LEAST_DB = 110
"""Each op rounds as torch's does, divisions and roots once or twice more."""


def _arithmetic(z: Any, w: Any) -> Any:
    return (
        z + w, z - w * 2, z * w, z / (w + 3), 1 / (w + 3), -z, z + 1j, 2j * z, z * (1 - 2j), 3 - z, z - 1.5,
        torch.add(z, w, alpha=0.5), z.conj() * w, z.abs(), z.angle(), z.real, z.imag, torch.sgn(z), z**2, z**-1, z**0.5,
        z**0.3, torch.exp(z), torch.exp(1j * z.real), torch.log(z), torch.sqrt(z), torch.cos(z), torch.sin(z),
        torch.square(z), torch.addcmul(z, w, w, value=2),
    )  # fmt: skip


def _shapes(z: Any, w: Any) -> Any:
    y = torch.cat([z, w], -1)[..., 2:-1]
    return (
        y, y.transpose(0, 1), y.reshape(2, -1), y[:, :, 0], y[1], z.sum(-1), z.mean((0, 1)), z.cumsum(0), z.flip(-1),
        torch.stack([z, w], 1), z.unsqueeze(0).expand(2, -1, -1, -1), torch.nn.functional.pad(z, (1, 2)), z.roll(1, 0),
        torch.where(z.real > 0, z, w), torch.where(z.real > 0, z, 0), z.masked_fill(z.imag > 0, 0), z == w,
        torch.view_as_real(z), torch.complex(z.real, w.imag), torch.zeros_like(z) + 1, torch.ones_like(z) * w,
        z.unfold(-1, 3, 2), z.repeat(1, 2, 1), z.index_select(0, torch.tensor([1, 0])), *z.split(2, 1), z.norm(),
        torch.linalg.vector_norm(z, dim=-1), z.real.to(torch.complex64) * w, z.prod(0), z.var(-1),
    )  # fmt: skip


def _products(z: Any, w: Any) -> Any:
    return (
        z @ w.mT, z @ w.mH, torch.bmm(z, w.mT), torch.einsum("bct,bdt->bcd", z, w),
        torch.einsum("bct,bdt,de->bce", z, w, z[0, :, :5]), z[0, 0] @ w[0].mT,
        torch.nn.functional.conv1d(z, w[:, :, :3]), torch.nn.functional.linear(z, w[0]), torch.outer(z[0, 0], w[0, 0]),
        torch.vdot(z[0, 0], w[0, 0]),
    )  # fmt: skip


def _writing(z: Any, w: Any) -> Any:
    y = z.clone()
    y[:, 0] = 0
    y[..., 2:4] *= 2j
    y[..., 4] = w[..., 4]
    y += w
    y[y.abs() > 3] = 0
    return y


@pytest.mark.parametrize("formula", [_arithmetic, _shapes, _products, _writing], ids=lambda f: f.__name__.strip("_"))
def test_every_op(prove: Any, audio: SimpleNamespace, formula: Callable[[Any, Any], Any]) -> None:
    z, w = (torch.view_as_complex(audio.noise(2, 4, 6, 2, seed=seed)) for seed in (0, 1))
    snr_db, applied = prove(formula, z, w)
    assert snr_db >= LEAST_DB
    assert "complex_numbers" in applied


def test_a_complex_parameter(prove: Any, audio: SimpleNamespace) -> None:
    """As in state-space models: the poles are complex, and all that depends on them alone is folded."""

    def formula(x: Any, poles: Any) -> Any:
        response = torch.exp(poles[:, None] * torch.arange(64)).real
        return torch.nn.functional.conv1d(x, response[:, None], groups=4), x[..., :1] * torch.exp(poles)[None, :, None]

    poles = torch.nn.Parameter(torch.view_as_complex(-audio.noise(4, 2).abs()))
    assert prove(formula, audio.noise(1, 4, 100), poles=poles)[0] >= LEAST_DB
