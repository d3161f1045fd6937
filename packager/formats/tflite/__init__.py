"""TFLite: conversion, quantization, floor. Its files run in LiteRT, and in TFLite, as it was called before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from device_profiles.profile import Runtime
from packager.bundle import Floor
from packager.formats.format import Format
from packager.formats.tflite.compression import MODEL_FILE, PRECISIONS
from packager.integration_records import CallContract, RuntimePackage

_BOTH = ("android", "ios")


def _read_floor(path: Path) -> Floor:
    from packager.formats.tflite.floor import tflite_floor

    return tflite_floor(path.read_bytes())


def _read_call(path: Path) -> CallContract:
    from packager.formats.tflite.calling import read_call

    return read_call(path)


_RUNTIMES = (
    RuntimePackage(
        platform="android",
        manager="maven",
        name="com.google.ai.edge.litert:litert",
        version="2.3.0",
        minimum_os="API24",
        note="a GPU needs com.google.ai.edge.litert:litert-gpu of the same version beside it",
    ),
    RuntimePackage(
        platform="ios",
        manager="cocoapods",
        name="TensorFlowLiteSwift",
        version=None,
        minimum_os=None,
        note="counts TensorFlow's releases: the bundle's floor says the oldest, the pod the iOS that it needs",
    ),
)
"""Source: LiteRT's and TensorFlow Lite's guides for Android and iOS; the release is that of ai-edge-litert here."""


def _on_floor_scale(runtime: Runtime) -> str:
    from packager.formats.tflite.floor import on_tflite_scale

    return on_tflite_scale(runtime)


def _explain_refusal(fault: Exception, loaded: Any) -> str:
    """Why LiteRT does not run what was made, in one line, with the user's line as far as it is known."""
    from packager.diagnosis import explain_refusal
    from packager.sources.torch import TorchSource

    if not isinstance(loaded, TorchSource):
        return str(fault)
    from packager.rewrites.torch import rewrite_program

    return explain_refusal(fault, rewrite_program(loaded.program).program)


FORMAT = Format(
    name="tflite",
    title="TFLite",
    suffixes=(".tflite",),
    model_file=MODEL_FILE,
    runtimes={"LiteRT": _BOTH, "TFLite": _BOTH},
    precisions=PRECISIONS,
    converters={framework: f"{__name__}.from_{framework}" for framework in ("tensorflow", "torch")},
    read_floor=_read_floor,
    packages=("ai-edge-quantizer",),
    converter_packages={"torch": ("litert-torch", "litert-converter")},
    fixed_lengths=(
        "a TFLite bundle has one length, since a phone's delegates refuse a whole graph in which one dimension is open"
    ),
    explain_refusal=_explain_refusal,
    read_call=_read_call,
    runtime_packages=_RUNTIMES,
    on_floor_scale=_on_floor_scale,
    code=(f"{__name__}.compression.*", f"{__name__}.lowerings.*"),
)
