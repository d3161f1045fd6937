"""Inside the conversion worker: load a source once, write each of its bundles with golden vectors and manifest."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy.typing as npt

from device_profiles.errors import TestpressError
from device_profiles.record import Record
from packager.bill import WRITERS, Origin, add_bill, read_origin
from packager.breaks import find_hanging, find_missing
from packager.bundle import (
    MANIFEST_NAME,
    AudioContract,
    Floor,
    Format,
    GoldenVector,
    Manifest,
    Proof,
    SourceIdentity,
    TensorContract,
    dump_manifest,
)
from packager.compression import Context, model_file, tolerance
from packager.compression.numerics import Numerics
from packager.converters import Write, prepare
from packager.coreml_state import DEPLOYMENT_TARGET, keep_states
from packager.diagnosis import explain_refusal, report_fault
from packager.disk import explain_no_space, hint_at_space
from packager.errors import PackagingError
from packager.floors import coreml_floor, tflite_floor
from packager.lengths import refuse_lengths
from packager.mlpackage import import_coremltools, specification_version
from packager.model import Framework, InputSpec, ModelSource, ModelSpec, OutputSpec
from packager.names import native_name
from packager.sources import AUDIO, LoadedSource, SourceTensor, load_source, name_audio_axes
from packager.storage import digest_files, stage_folder, temporary_folder
from packager.trials import Trials, make_trials


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
    factory: str | None = None
    weights: str | None = None
    audio: AudioContract | None
    format: Format
    minimum_deployment_target: str
    tools: dict[str, str]
    windows: str | None = None
    """a `.npy` file of the recipe's own audio, float32 (windows, channels, window_samples)"""
    numerics: str | None = None
    """`module:class` of what runs a model file: `packager.compression.numerics.Numerics`"""
    bundles: tuple[BundleRequest, ...]

    @property
    def internal_state(self) -> dict[str, str]:
        """State input → output, where the model itself is to keep them."""
        return self.spec.state if self.format == "coreml" and self.spec.coreml.state == "internal" else {}

    @property
    def source(self) -> ModelSource:
        weights = None if self.weights is None else Path(self.weights)
        return ModelSource(self.spec, Path(self.path), self.framework, self.sha256, self.factory, weights)


class Converted(Record):
    """What the worker says of one bundle."""

    variant: str
    reason: str | None
    """none when the bundle is there"""
    seconds: float
    """how long it took; the first one's hold what all bundles share"""


@dataclass(frozen=True)
class _Prepared:
    """What all bundles of one request share."""

    request: ConversionRequest
    origin: Origin
    loaded: LoadedSource
    trials: Trials
    numerics: Numerics | None
    write: Write


def convert_bundles(request: dict[str, Any]) -> Iterator[Converted]:
    """Make bundles; yields one event each as it is in place. A bundle that fails leaves the others their turn."""
    began = time.monotonic()
    parsed = ConversionRequest.model_validate(request, strict=False)
    refuse_lengths(parsed.spec, parsed.format)
    loaded = load_source(parsed.source, parsed.audio)
    if parsed.format == "coreml" and parsed.framework != "tensorflow":
        import_coremltools(without=("tensorflow",))  # seconds that a model of another framework need not wait
    trials = make_trials(loaded, parsed.audio, parsed.spec, parsed.windows)
    numerics = None if parsed.numerics is None else _find_numerics(parsed.numerics)
    context = Context(
        minimum_deployment_target=_find_target(parsed),
        calibration=[_with_native_names(call, parsed.format) for call in trials.calls],
        clip=[_with_native_names(call, parsed.format) for call in trials.clip_calls],
        numerics=numerics,
        references=[_with_native_names(outputs, parsed.format) for outputs in trials.references],
        lengths=trials.flexible,
        other_lengths=trials.lengths,
    )
    write = prepare(parsed.framework, parsed.format, loaded, context)
    prepared = _Prepared(parsed, read_origin(parsed.source), loaded, trials, numerics, write)
    for bundle in parsed.bundles:
        reason = None
        try:
            with stage_folder(Path(bundle.folder)) as stage:
                _write_bundle(prepared, bundle, stage)
        except Exception as fault:  # noqa: BLE001  frameworks raise anything; the whole of it is in the log
            folders = [Path(bundle.folder).parent]
            full = explain_no_space(folders, fault)  # before the log may need room as well
            reason = full or report_fault(fault) + hint_at_space(folders)
        yield Converted(variant=bundle.variant, reason=reason, seconds=round(time.monotonic() - began, 3))
        began = time.monotonic()


