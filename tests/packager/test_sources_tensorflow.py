from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from packager.jobs.workers import Job, Limits, run_job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorflow,
    pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="tf-keras is not installed"),
]

FOLDER = Path(__file__).parent
W = 64
"""the window of the jobs' audio contract, in samples"""

HALVED = {"audio": [1, W]}, {"scaled": [1, W]}, {"scaled": -0.5}
LOADED: dict[str, tuple[dict[str, Any], Any]] = {
    "two.h5": ({}, HALVED),
    "two.keras": ({}, HALVED),
    "two_saved": ({}, HALVED),
    "two_compiled": ({}, HALVED),
    "three.keras": ({}, HALVED),
    "three.h5": ({}, HALVED),
    "three_saved": ({}, ({"audio": [1, W]}, {"output_0": [1, W]}, {"output_0": -0.5})),
    "code.keras": ({"trust": True}, HALVED),
    "code.h5": ({"trust": True}, HALVED),
    "states.keras": (
        {"inputs": {"frames": {"shape": [1, 6, 5]}}, "state": {"h": "h_out", "c": "c_out"}},
        (
            {"frames": [1, 6, 5], "h": [1, 4], "c": [1, 4]},
            {"speech": [1, 6, 1], "h_out": [1, 4], "c_out": [1, 4]},
            None,
        ),
    ),
    "two_inputs.keras": (
        {"trust": True},
        ({"audio": [1, W], "features": [1, 3]}, {"sum": [1, 3]}, {"sum": -2.0}),
    ),
    "module": ({"signature": "scale"}, ({"audio": [W]}, {"scaled": [W]}, {"scaled": -0.5})),
    "module, the other": (
        {"source": "module", "signature": "invert"},
        ({"audio": [1, W]}, {"scaled": [1, W]}, {"scaled": 1.0}),
    ),
    "unsigned": ({"signature": "scale"}, ({"audio": [W]}, {"scaled": [W]}, {"scaled": -0.5})),
    "a factory of Keras": (
        {"source": "python:tensorflow_factories:make_keras"},
        ({"audio": [1, W, 1]}, {"halved": [1, W, 1]}, {"halved": -0.5}),
    ),
    "a factory of a module": (
        {"source": "python:tensorflow_factories:make_module"},
        ({"audio": [1, W]}, {"output": [1, W]}, {"output": -0.5}),
    ),
    "a tuple, named by the recipe; complex numbers are pairs": (
        {"source": "python:tensorflow_factories:make_function", "outputs": {"bins": {}, "magnitude": {}}},
        ({"audio": [1, W]}, {"bins": [1, 33, 2], "magnitude": [1, 33]}, None),
    ),
    "a factory with example inputs": (
        {"source": "python:tensorflow_factories:make_with_examples"},
        ({"audio": [1, W], "ids": [2]}, {"picked": [1, 2]}, None),
    ),
}

LOADED["noise that is not heard"] = (
    {"source": "python:tensorflow_factories:make_noiseless"},
    ({"audio": [1, W]}, {"output": [1, W]}, {"output": -0.5}),
)

REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a signature that is not there": (
        {"source": "module", "signature": "scael"},
        ("no signature 'scael'", "did you mean", "invert, scale"),
    ),
    "two signatures, neither of them the default": ({"source": "module"}, ("'serving_default'", "invert, scale")),
    "code, untrusted": ({"source": "code.keras"}, ("Lambda", "trust = true")),
    "code in HDF5, untrusted": ({"source": "code.h5"}, ("Lambda", "trust = true")),
    "noise": (
        {"source": "python:tensorflow_factories:make_noisy"},
        (
            "draws random numbers",
            "(RandomStandardNormal",
            "make the noise an input",
        ),
    ),
    "noise of a generator": (
        {"source": "python:tensorflow_factories:make_generator"},
        ("draws random numbers", "(StatelessRandomUniformV2"),
    ),
    "dropout that is on": (
        {"source": "python:tensorflow_factories:make_dropout"},
        ("draws random numbers", "dropout is on though"),
    ),
    "damaged": ({"source": "damaged.keras"}, ("not a Keras model",)),
    "an open dimension": (
        {"source": "states.keras"},
        ("'frames' has shape [1, None, 5]", "dimension 1", "model.inputs.frames.shape = [1, 100, 5]"),
    ),
    "a shape that does not fit": (
        {"source": "states.keras", "inputs": {"frames": {"shape": [1, 6, 4]}}},
        ("[1, 6, 4] does not fit", "[None, None, 5]"),
    ),
    "an output that is not there": ({"source": "three_saved", "outputs": {"a": {}}}, ("a: not among", "output_0")),
    "no model": ({"source": "python:tensorflow_factories:make_nothing"}, ("returned a int", "keras.Model")),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All of the recipes' models loaded by one process, after another one made them."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "tensorflow_factories.py").write_text((FOLDER / "tensorflow_factories.py").read_text())
    recipes = {
        name: {"source": name, "outputs": {}, **changes, "framework": "tensorflow"}
        for name, (changes, _) in {**LOADED, **REFUSED}.items()
    }
    request = {"folder": str(folder), "recipes": recipes}
    for name in ("make_models", "load_models"):
        target = f"tests.packager.tensorflow_jobs:{name}"
        events = run_job(Job(target, request, folder / f"{name}.log", Limits(time_s=300)))
    return {event["name"]: event for event in events}


@pytest.mark.parametrize("name", LOADED)
def test_a_model_of_any_kind_has_names_and_shapes_and_runs(loaded: dict[str, dict[str, Any]], name: str) -> None:
    inputs, outputs, first = LOADED[name][1]
    found = loaded[name]
    assert "fault" not in found, found["fault"]
    assert found["inputs"] == inputs
    assert list(found["inputs"]) == list(inputs), "in the order of the call"
    assert found["outputs"] == outputs
    if first is not None:
        assert found["first"] == pytest.approx(first)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_loaded_is_told_with_what_would_be_right(loaded: dict[str, dict[str, Any]], name: str) -> None:
    for words in REFUSED[name][1]:
        assert words in loaded[name]["fault"]
