"""Make bundles of a model: what exists already stays, the rest is converted in worker processes. Read this first.

    spec ──find_source──► source ──one worker a format──► bundles/<variant>/ (model, verify/, manifest.json)

A bundle's key is the content address of all that went into it: the source's bytes, the tools' versions, this package's
own code and the options. A folder whose manifest holds the right key is finished and is never made again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packager.attestation.verification import check_files
from packager.bundle import MANIFEST_NAME, AudioContract, Bundle, Format, read_bundle
from packager.conversion import BundleRequest, ConversionRequest, Converted, tool_versions
from packager.disk import refuse_full_disk
from packager.errors import PackagingError
from packager.formats import check_pair, check_precision, get_format, list_code
from packager.integration_records import ComputeUnit, TaskContract
from packager.jobs.code import digest_job_code
from packager.jobs.executors import Executor
from packager.jobs.executors.local import LocalExecutor
from packager.jobs.inputs import Input
from packager.jobs.workers import DEFAULT_LIMITS, Job, Limits, LyingEventError
from packager.model import ModelSource, source_inputs
from packager.proving.reference import source_code
from packager.storage import digest_facts, remember_digest


@dataclass(frozen=True)
class Variant:
    """What to make of a model: a format in a precision."""

    format: Format
    precision: str

    @property
    def name(self) -> str:
        return f"{self.format}-{self.precision}"


@dataclass(frozen=True)
class Packaged:
    """One variant's outcome: a bundle, or the reason why there is none.

    Attributes:
        variant: What was asked for.
        bundle: The finished bundle, None when it failed.
        reused: It was there already.
        reason: Why it failed.
        log: The worker's log, when one ran.
        seconds: How long the conversion took; the first of a format holds what all of them share.
    """

    variant: Variant
    bundle: Bundle | None
    reused: bool = False
    reason: str | None = None
    log: Path | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class PackageRequest:
    """All that is to be made of one source.

    Attributes:
        source: The model, found.
        audio: The contract between app and model; None where it takes no samples.
        variants: Formats and precisions.
        minimum_deployment_target: The oldest iOS that Core ML bundles must run on.
        out: The output folder; bundles go to `out/bundles`, logs to `out/logs`.
        windows: A `.npy` file of the recipe's audio, float32 (windows, channels, window_samples), to calibrate with and
            to prove bundles on; None leaves test signals.
        windows_key: The content address of those windows.
        runner: `module:class` of what runs model files for proofs and searches, as
            `packager.compression.model_runner.ModelRunner`; None makes bundles without proof.
        task: What the model is for, as manifests tell apps.
        compute_unit: What apps ask for, as manifests tell them; None leaves it to the runtime.
        limits: What a worker may use.
        executor: Who runs the workers; one worker makes all bundles of a format.
    """

    source: ModelSource
    audio: AudioContract | None
    variants: Sequence[Variant]
    out: Path
    minimum_deployment_target: str = "iOS15"
    windows: Path | None = None
    windows_key: str | None = None
    runner: str | None = None
    task: TaskContract | None = None
    compute_unit: ComputeUnit | None = None
    limits: Limits = DEFAULT_LIMITS
    executor: Executor = field(default_factory=LocalExecutor)


def package(request: PackageRequest, *, on_done: Callable[[Packaged], None] = lambda _: None) -> list[Packaged]:
    """Make the bundles that are not there yet.

    Args:
        request: What to make.
        on_done: Called with each outcome as soon as it is known.

    Returns:
        One outcome a variant, in the request's order. A variant that fails is an outcome, not an exception.

    Raises:
        PackagingError: A precision is unknown, or there is no converter from the source to a format.
        DiskError: The disk is full. What is finished stays.
    """
    outcomes: dict[str, Packaged] = {}

    def record(outcome: Packaged) -> None:
        outcomes[outcome.variant.name] = outcome
        on_done(outcome)

    for variant in request.variants:
        check_precision(variant.format, variant.precision, where=f"variants.{variant.format}")
        check_pair(request.source.framework, variant.format)
        existing = find_finished(folder(request, variant), key(request, variant))
        if existing is not None:
            record(Packaged(variant, existing, reused=True))
    _convert([v for v in request.variants if v.name not in outcomes], request, record)
    return [outcomes[variant.name] for variant in request.variants]


def folder(request: PackageRequest, variant: Variant) -> Path:
    """Where a variant's bundle stands."""
    return request.out / "bundles" / variant.name


def key(request: PackageRequest, variant: Variant) -> str:
    """The content address of a bundle: of everything that decides its bytes."""
    return digest_facts(
        {
            **source_facts(request.source),
            "identity": request.source.spec.identity.model_dump(),
            "license": request.source.license_text,
            "task": request.task and request.task.model_dump(mode="json"),
            "unit": request.compute_unit,
            "kinds": {name: (one.kind, one.pool) for name, one in request.source.spec.outputs.items()},
            "audio": request.audio and request.audio.model_dump(mode="json"),
            "windows": request.windows_key,
            "code": digest_job_code(*conversion_code(request.source.framework, variant.format, request.runner)),
            "format": variant.format,
            "precision": variant.precision,
            **get_format(variant.format).key_facts(request.source.spec, request.minimum_deployment_target),
            "tools": tool_versions(request.source.framework, variant.format),
        }
    )


