from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from corpus.catalog import CATALOG, Entry
from specimens import ROOT

from packager.factories import call_factory, locate_factory

FOLDER = ROOT / "tests" / "corpus"
MOST_PARAMETERS = 2_000_000
LONGEST_INPUT = 48_000
SMALLEST_SPREAD, LARGEST_SPREAD = 3e-3, 20.0
"""standard deviation of an output: below, a fault in a conversion could not be told from rounding"""
TORCH = [entry for entry in CATALOG if entry.framework == "torch"]

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


def _make(entry: Entry) -> tuple[Any, tuple[Any, ...]]:
    return call_factory(*locate_factory(entry.source, FOLDER, where="model.source"))  # type: ignore[no-any-return]


def _named(entry: Entry, found: Any) -> dict[str, Any]:
    if isinstance(found, dict):
        return found
    values = found if isinstance(found, tuple) else (found,)
    names = entry.outputs or ("output",)
    assert len(names) == len(values), "a name an output"
    return dict(zip(names, values, strict=True))


def test_the_catalog_is_whole() -> None:
    names = [entry.name for entry in CATALOG]
    assert len(set(names)) == len(names)
    assert sum(entry.framework == "torch" for entry in CATALOG) >= 30


@pytest.mark.slow
@pytest.mark.pytorch
@needs_torch
@pytest.mark.parametrize("entry", TORCH, ids=lambda entry: entry.name)
def test_a_factory_makes_the_same_small_model_every_time(entry: Entry) -> None:
    if "transformers" in entry.factory:
        pytest.importorskip("transformers")
    import torch

    (module, inputs), (again, same) = _make(entry), _make(entry)
    assert not any(part.training for part in module.modules())
    assert sum(parameter.numel() for parameter in module.parameters()) <= MOST_PARAMETERS
    assert all(one.numel() <= LONGEST_INPUT for one in inputs)
    with torch.no_grad():
        outputs, repeated = _named(entry, module(*inputs)), _named(entry, again(*same))
    for name, value in outputs.items():
        assert torch.equal(value, repeated[name]), name
        _check_spread(name, value, entry.state.values())


def _check_spread(name: str, value: Any, states: Iterable[str]) -> None:
    assert value.isfinite().all(), name
    if value.is_floating_point() and value.numel() > 1 and name not in states:
        assert SMALLEST_SPREAD < float(value.std(correction=0)) < LARGEST_SPREAD, name


@pytest.mark.slow
@pytest.mark.pytorch
@needs_torch
@pytest.mark.parametrize("entry", [entry for entry in TORCH if entry.state], ids=lambda entry: entry.name)
def test_a_state_starts_with_zeros_comes_back_in_its_form_and_matters(entry: Entry) -> None:
    import inspect

    import torch

    module, inputs = _make(entry)
    given = dict(zip(inspect.signature(module.forward).parameters, inputs, strict=True))
    with torch.no_grad():
        outputs = _named(entry, module(**given))
        later = _named(entry, module(**{**given, **{name: outputs[out] for name, out in entry.state.items()}}))
    for name, out in entry.state.items():
        assert not given[name].any(), name
        assert (given[name].shape, given[name].dtype) == (outputs[out].shape, outputs[out].dtype), name
    assert any(not torch.equal(outputs[name], later[name]) for name in outputs if name not in entry.state.values())


def test_recipes_beside_the_corpus_find_every_factory() -> None:
    for entry in CATALOG:
        path, function = locate_factory(entry.source, FOLDER, where="model.source")
        assert path.parent == FOLDER
        assert f"def {function}(" in Path(path).read_text(encoding="utf-8")