def _find_target(request: ConversionRequest) -> str:
    """The deployment target: the recipe's, or the first that has what the recipe asks for."""
    asked = request.minimum_deployment_target
    return max(asked, DEPLOYMENT_TARGET, key=_release) if request.internal_state else asked


def _release(target: str) -> int:
    return int(target.removeprefix("iOS"))


def _with_native_names(tensors: Mapping[str, npt.NDArray[Any]], format_: Format) -> dict[str, npt.NDArray[Any]]:
    return {native_name(name, format_): value for name, value in tensors.items()}


def _find_numerics(name: str) -> Numerics:
    module, _, class_ = name.partition(":")
    found: Numerics = getattr(importlib.import_module(module), class_)()
    return found


def _write_bundle(prepared: _Prepared, bundle: BundleRequest, folder: Path) -> None:
    request, loaded, trials = prepared.request, prepared.loaded, prepared.trials
    model_path = folder / model_file(request.format)
    rewrites = prepared.write(bundle.precision, model_path)
    if request.internal_state:
        keep_states(model_path, {_native(i): _native(o) for i, o in request.internal_state.items()})
    proof = None if prepared.numerics is None else _prove(prepared, bundle, model_path)
    golden = _write_golden(trials, folder, request.internal_state)
    inputs = tuple(_input_contract(name, tensor, request) for name, tensor in loaded.inputs.items())
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
        audio=request.audio if AUDIO in loaded.inputs else None,
        inputs=tuple(one for one in inputs if one.name not in request.internal_state),
        outputs=tuple(_output_contract(name, loaded.outputs[name], request) for name in _output_names(prepared)),
        state={} if request.internal_state else request.spec.state,
        internal_states=tuple(_keep(one) for one in inputs if one.name in request.internal_state),
        floor=_floor(model_path, request.format),
        golden=golden,
        rewrites=rewrites,
        types=getattr(loaded, "types", None),
        proof=proof,
    )
    manifest = add_bill(folder, manifest, prepared.origin)
    (folder / MANIFEST_NAME).write_text(dump_manifest(manifest), encoding="utf-8")


def _prove(prepared: _Prepared, bundle: BundleRequest, path: Path) -> Proof:
    """The bundle beside its source; where it breaks its promise, what is most to blame."""
    assert prepared.numerics is not None
    request, trials = prepared.request, prepared.trials
    try:
        proof = prepared.numerics.prove(path, trials, tolerance(request.format, bundle.precision))
    except TestpressError as fault:
        raise PackagingError(_explain_refusal(fault, prepared)) from fault
    return proof if proof.holds else proof.model_copy(update={"breaks_at": _find_break(prepared, bundle, path, proof)})


def _find_break(prepared: _Prepared, bundle: BundleRequest, path: Path, proof: Proof) -> str | None:
    """The op that is most to blame for a departure, and why, in words; None where none can be told."""
    from packager.sources.torch import TorchSource

    assert prepared.numerics is not None
    source = prepared.loaded if isinstance(prepared.loaded, TorchSource) else None
    calls = prepared.trials.calls
    if source is not None:
        hanging = find_hanging(source, calls, proof.tolerance_db)
        if hanging is not None:
            return hanging
    if source is None and bundle.precision == "float32":
        return None
    with temporary_folder() as folder:
        exact = folder / path.name
        prepared.write("float32", exact)  # as the source has it, states are inputs
        if source is not None and bundle.precision == "float32":
            return find_missing(source, calls[0], functools.partial(prepared.numerics.watch, exact))
        if prepared.request.internal_state:  # programs that keep nothing are easier to lay side by side
            path = folder / bundle.precision / path.name
            prepared.write(bundle.precision, path)
        found = prepared.numerics.find_break(exact, path, calls)
        return found and _with_place(found, prepared.write)


def _with_place(found: str, write: Write) -> str:
    """What was found of an op, with the user's line behind the op's name."""
    op, colon, rest = found.partition(":")
    place = write.find_place(op)
    return found if place is None else f"{op} ({place}){colon}{rest}"


def _explain_refusal(fault: TestpressError, prepared: _Prepared) -> str:
    """Why the format's own runtime does not run what was made, in one line, with the user's as far as it is known."""
    from packager.sources.torch import TorchSource

    if prepared.request.format != "tflite" or not isinstance(prepared.loaded, TorchSource):
        return str(fault)
    from packager.rewrites.torch import rewrite_program

    return explain_refusal(fault, rewrite_program(prepared.loaded.program).program)


