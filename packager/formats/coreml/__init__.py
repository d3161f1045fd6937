"""Core ML: conversion, compression, floor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packager.bundle import Floor
from packager.formats.coreml.compression import MODEL_FILE, PRECISIONS
from packager.formats.coreml.names import to_native
from packager.formats.format import Format
from packager.integration_records import CallContract, RuntimePackage
from packager.model import ModelSpec

MINIMUM_TARGETS = {
    "float32": 15,
    "float16": 15,
    "mixed_float16": 15,
    "linear_w8": 16,
    "palettized_w8": 16,
    "palettized_w6": 16,
    "palettized_w4": 16,
    "w8a8": 17,
    "linear_w4_block32": 18,
}
"""precision → the iOS release that brought the ops it needs.

Source: coremltools 9.0 op sets: `constexpr_affine_dequantize` and `constexpr_lut_to_dense` in iOS16, activation
`quantize`/`dequantize` in iOS17, `constexpr_blockwise_shift_scale` in iOS18; ML Programs themselves in iOS15.
"""


class _States:
    """iOS 18's own states."""

    deployment_target = "iOS18"

    def wanted(self, spec: ModelSpec) -> Mapping[str, str]:
        return spec.state if spec.coreml.state == "internal" else {}

    def keep(self, path: Path, state: Mapping[str, str]) -> None:
        from packager.formats.coreml.state import keep_states

        keep_states(path, state)


def _read_floor(path: Path) -> Floor:
    from packager.formats.coreml.floor import coreml_floor
    from packager.formats.coreml.mlpackage import specification_version

    return coreml_floor(specification_version(path))


def _read_call(path: Path) -> CallContract:
    from packager.formats.coreml.mlpackage import import_coremltools

    description = import_coremltools().models.utils.load_spec(str(path)).description
    given, made = (
        {one.name: place for place, one in enumerate(ports)} for ports in (description.input, description.output)
    )
    return CallContract(signature="main", inputs=given, outputs=made)


_RUNTIMES = (
    RuntimePackage(
        platform="ios",
        manager="system",
        name="CoreML.framework",
        version=None,
        minimum_os=None,
        note="compute_unit is MLModelConfiguration.computeUnits; none leaves it at all",
    ),
)


def _key_facts(spec: ModelSpec, minimum_deployment_target: str) -> dict[str, Any]:
    return {"target": minimum_deployment_target, "coreml": spec.coreml.model_dump()}


def _get_ready(framework: str) -> None:
    if framework != "tensorflow":
        from packager.formats.coreml.mlpackage import import_coremltools

        import_coremltools(without=("tensorflow",))  # seconds that a model of another framework need not wait


FORMAT = Format(
    name="coreml",
    title="Core ML",
    suffixes=(".mlpackage", ".mlmodel"),
    model_file=MODEL_FILE,
    runtimes={"Core ML": ("ios",)},
    precisions=PRECISIONS,
    converters={framework: f"{__name__}.from_{framework}" for framework in ("tensorflow", "torch")},
    read_floor=_read_floor,
    packages=("coremltools", "protobuf"),
    to_native=to_native,
    minimum_targets=MINIMUM_TARGETS,
    key_facts=_key_facts,
    state_keeping=_States(),
    get_ready=_get_ready,
    read_call=_read_call,
    runtime_packages=_RUNTIMES,
    code=(f"{__name__}.compression.*", f"{__name__}.lowerings.*"),
)
