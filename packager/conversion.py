"""Inside the conversion worker: load a source once, write each of its bundles with golden vectors and manifest."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy.typing as npt

from device_profiles.errors import TestpressError
from device_profiles.record import Record
from packager.attestation.bill import WRITERS, add_bill
from packager.audio_windows import AUDIO
from packager.bundle import (
    MANIFEST_NAME,
    AudioContract,
    Format,
    Manifest,
    Proof,
    SourceIdentity,
    TensorContract,
    dump_manifest,
)
from packager.compression import Context
from packager.compression.model_runner import ModelRunner
from packager.diagnosis import report_fault
from packager.disk import explain_no_space, hint_at_space
from packager.errors import PackagingError
from packager.formats import Write, get_format, prepare, tolerance
from packager.frontends.feeding import WindowFeed, find_feed
from packager.integration_records import ComputeUnit, Integration, Resampler, TaskContract
from packager.jobs.results import Made, fill_folder
from packager.licences import LICENSE_NAME
from packager.model import Framework, InputSpec, ModelSource, ModelSpec, OutputSpec
from packager.proving.breaks import find_hanging, find_missing
from packager.proving.golden import Golden
from packager.proving.trials import Trials, make_trials
from packager.sources import LoadedSource, SourceTensor, load_source, open_source_frontend
from packager.stitching import describe_stitching
from packager.storage import digest_files, temporary_folder


class BundleRequest(Record):
    """One bundle to be made."""

    variant: str
    precision: str
    key: str


class ConversionRequest(Record):
    """All bundles of one format from one source."""

    source: ModelSource
    audio: AudioContract | None
    format: Format
    minimum_deployment_target: str
    task: TaskContract | None = None
    compute_unit: ComputeUnit | None = None
    tools: dict[str, str]
    windows: str | None = None
    """a `.npy` file of the recipe's own audio, float32 (windows, channels, window_samples)"""
    runner: str | None = None
    """`module:class` of what runs a model file: `packager.compression.model_runner.ModelRunner`"""
    bundles: tuple[BundleRequest, ...]

    @property
    def internal_state(self) -> dict[str, str]:
        """State input → output, where the model itself is to keep them."""
        keeping = get_format(self.format).state_keeping
        return {} if keeping is None else dict(keeping.wanted(self.source.spec))


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
    loaded: LoadedSource
    trials: Trials
    runner: ModelRunner | None
    write: Write
    feed: WindowFeed | None
    golden: Golden


def convert_bundles(request: dict[str, Any], folder: Path) -> Iterator[Converted | Made]:
    """Make bundles in `folder`; yields one event each. A bundle that fails leaves the others their turn."""
    began = time.monotonic()
    parsed = ConversionRequest.model_validate(request, strict=False)
    spec = parsed.source.spec
    _refuse_lengths(spec, parsed.format)
    loaded = load_source(parsed.source, parsed.audio)
    get_format(parsed.format).get_ready(parsed.source.framework)
    frontend = open_source_frontend(parsed.source, parsed.audio)
    trials = make_trials(loaded, parsed.audio, spec, parsed.windows, frontend)
    runner = None if parsed.runner is None else _find_runner(parsed.runner)
    context = Context(
        minimum_deployment_target=_find_target(parsed),
        calibration=[_with_native_names(call, parsed.format) for call in trials.calls],
        clip=[_with_native_names(call, parsed.format) for call in trials.clip_calls],
        runner=runner,
        references=[_with_native_names(outputs, parsed.format) for outputs in trials.references],
        lengths=trials.flexible,
        other_lengths=trials.lengths,
    )
    write = prepare(parsed.source.framework, parsed.format, loaded, context)
    feed = find_feed(loaded.inputs, parsed.audio, spec.state, frontend)
    golden = Golden(loaded, trials, parsed.audio, feed, runner)
    prepared = _Prepared(parsed, loaded, trials, runner, write, feed, golden)
    for bundle in parsed.bundles:
        reason = None
        try:
            with fill_folder(folder / bundle.variant) as place:
                _write_bundle(prepared, bundle, place)
        except Exception as fault:  # noqa: BLE001  frameworks raise anything; the whole of it is in the log
            full = explain_no_space([folder.parent], fault)  # before the log may need room as well
            reason = full or report_fault(fault) + hint_at_space([folder.parent])
        else:
            yield Made(made=bundle.variant)
        yield Converted(variant=bundle.variant, reason=reason, seconds=round(time.monotonic() - began, 3))
        began = time.monotonic()