def _output_names(prepared: _Prepared) -> tuple[str, ...]:
    """The recipe's outputs, in its order, then the states'; all there are where it names none."""
    spec = prepared.request.spec
    wanted = (*spec.outputs, *spec.state.values()) if spec.outputs else prepared.loaded.outputs
    kept = set(prepared.request.internal_state.values())
    return tuple(name for name in dict.fromkeys(wanted) if name not in kept)


def _write_golden(trials: Trials, folder: Path, kept: Mapping[str, str]) -> tuple[GoldenVector, ...]:
    """The probes, all of them the first call of a clip, without the states that the model keeps by itself."""
    hidden = {*kept, *kept.values()}
    return tuple(
        GoldenVector(
            name=name,
            inputs=_write_tensors(folder / "golden" / name, inputs, hidden),
            outputs=_write_tensors(folder / "golden" / name, outputs, hidden),
        )
        for name, inputs, outputs in trials.golden
    )


def _write_tensors(folder: Path, tensors: Mapping[str, npt.NDArray[Any]], hidden: Container[str]) -> dict[str, str]:
    shown = {name: tensor for name, tensor in tensors.items() if name not in hidden}
    return {name: _write_values(folder, name, tensor) for name, tensor in sorted(shown.items())}


def _write_values(folder: Path, name: str, values: npt.NDArray[Any]) -> str:
    little = values.astype(values.dtype.newbyteorder("<"))
    path = folder / f"{name}.{_SUFFIXES.get(values.dtype.name, values.dtype.name)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(little.tobytes())
    return path.relative_to(folder.parent.parent).as_posix()


_SUFFIXES = {"float32": "f32", "float16": "f16", "int32": "i32", "int64": "i64"}


def _input_contract(name: str, tensor: SourceTensor, request: ConversionRequest) -> TensorContract:
    said = request.spec.inputs.get(name, InputSpec()).axes
    if said and len(said) != len(tensor.shape):
        raise PackagingError(
            f"model.inputs.{name}.axes: {len(said)} axes for an input of shape {tensor.shape}; name {len(tensor.shape)}"
        )
    if name == AUDIO and request.audio is not None:
        axes = said or name_audio_axes(tensor.shape, request.audio)
    else:
        axes = said or _number_axes(len(tensor.shape))
    return TensorContract(
        name=name,
        native_name=native_name(name, request.format),
        shape=tensor.shape,
        dtype=_dtype(tensor),
        axes=axes,
        flexible=request.spec.inputs.get(name, InputSpec()).flexible,
    )


def _keep(contract: TensorContract) -> TensorContract:
    return contract.model_copy(update={"dtype": "float16"})


def _native(name: str) -> str:
    return native_name(name, "coreml")


def _output_contract(name: str, tensor: SourceTensor, request: ConversionRequest) -> TensorContract:
    said, rank = request.spec.outputs.get(name, OutputSpec()).axes, len(tensor.shape)
    axes = said if len(said) == rank else ("batch", *said) if said else _number_axes(rank)
    native = native_name(name, request.format)
    return TensorContract(name=name, native_name=native, shape=tensor.shape, dtype=_dtype(tensor), axes=axes)


def _number_axes(rank: int) -> tuple[str, ...]:
    return tuple("batch" if axis == 0 else f"axis_{axis}" for axis in range(rank))


def _dtype(tensor: SourceTensor) -> Any:
    known = get_args(TensorContract.model_fields["dtype"].annotation)
    if tensor.dtype not in known:
        raise PackagingError(f"a tensor of type {tensor.dtype}; a bundle can hold {', '.join(known)}")
    return tensor.dtype


def _floor(path: Path, format_: Format) -> Floor:
    if format_ == "tflite":
        return tflite_floor(path.read_bytes())
    return coreml_floor(specification_version(path))


_FRAMEWORK_PACKAGES = {"tensorflow": ("tensorflow", "tf-keras"), "torch": ("torch",)}
_FORMAT_PACKAGES = {"tflite": ("ai-edge-quantizer",), "coreml": ("coremltools", "protobuf")}
_PAIR_PACKAGES = {("torch", "tflite"): ("litert-torch", "litert-converter")}


def tool_versions(framework: Framework, format_: Format | None = None) -> dict[str, str]:
    """Versions of the packages that load a source and, with a format, make a bundle of it; none of them is imported."""
    packages = {"numpy", *_FRAMEWORK_PACKAGES[framework]}
    if format_ is not None:
        packages |= {*WRITERS, *_FORMAT_PACKAGES[format_], *_PAIR_PACKAGES.get((framework, format_), ())}
    versions = {}
    for package in sorted(packages):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
