"""Models whose outputs depend on random numbers are refused in one line; those that draw in vain are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from packager.errors import PackagingError
from packager.sources.draws import run_undrawn

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402

pytestmark = pytest.mark.pytorch

X = torch.linspace(0.1, 0.9, 32).reshape(1, 32)

DRAWING: dict[str, Callable[[Any], Any]] = {
    "randn_like": lambda x: x + 0.1 * torch.randn_like(x),
    "rand": lambda x: x * torch.rand(1, 32),
    "randint": lambda x: x + torch.randint(0, 100, (1, 32)),
    "normal": lambda x: torch.normal(x, 0.1),
    "bernoulli": lambda x: torch.bernoulli(x),
    "multinomial": lambda x: x[:, torch.multinomial(x[0], 8)],
    "randperm": lambda x: x[:, torch.randperm(32)],
    "written noise": lambda x: x + torch.empty(1, 32).uniform_(-1, 1),
    "gumbel_softmax": lambda x: F.gumbel_softmax(x),
    "a seed of its own": lambda x: torch.manual_seed(3) and x + torch.randn(1, 32),
}
DROPPING: dict[str, Callable[[Any], Any]] = {
    "dropout": lambda x: F.dropout(x, 0.5),
    "alpha_dropout": lambda x: F.alpha_dropout(x, 0.5, training=True),
    "feature_dropout": lambda x: F.dropout1d(x[:, :, None], 0.5),
    "attention": lambda x: F.scaled_dot_product_attention(*[x.reshape(1, 4, 8)] * 3, dropout_p=0.5),
}
HARMLESS: dict[str, Callable[[Any], Any]] = {
    "nothing drawn": torch.sin,
    "noise times 0": lambda x: x + 0.0 * torch.randn_like(x),
    "noise that is not used": lambda x: torch.randn_like(x).shape[1] * x,
    "dropout that is off": lambda x: F.dropout(x, 0.5, training=False),
    "not a number": lambda x: torch.rand(1, 32) * torch.nan + x,
}


def _refusal(call: Callable[[Any], Any], x: Any = X) -> str:
    with torch.no_grad(), pytest.raises(PackagingError) as caught:
        run_undrawn(lambda: {"y": call(x)}, "net.py:build")
    return str(caught.value)


@pytest.mark.parametrize("kind", DRAWING)
def test_drawn_numbers_are_refused_with_op_and_line(kind: str) -> None:
    said = _refusal(DRAWING[kind])
    assert said.startswith("net.py:build: forward draws random numbers, so that no two calls give the same (aten.")
    assert f"at test_draws.py:{DRAWING[kind].__code__.co_firstlineno} in " in said
    assert said.endswith("make the noise an input")


@pytest.mark.parametrize("kind", DROPPING)
def test_dropout_that_is_on_is_called_that(kind: str) -> None:
    said = _refusal(DROPPING[kind])
    assert "dropout is on though the model is in evaluation mode" in said
    assert f'"{kind}"' in said


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_the_outputs_do_not_depend_on_is_let_pass(kind: str) -> None:
    found = run_undrawn(lambda: {"y": HARMLESS[kind](X)}, "net.py:build")
    assert torch.equal(torch.nan_to_num(found["y"]), torch.nan_to_num(HARMLESS[kind](X)))


def test_a_recurrence_in_training_mode_is_refused() -> None:
    layer = torch.nn.LSTM(8, 8, 2, dropout=0.5)
    assert "draws random numbers" in _refusal(lambda x: layer(x.reshape(4, 1, 8))[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of TorchScript
def test_scripted_models_are_watched_too() -> None:
    scripted = torch.jit.trace(torch.nn.Dropout(0.5).train(), X, check_trace=False)
    assert "draws random numbers" in _refusal(scripted)