def _refuse_lengths(spec: ModelSpec, format_: Format) -> None:
    """Refuse a recipe that asks a format for several lengths which has none.

    Raises:
        PackagingError: With what to do.
    """
    asked = [name for name, one in spec.inputs.items() if one.flexible is not None]
    why = get_format(format_).fixed_lengths
    if asked and why:
        raise PackagingError(
            f"model.inputs.{asked[0]}.flexible: {why}; take {format_} out of [variants], or package one length a recipe"
        )


def _find_target(request: ConversionRequest) -> str:
    """The deployment target: the recipe's, or the first that has what the recipe asks for."""
    asked, keeping = request.minimum_deployment_target, get_format(request.format).state_keeping
    if keeping is None or not request.internal_state:
        return asked
    return max(asked, keeping.deployment_target, key=_release)


def _release(target: str) -> int:
    return int(target.removeprefix("iOS"))


def _with_native_names(tensors: Mapping[str, npt.NDArray[Any]], format_: Format) -> dict[str, npt.NDArray[Any]]:
    to_native = get_format(format_).to_native
    return {to_native(name): value for name, value in tensors.items()}


def _find_runner(name: str) -> ModelRunner:
    module, _, class_ = name.partition(":")
    found: ModelRunner = getattr(importlib.import_module(module), class_)()
    return found


def _write_bundle(prepared: _Prepared, bundle: BundleRequest, folder: Path) -> None:
    request, loaded = prepared.request, prepared.loaded
    format_, spec = get_format(request.format), request.source.spec
    model_path = folder / format_.model_file
    rewrites = prepared.write(bundle.precision, model_path)
    if format_.state_keeping is not None and request.internal_state:
        native = format_.to_native
        format_.state_keeping.keep(model_path, {native(i): native(o) for i, o in request.internal_state.items()})
    proof = None if prepared.runner is None else _prove(prepared, bundle, model_path)
    inputs = tuple(_input_contract(name, tensor, prepared) for name, tensor in loaded.inputs.items())
    manifest = Manifest(
        key=bundle.key,
        variant=bundle.variant,
        model=spec.identity,
        format=request.format,
        precision=bundle.precision,
        file=model_path.name,
        files={},
        source=SourceIdentity(
            uri=spec.source,
            framework=request.source.framework,
            sha256=request.source.sha256,
            signature=spec.signature,
        ),
        tools=request.tools,
        audio=None if prepared.feed is None else request.audio,
        frontend=None if request.source.frontend is None else request.source.frontend.contract,
        inputs=tuple(one for one in inputs if one.name not in request.internal_state),
        outputs=tuple(_output_contract(name, loaded.outputs[name], request) for name in _output_names(prepared)),
        state={} if request.internal_state else spec.state,
        internal_states=tuple(_keep(one) for one in inputs if one.name in request.internal_state),
        floor=format_.read_floor(model_path),
        integration=_integration(prepared, model_path),
        rewrites=rewrites,
        types=getattr(loaded, "types", None),
        proof=proof,
        kept_float32=prepared.write.list_kept(bundle.precision),
    )
    roundoff = format_.precisions[bundle.precision].roundoff
    vectors = prepared.golden.write(folder, manifest, roundoff)
    if request.source.license_text is not None:
        (folder / LICENSE_NAME).write_text(request.source.license_text, encoding="utf-8")
    manifest = manifest.model_copy(update={"vectors": vectors, "files": digest_files(folder)})
    manifest = add_bill(folder, manifest, request.source)
    (folder / MANIFEST_NAME).write_text(dump_manifest(manifest), encoding="utf-8")


def _integration(prepared: _Prepared, model_path: Path) -> Integration:
    request, format_ = prepared.request, get_format(prepared.request.format)
    audio = None if prepared.feed is None else request.audio
    states = {*request.source.spec.state.values()}
    outputs = {
        name: _output_contract(name, prepared.loaded.outputs[name], request)
        for name in _output_names(prepared)
        if name not in states
    }
    return Integration(
        call=format_.read_call(model_path),
        packages=format_.runtime_packages,
        compute_unit=request.compute_unit,
        resampler=None if audio is None else Resampler(),
        stitching=None if audio is None else describe_stitching(audio, outputs),
        task=request.task,
        license_file=None if request.source.license_text is None else LICENSE_NAME,
    )


