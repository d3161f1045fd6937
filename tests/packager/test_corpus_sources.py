from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from packager.factories import call_factory, locate_factory
from tests.corpus.catalog import CATALOG, Entry
from tests.specimens import ROOT

FOLDER = ROOT / "tests" / "corpus"
MOST_PARAMETERS = 2_000_000
LONGEST_INPUT = 48_000
SMALLEST_SPREAD, LARGEST_SPREAD = 3e-3, 100.0
"""standard deviation of an output: below, a fault in a conversion could not be told from rounding"""
HALF_A_UNIT = 6e-8
"""of a float32's last place"""
LEAST_SNR_DB = 75.0
"""parity of a float32 bundle is to be 60 dB"""
pytestmark = [
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),
    pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's, of TorchScript and of torch.ao.quantization
]
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


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads cost such small models more than they gain, and sums of several threads vary."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.pytorch
@needs_torch
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("entry", TORCH, ids=lambda entry: entry.name)
def test_a_factory_makes_the_same_small_model_every_time(entry: Entry) -> None:
    if entry.factory.startswith("transformers_models:"):
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


@pytest.mark.slow
@pytest.mark.pytorch
@needs_torch
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("entry", TORCH, ids=lambda entry: entry.name)
def test_rounding_alone_leaves_room_below_the_parity_that_is_asked(entry: Entry) -> None:
    """Every weight is moved by half a unit in its last place; what that does to the outputs no conversion can avoid."""
    import torch

    module, inputs = _make(entry)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        outputs = _named(entry, module(*inputs))
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.mul_(1 + HALF_A_UNIT * torch.randn(tensor.shape, generator=generator))
        moved = _named(entry, module(*inputs))
    for name, value in outputs.items():
        noise = float((value.double() - moved[name].double()).square().sum())
        if noise:
            snr_db = 10 * math.log10(float(value.double().square().sum()) / noise)
            assert snr_db >= LEAST_SNR_DB, f"{name}: {snr_db:.0f} dB"


def _check_spread(name: str, value: Any, states: Iterable[str]) -> None:
    assert value.isfinite().all(), name
    if value.is_floating_point() and value.numel() > 1 and name not in states:
        assert SMALLEST_SPREAD < float(value.std(correction=0)) < LARGEST_SPREAD, name


@pytest.mark.slow
@pytest.mark.pytorch
@needs_torch
@pytest.mark.usefixtures("one_thread")
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
        assert f"def {function}(" in path.read_text(encoding="utf-8")


KERAS_SCRIPT = """
import importlib, json, sys
import numpy as np
found = {}
for factory in sys.argv[1:]:
    module, function = factory.split(":")
    model, again = (getattr(importlib.import_module(f"tests.corpus.{module}"), function)() for _ in range(2))
    generator = np.random.default_rng(3)
    fed = {i.name: generator.normal(0, 0.3, [1, *i.shape[1:]]).astype("float32") for i in model.inputs}
    outputs = model(list(fed.values()) if len(fed) > 1 else next(iter(fed.values())), training=False)
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    outputs = {name: np.asarray(value) for name, value in outputs.items()}
    found[factory] = {
        "parameters": model.count_params(),
        "inputs": {name: list(value.shape) for name, value in fed.items()},
        "outputs": {name: list(value.shape) for name, value in outputs.items()},
        "spreads": {name: float(value.std()) for name, value in outputs.items() if value.dtype.kind == "f"},
        "same": all(np.array_equal(*pair) for pair in zip(model.get_weights(), again.get_weights(), strict=True)),
    }
print(json.dumps(found))
"""
"""TensorFlow never enters the process of the tests"""


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="keras is not installed")
def test_keras_factories_make_the_same_small_models_every_time() -> None:
    entries = [entry for entry in CATALOG if entry.framework == "tensorflow"]
    run = subprocess.run(
        [sys.executable, "-c", KERAS_SCRIPT, *(entry.factory for entry in entries)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert len(entries) >= 9
    for entry in entries:
        made = found[entry.factory]
        assert made["same"], entry.name
        assert made["parameters"] <= MOST_PARAMETERS, entry.name
        for name, spread in made["spreads"].items():
            assert name in entry.state.values() or SMALLEST_SPREAD < spread < LARGEST_SPREAD, (entry.name, name)
        for name, output in entry.state.items():
            assert made["inputs"][name] == made["outputs"][output], entry.name
