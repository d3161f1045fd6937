"""What the tests of TensorFlow's rewrites have a worker do: rewrite, convert, run, compare."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evaluators.emulators import open_model
from packager.bundle import AudioContract
from packager.compression import Context
from packager.converters import prepare
from packager.model import ModelSpec, find_source
from packager.sources import load_source
from packager.trials import make_trials

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


class _Made(NamedTuple):
    said: dict[str, Any]
    expected: Any
    found: list[Tensors]


def _converted(request: dict[str, Any]) -> Iterator[_Made]:
    folder, window = Path(__file__).parent, request["window"]
    audio = AudioContract(sample_rate_hz=8000, window_samples=window, hop_samples=window)
    for name, formats in request["functions"].items():
        spec = ModelSpec(
            name=name, version="1", license="Apache-2.0", source=f"python:tensorflow_functions:{name}"
        ).model_copy(update={"framework": "tensorflow"})
        loaded = load_source(find_source(spec, folder), audio)
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