def source_facts(source: ModelSource) -> dict[str, Any]:
    """What decides a source model's outputs, for content addresses: its bytes, its framework, the code that runs it."""
    spec = source.spec
    return {
        "source": source.sha256,
        "framework": source.framework,
        "signature": spec.signature,
        "inputs": {name: one.model_dump(mode="json") for name, one in spec.inputs.items()},
        "outputs": {name: output.axes for name, output in spec.outputs.items()},
        "state": spec.state,
        "versions": tool_versions(source.framework),
        "code": digest_job_code(*source_code(source.framework)),
        **({} if source.frontend is None else {"frontend": source.frontend.contract.model_dump(mode="json")}),
    }


def _runner_code(runner: str, format_: str) -> tuple[str, ...]:
    name = runner.partition(":")[0]
    known: tuple[str, ...] = importlib.import_module(name).list_code(format_)
    return (name, *known)


def conversion_code(framework: str, format_: str, runner: str | None) -> tuple[str, ...]:
    """The modules that a worker which makes bundles begins with or loads by name."""
    return (
        "packager.jobs.worker",
        "packager.conversion",
        f"packager.sources.{framework}",
        get_format(format_).converters[framework],
        *list_code(format_),
        *(() if runner is None else _runner_code(runner, format_)),
    )


def find_finished(path: Path, expected_key: str) -> Bundle | None:
    """The bundle at `path` if it is whole and was made of exactly what `expected_key` stands for."""
    if not (path / MANIFEST_NAME).is_file():
        return None
    try:
        bundle = read_bundle(path)
        return bundle if bundle.manifest.key == expected_key and not check_files(bundle) else None
    except PackagingError:
        return None


def is_outdated(path: Path, expected_key: str) -> bool:
    """Whether a bundle's manifest says that it was made of something else than `expected_key` stands for.

    One that cannot be read says nothing: that bundle is damaged, not outdated.
    """
    try:
        return read_bundle(path).manifest.key != expected_key
    except PackagingError:
        return False


def _convert(variants: list[Variant], request: PackageRequest, record: Callable[[Packaged], None]) -> None:
    formats = sorted({variant.format for variant in variants})
    groups = [[variant for variant in variants if variant.format == format_] for format_ in formats]
    jobs = [make_job(group, request) for group in groups]
    pending = {variant.name: (variant, job.log) for group, job in zip(groups, jobs, strict=True) for variant in group}

    def on_event(index: int, made: Converted) -> None:
        if made.variant not in {variant.name for variant in groups[index]} & pending.keys():
            raise LyingEventError(f"the worker made {made.variant!r}, which it was not asked for")
        variant, log = pending.pop(made.variant)
        refuse_full_disk(made.reason, log)
        bundle = None if made.reason else _read_made(folder(request, variant))
        record(Packaged(variant, bundle, reason=made.reason, log=log, seconds=made.seconds))

    ended = request.executor.run(jobs, on_event)
    for group, end in zip(groups, ended, strict=True):
        for variant in group:
            if variant.name in pending:
                _, log = pending.pop(variant.name)
                record(Packaged(variant, None, reason=end.reason or "the worker said nothing of it", log=log))


def _read_made(path: Path) -> Bundle:
    """A bundle that was just put into place; its files' digests are taken from its manifest.

    Raises:
        LyingEventError: There is none.
    """
    try:
        bundle = read_bundle(path)
    except PackagingError as fault:
        raise LyingEventError(f"the worker's bundle: {fault}") from None
    for name, digest in bundle.manifest.files.items():
        remember_digest(path / name, digest)
    return bundle


def make_job(variants: list[Variant], request: PackageRequest) -> Job:
    """The worker's job that makes bundles of one format."""
    format_ = variants[0].format
    source = request.source
    sent = ConversionRequest(
        source=source,
        audio=request.audio,
        windows=None if request.windows is None else str(request.windows.resolve()),
        runner=request.runner,
        format=format_,
        minimum_deployment_target=request.minimum_deployment_target,
        task=request.task,
        compute_unit=request.compute_unit,
        tools=tool_versions(source.framework, format_),
        bundles=tuple(
            BundleRequest(variant=variant.name, precision=variant.precision, key=key(request, variant))
            for variant in variants
        ),
    )
    return Job(
        target="packager.conversion:convert_bundles",
        request=sent.model_dump(mode="json"),
        log=request.out / "logs" / f"package-{format_}.log",
        limits=request.limits,
        event=Converted,
        code=conversion_code(source.framework, format_, request.runner),
        inputs=(*source_inputs(source), *([] if request.windows is None else [Input(request.windows.resolve())])),
        results={variant.name: folder(request, variant) for variant in variants},
    )
