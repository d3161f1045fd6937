"""Inside the conversion worker: load a source once, write each of its bundles with golden vectors and manifest."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from device_profiles.record import Record
from packager.bundle import (
    MANIFEST_NAME,
    AudioContract,
    Floor,
    Format,
    GoldenVector,
    Manifest,
    SourceIdentity,
    TensorContract,
    dump_manifest,
)
from packager.compression import model_file
from packager.converters import Options, Write, prepare
from packager.errors import PackagingError
from packager.floors import coreml_floor, tflite_floor
from packager.model import Framework, ModelSource, ModelSpec
from packager.probes import probe_windows
from packager.sources import LoadedSource, SourceTensor, load_source, name_audio_axes, shape_window
from packager.storage import digest_files, stage_folder


class BundleRequest(Record):
    """One bundle to be made."""

    variant: str
    precision: str
    key: str
    folder: str


class ConversionRequest(Record):
    """All bundles of one format from one source."""

    spec: ModelSpec
    path: str
    framework: Framework
    sha256: str
    audio: AudioContract
    format: Format
    minimum_deployment_target: str
    tools: dict[str, str]
    bundles: tuple[BundleRequest, ...]

    @property
    def source(self) -> ModelSource:
        return ModelSource(spec=self.spec, path=Path(self.path), framework=self.framework, sha256=self.sha256)


@dataclass(frozen=True)
class _Prepared:
    """What all bundles of one request share."""

    request: ConversionRequest
    loaded: LoadedSource
    write: Write


def convert_bundles(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Make bundles; yields one event each as it is in place: `{"variant", "reason"}`, reason None when it is good."""
    parsed = ConversionRequest.model_validate(request, strict=False)
    loaded = load_source(parsed.source, parsed.audio)
    options = Options(minimum_deployment_target=parsed.minimum_deployment_target)
    prepared = _Prepared(parsed, loaded, prepare(parsed.framework, parsed.format, loaded, options))
    for bundle in parsed.bundles:
        try:
            with stage_folder(Path(bundle.folder)) as stage:
                _write_bundle(prepared, bundle, stage)
            yield {"variant": bundle.variant, "reason": None}
        except PackagingError as fault:
            yield {"variant": bundle.variant, "reason": str(fault)}


def _write_bundle(prepared: _Prepared, bundle: BundleRequest, folder: Path) -> None:
    request, loaded = prepared.request, prepared.loaded
    model_path = folder / model_file(request.format)
    rewrites = prepared.write(bundle.precision, model_path)
    golden = _write_golden(loaded, request.audio, folder)
    manifest = Manifest(
        key=bundle.key,
        variant=bundle.variant,
        model=request.spec.identity,
        format=request.format,
        precision=bundle.precision,
        file=model_path.name,
        files=digest_files(folder),
        source=SourceIdentity(
            uri=request.spec.source,
            framework=request.framework,
            sha256=request.sha256,
            signature=request.spec.signature,
        ),
        tools=request.tools,
        audio=request.audio,
        inputs=(_input_contract(loaded.input, request.audio),),
        outputs=tuple(_output_contract(name, loaded.outputs[name], request.spec) for name in request.spec.outputs),
        floor=_floor(model_path, request.format),
        golden=golden,
        rewrites=rewrites,
    )
    (folder / MANIFEST_NAME).write_text(dump_manifest(manifest), encoding="utf-8")


def _write_golden(loaded: LoadedSource, audio: AudioContract, folder: Path) -> tuple[GoldenVector, ...]:
    axes = name_audio_axes(loaded.input.shape, audio)
    vectors = []
    for name, window in probe_windows(audio).items():
        inputs = {"audio": shape_window(window, loaded.input.shape, axes)}
        outputs = loaded.run(inputs["audio"])
        vectors.append(
            GoldenVector(
                name=name,
                inputs={key: _write_values(folder, f"golden/{name}/{key}.f32", value) for key, value in inputs.items()},
                outputs={
                    key: _write_values(folder, f"golden/{name}/{key}.f32", value)
                    for key, value in sorted(outputs.items())
                },
            )
        )
    return tuple(vectors)


def _write_values(folder: Path, name: str, values: npt.NDArray[np.float32]) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(values.astype("<f4").tobytes())
    return name


def _input_contract(tensor: SourceTensor, audio: AudioContract) -> TensorContract:
    return TensorContract(
        name="audio",
        native_name="audio",
        shape=tensor.shape,
        dtype=_dtype(tensor),
        axes=name_audio_axes(tensor.shape, audio),
    )


def _output_contract(name: str, tensor: SourceTensor, spec: ModelSpec) -> TensorContract:
    return TensorContract(
        name=name,
        native_name=name,
        shape=tensor.shape,
        dtype=_dtype(tensor),
        axes=("batch", *spec.outputs[name].axes),
    )


def _dtype(tensor: SourceTensor) -> Any:
    known = get_args(TensorContract.model_fields["dtype"].annotation)
    if tensor.dtype not in known:
        raise PackagingError(f"a tensor of type {tensor.dtype}; a bundle can hold {', '.join(known)}")
    return tensor.dtype


def _floor(path: Path, format_: Format) -> Floor:
    if format_ == "tflite":
        return tflite_floor(path.read_bytes())
    from packager.mlpackage import specification_version

    return coreml_floor(specification_version(path))


_FRAMEWORK_PACKAGES = {"tensorflow": ("tensorflow", "tf-keras"), "torch": ("torch",)}
_FORMAT_PACKAGES = {"tflite": ("ai-edge-quantizer",), "coreml": ("coremltools", "protobuf")}
_PAIR_PACKAGES = {("torch", "tflite"): ("litert-torch", "litert-converter")}


def tool_versions(framework: Framework, format_: Format | None = None) -> dict[str, str]:
    """Versions of the packages that load a source and, with a format, convert it; none of them is imported."""
    packages = {"numpy", *_FRAMEWORK_PACKAGES[framework]}
    if format_ is not None:
        packages |= {*_FORMAT_PACKAGES[format_], *_PAIR_PACKAGES.get((framework, format_), ())}
    versions = {}
    for package in sorted(packages):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