def _prove(prepared: _Prepared, bundle: BundleRequest, path: Path) -> Proof:
    """The bundle beside its source; where it breaks its promise, what is most to blame."""
    assert prepared.runner is not None
    request, trials = prepared.request, prepared.trials
    try:
        proof = prepared.runner.prove(path, trials, tolerance(request.format, bundle.precision))
    except TestpressError as fault:
        raise PackagingError(_explain_refusal(fault, prepared)) from fault
    proof = proof.model_copy(update={"caveat": get_format(request.format).caveat_of(bundle.precision) or None})
    return proof if proof.holds else proof.model_copy(update={"breaks_at": _find_break(prepared, bundle, path, proof)})


def _find_break(prepared: _Prepared, bundle: BundleRequest, path: Path, proof: Proof) -> str | None:
    """The op that is most to blame for a departure, and why, in words; None where none can be told."""
    from packager.sources.torch import TorchSource

    assert prepared.runner is not None
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
            return find_missing(source, calls[0], functools.partial(prepared.runner.watch, exact))
        if prepared.request.internal_state:  # programs that keep nothing are easier to lay side by side
            path = folder / bundle.precision / path.name
            prepared.write(bundle.precision, path)
        found = prepared.runner.find_break(exact, path, calls)
        return found and _with_place(found, prepared.write)


def _with_place(found: str, write: Write) -> str:
    """What was found of an op, with the user's line behind the op's name."""
    op, colon, rest = found.partition(":")
    place = write.find_place(op)
    return found if place is None else f"{op} ({place}){colon}{rest}"


def _explain_refusal(fault: TestpressError, prepared: _Prepared) -> str:
    """Why the format's own runtime does not run what was made, in one line."""
    explain = get_format(prepared.request.format).explain_refusal
    return str(fault) if explain is None else explain(fault, prepared.loaded)


def _output_names(prepared: _Prepared) -> tuple[str, ...]:
    """The recipe's outputs, in its order, then the states'; all there are where it names none."""
    spec = prepared.request.source.spec
    wanted = (*spec.outputs, *spec.state.values()) if spec.outputs else prepared.loaded.outputs
    kept = set(prepared.request.internal_state.values())
    return tuple(name for name in dict.fromkeys(wanted) if name not in kept)


def _input_contract(name: str, tensor: SourceTensor, prepared: _Prepared) -> TensorContract:
    request, feed = prepared.request, prepared.feed
    said = request.source.spec.inputs.get(name, InputSpec()).axes
    if said and len(said) != len(tensor.shape):
        raise PackagingError(
            f"model.inputs.{name}.axes: {len(said)} axes for an input of shape {tensor.shape}; name {len(tensor.shape)}"
        )
    named = feed.axes if feed is not None and feed.name == name else _number_axes(len(tensor.shape))
    return TensorContract(
        name=name,
        native_name=get_format(request.format).to_native(name),
        shape=tensor.shape,
        dtype=_dtype(tensor),
        axes=said or named,
        flexible=request.source.spec.inputs.get(name, InputSpec()).flexible,
        value_range=(-1.0, 1.0) if name == AUDIO and feed is not None and feed.name == name else None,
    )


def _keep(contract: TensorContract) -> TensorContract:
    return contract.model_copy(update={"dtype": "float16"})


def _output_contract(name: str, tensor: SourceTensor, request: ConversionRequest) -> TensorContract:
    spec, rank = request.source.spec.outputs.get(name, OutputSpec()), len(tensor.shape)
    said = spec.axes
    axes = said if len(said) == rank else ("batch", *said) if said else _number_axes(rank)
    native = get_format(request.format).to_native(name)
    return TensorContract(
        name=name,
        native_name=native,
        shape=tensor.shape,
        dtype=_dtype(tensor),
        axes=axes,
        kind=spec.kind,
        pool=spec.pool,
    )


def _number_axes(rank: int) -> tuple[str, ...]:
    return tuple("batch" if axis == 0 else f"axis_{axis}" for axis in range(rank))


def _dtype(tensor: SourceTensor) -> Any:
    known = get_args(TensorContract.model_fields["dtype"].annotation)
    if tensor.dtype not in known:
        raise PackagingError(f"a tensor of type {tensor.dtype}; a bundle can hold {', '.join(known)}")
    return tensor.dtype


_FRAMEWORK_PACKAGES = {"tensorflow": ("tensorflow", "tf-keras"), "torch": ("torch",)}


def tool_versions(framework: Framework, format_: Format | None = None) -> dict[str, str]:
    """Versions of the packages that load a source and, with a format, make a bundle of it; none of them is imported."""
    packages = {"numpy", *_FRAMEWORK_PACKAGES[framework]}
    if format_ is not None:
        made_by = get_format(format_)
        packages |= {*WRITERS, *made_by.packages, *made_by.converter_packages.get(framework, ())}
    versions = {}
    for package in sorted(packages):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
