"""Branches on the data: both ways are computed, and the one that Python would take is chosen."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from packager.sources.exporting import export_program  # noqa: E402  needs torch

pytestmark = pytest.mark.pytorch


def _normalise(x: Any) -> Any:
    if x.abs().max() > 1.0:
        x = x / x.abs().max()
    return x


def _layers(x: Any, one: Any, other: Any) -> Any:
    y = one(x) if x.mean() > 0 else other(x)
    return y.tanh()


def _nested(x: Any) -> Any:
    if x.max() > 1 and x.min() < -1:
        x = x.clamp(-1, 1)
    elif bool((x > 0.9).any()):
        x = x.clone()
        x *= 0.9
    if not torch.isfinite(x).all():
        return torch.zeros_like(x)
    return x + 1


def _with_number(x: Any) -> Any:
    peak = x.abs().max().item()
    return x / (peak + 1e-6) if peak > 0.5 else x * 2


def _guarded(x: Any) -> Any:
    assert x.abs().max() < 100
    if torch.isnan(x).any():
        raise ValueError("not a number")
    return x * 2


def _lists(x: Any) -> Any:
    low, high = x.chunk(2, -1)
    if low.sum() > high.sum():
        low, high = high, low
    return torch.cat([low, high, low.sort(-1).values], -1)


def _condition(x: Any) -> Any:
    return torch.cond(x.mean() > 0, lambda x: x.sin(), lambda x: x.cos() - 1, (x,))


def _recurrent(x: Any, lstm: Any) -> Any:
    if x.std() < 0.5:
        x = x * 2
    return lstm(x)[0]


FORMULAS: dict[str, tuple[Callable[..., Any], int]] = {
    "what follows runs once": (_normalise, 1),
    "branches one in another": (_nested, 6),
    "a number taken out": (_with_number, 1),
    "errors": (_guarded, 0),
    "several values": (_lists, 2),
    "torch.cond": (_condition, 1),
}


class Model(torch.nn.Module):
    def __init__(self, formula: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        self.formula, self.layers = formula, torch.nn.ModuleDict(layers)

    def forward(self, x: Any) -> Any:
        return {"y": self.formula(x, **self.layers)}


def _count(program: Any, op: str) -> int:
    return sum(op in str(node.target) for node in program.graph.nodes)


LEVELS = ((1.0, 0.0), (0.1, 0.1), (0.1, -0.1), (0.3, 0.6), (2.0, -0.1))
CALLS = [
    scale * torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(seed)) + shift
    for seed, (scale, shift) in enumerate(LEVELS)
]


def _check(module: torch.nn.Module) -> Any:
    """Export with one input, hold against the model on all of them."""
    program = export_program(module.eval(), (CALLS[0],))
    with torch.no_grad():
        for x in CALLS:
            expected = module(x.clone())["y"]
            torch.testing.assert_close(program.module()(x.clone())["y"], expected, rtol=1e-6, atol=1e-6)
    return program


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMULAS)
def test_every_way_is_the_models(kind: str) -> None:
    formula, choices = FORMULAS[kind]
    assert _count(_check(Model(formula)), "where") == choices


def test_layers_are_not_chosen_but_what_they_give() -> None:
    torch.manual_seed(0)
    program = _check(Model(_layers, one=torch.nn.Linear(8, 4), other=torch.nn.Linear(8, 4)))
    assert _count(program, "aten.linear") == 2
    assert _count(program, "aten.where") == _count(program, "aten.tanh") == 1
    assert {"formula.one.weight"} & {name.replace("module.layers", "formula") for name in program.state_dict}


def test_a_recurrence_behind_a_branch_runs_once() -> None:
    torch.manual_seed(0)
    program = _check(Model(_recurrent, lstm=torch.nn.LSTM(8, 4, batch_first=True)))
    assert _count(program, "aten.lstm") == 1


def _waits(x: Any) -> Any:
    while x.abs().max() > 1:
        x = x * 0.5
    return x


def _other_size(x: Any) -> Any:
    return x if x.sum() > 0 else x[:, :3]


@pytest.mark.parametrize("formula", [_waits, _other_size])
def test_what_cannot_be_joined_stays_torchs_fault(formula: Callable[[Any], Any]) -> None:
    with pytest.raises(Exception, match="data-dependent"):
        export_program(Model(formula), (CALLS[0],))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["what follows runs once", "a number taken out", "torch.cond"])
def test_both_formats_choose(kind: str, tmp_path: Any) -> None:
    from evaluators.targets import open_model
    from packager.compression import Context
    from packager.formats import prepare
    from packager.sources import SourceTensor
    from packager.sources.torch import TorchSource

    logging.getLogger().setLevel(logging.ERROR)
    module = Model(FORMULAS[kind][0]).eval()
    shape = SourceTensor((2, 9, 8), "float32")
    source = TorchSource(module, {"x": shape}, {"y": shape}, (CALLS[0],), "here")
    for format_, file in (("tflite", "m.tflite"), ("coreml", "m.mlpackage")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converters' own
            applied = prepare("torch", format_, source, Context())("float32", tmp_path / file)
            gc.collect()  # coremltools' temporary folders, which warn when they are found lying around later
        assert "branches" in applied
        for x in CALLS:
            found = open_model(tmp_path / file).run({"x": x.numpy()})["y"]
            torch.testing.assert_close(torch.from_numpy(found), module(x)["y"], rtol=1e-5, atol=1e-5)
