"""What the tests of TensorFlow's rewrites have a worker do: rewrite, convert, run, compare."""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evaluators.targets import open_model
from packager.bundle import AudioContract
from packager.compression import Context
from packager.formats import prepare
from packager.model import ModelSpec, find_source
from packager.proving.trials import make_trials
from packager.sources import load_source
from packager.sources.tensorflow import import_tensorflow

os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"})

Tensors = Mapping[str, Any]


def prove(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For each function and format: how far the bundle is from the source, what was applied, and what ops there are."""
    for made in _converted(request):
        yield made.said | {"decibels": _worst(made.expected, made.found)}


def run(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For each function and format: the bundle's outputs on each call, as lists."""
    for made in _converted(request):
        outputs = [{name: np.asarray(value).tolist() for name, value in call.items()} for call in made.found]
        yield made.said | {"outputs": outputs}


def rewrite(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For each function and format: what the rewritten graph gives in TensorFlow itself, beside the function."""
    from packager.rewrites.tensorflow import rewrite_function

    tf = import_tensorflow(legacy_keras=False)
    window = request["window"]
    samples = (0.3 * np.random.default_rng(7).standard_normal((1, window))).astype(np.float32)
    for name, format_ in request["functions"]:
        _, loaded = _load(name, window)
        dialect = importlib.import_module(f"packager.formats.{format_}.from_tensorflow").DIALECT
        rewritten = rewrite_function(loaded.function, dialect)
        expected, found = loaded.run({"audio": samples}), rewritten.function(audio=tf.constant(samples))
        worst = min(_ratio(expected[output], found[output].numpy()) for output in expected)
        yield {"name": name, "format": format_, "rewrites": list(rewritten.applied), "decibels": worst}


class _Made(NamedTuple):
    said: dict[str, Any]
    expected: Any
    found: list[Tensors]


def _contract(window: int) -> AudioContract:
    return AudioContract(sample_rate_hz=8000, window_samples=window, hop_samples=window)


def _load(name: str, window: int) -> tuple[ModelSpec, Any]:
    spec = ModelSpec(
        name=name, version="1", license="Apache-2.0", source=f"python:tensorflow_functions:{name}"
    ).model_copy(update={"framework": "tensorflow"})
    return spec, load_source(find_source(spec, Path(__file__).parent), _contract(window))


def _converted(request: dict[str, Any]) -> Iterator[_Made]:
    audio = _contract(request["window"])
    for name, formats in request["functions"].items():
        spec, loaded = _load(name, request["window"])
        trials = make_trials(loaded, audio, spec, None)
        for format_ in formats:
            with tempfile.TemporaryDirectory() as place:
                path = Path(place) / ("model.tflite" if format_ == "tflite" else "model.mlpackage")
                began = time.monotonic()
                rewrites = prepare("tensorflow", format_, loaded, Context("iOS17"))("float32", path)
                model = open_model(path)
                found = [model.run(call) for call in trials.calls]
                said = {
                    "name": name,
                    "format": format_,
                    "rewrites": list(rewrites),
                    "bytes": sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file()),
                    "seconds": time.monotonic() - began,
                }
            yield _Made(said, trials.references, found)


def _worst(expected: Any, found: Any) -> dict[str, float]:
    names = expected[0]
    return {name: min(_ratio(a[name], b[name]) for a, b in zip(expected, found, strict=True)) for name in names}


def _ratio(expected: Any, found: Any) -> float:
    """Signal to noise in dB, at most 200."""
    if expected.shape != found.shape:
        return -200.0
    expected = np.asarray(expected, np.float64)
    noise = np.sum((expected - np.asarray(found, np.float64)) ** 2)
    signal = np.sum(expected**2)
    return 200.0 if noise <= 1e-20 * signal else float(10 * np.log10(signal / noise))
