"""Values that a mask picks, rewritten, against torch's own; the mask is another in every call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from packager.errors import PackagingError
from packager.rewrites.torch import rewrite_program

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.pytorch

LEAST_DB = 110


def _write(y: Any, key: Any, values: Any) -> Any:
    y = y.clone()
    y[key] = values
    return y


def _logarithm(x: Any) -> Any:
    """The logarithm of what does not count is NaN, and must not be seen."""
    y, loud = torch.zeros_like(x), x > 0.3
    y[loud] = torch.log(x[loud] - 0.2) * 2 + 1
    y[~loud] = -5.0
    return y


def _in_place(x: Any) -> Any:
    y = x.clone()
    y[x > 0] += 1.0
    y[x < -1] *= 0.5
    y[:, :, x.mean((0, 1)) > 0] = 1.5
    return y


def _experts(x: Any, w: Any) -> Any:
    """Tokens are sent to the expert that each asks for, by mask."""
    rows, out = x.reshape(-1, 8), torch.zeros_like(x).reshape(-1, 8)
    chosen = (rows @ w[0]).argmax(-1)
    for number in range(3):
        picked = chosen == number
        out[picked] = torch.nn.functional.linear(rows[picked], w[number]).tanh()
    return out.reshape(x.shape)


def _two_experts(x: Any, w: Any) -> Any:
    """As Mixtral's layers do: two experts a token, by places, added up."""
    rows, out = x.reshape(-1, 8), torch.zeros_like(x).reshape(-1, 8)
    weight, chosen = (rows @ w[0]).softmax(-1).topk(2, -1)
    hits = torch.nn.functional.one_hot(chosen, 8).permute(2, 1, 0)
    for number in range(3):
        which, token = torch.where(hits[number])
        out.index_add_(0, token, (rows[token] @ w[number]) * weight[token, which, None])
    return out


FORMULAS: dict[str, Callable[..., Any]] = {
    "written back": lambda x, w: _write(x, x < 0, x[x < 0] * 0.01),
    "written back where it is NaN elsewhere": lambda x, w: _logarithm(x),
    "changed in place": lambda x, w: _in_place(x),
    "one row for all": lambda x, w: _write(x, x.mean(-1) > 0, w[0, 0]),
    "one number a row": lambda x, w: _write(x, x.mean(-1) > 0, x[x.mean(-1) > 0].mean(-1, keepdim=True)),
    "sum and mean": lambda x, w: (x[x > 0.1].mean(), x[x < 0].sum()),
    "statistics": lambda x, w: [
        f(x[x > 0.1]) for f in (torch.std, torch.var, torch.max, torch.min, torch.prod, lambda v: v.std(unbiased=False))
    ],
    "selected": lambda x, w: torch.masked_select(x, x > x.mean(-1, keepdim=True)).sum(),
    "how many": lambda x, w: x[x > 0].sum() / x[x > 0].numel(),
    "rows": lambda x, w: (x[x.mean(-1) > 0] @ w[0]).mean(0),
    "rows, normalised": lambda x, w: torch.nn.functional.layer_norm(x[x.mean(-1) > 0], (8,)).amax(0),
    "softmax and running sum": lambda x, w: _write(x, x > 0, x[x > 0].softmax(0) + x[x > 0].cumsum(0)),
    "places": lambda x, w: x[:, torch.nonzero(x[0, :, 0] > 0).squeeze(-1)].sum(1),
    "written at places": lambda x, w: _write(torch.zeros_like(x), torch.where(x > 0), x[torch.where(x > 0)] * 3),
    "experts by mask": _experts,
    "experts by places": _two_experts,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMULAS)
def test_what_a_mask_picks(kind: str, audio: Any) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: Any, w: Any) -> Any:
            return FORMULAS[kind](x, w)

    w = audio.noise(3, 8, 8, seed=2) * 0.5
    calls = [(audio.noise(2, 15, 8, seed=seed) + shift, w) for seed, shift in ((3, 0.0), (4, 0.4), (5, -0.2))]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of export
        rewritten = rewrite_program(torch.export.export(Model(), calls[0], strict=False))
        for call in calls:
            expected = torch.utils._pytree.tree_leaves(Model()(*call))
            found = torch.utils._pytree.tree_leaves(rewritten.program.module()(*call))
            for a, b in zip(expected, found, strict=True):
                torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5)
    assert {"masked_values", "scattering"} & set(rewritten.applied)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["written back where it is NaN elsewhere", "statistics", "experts by places"])
def test_both_formats_compute_them(kind: str, prove_both: Any, audio: Any) -> None:
    found = prove_both(FORMULAS[kind], audio.noise(2, 15, 8, seed=3), audio.noise(3, 8, 8, seed=2))
    assert min(found.values()) >= LEAST_DB


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "returned": (lambda x: x[x > 0], "it is an output"),
    "sorted": (lambda x: x[:2][x[:2] > 0].sort().values.sum(), "aten.sort"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_fixed_form_is_one_message(kind: str, audio: Any) -> None:
    formula, needed = REFUSED[kind]

    class Model(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return formula(x)

    with pytest.raises(PackagingError, match="depends on the data") as fault:
        rewrite_program(torch.export.export(Model(), (audio.noise(5, 8),), strict=False))
    assert needed in str(fault.value)
    assert "test_masked_values.py" in str(fault.value)
    assert "choose by torch.where" in str(fault.value)


@pytest.mark.slow
def test_numbers_taken_out_say_what_is_taken(audio: Any) -> None:
    """The last frame of each clip, by its length."""

    class Model(torch.nn.Module):
        def forward(self, x: Any, lengths: Any) -> Any:
            return torch.stack([x[clip, lengths[clip].item() - 1] for clip in range(2)])

    x = audio.noise(2, 15, 8)
    rewritten = rewrite_program(torch.export.export(Model(), (x, torch.tensor([15, 3])), strict=False))
    for lengths in (torch.tensor([15, 3]), torch.tensor([2, 9])):
        torch.testing.assert_close(rewritten.program.module()(x, lengths), Model()(x, lengths), rtol=0, atol=0)
