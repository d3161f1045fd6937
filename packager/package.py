"""Make bundles of a model: what exists already stays, the rest is converted in worker processes. Read this first.

    spec ──find_source──► source ──one worker a format──► bundles/<variant>/ (model, golden/, manifest.json)

A bundle's key is the content address of all that went into it: the source's bytes, the tools' versions, this package's
own code and the options. A folder whose manifest holds the right key is finished and is never made again.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packager.bundle import MANIFEST_NAME, AudioContract, Bundle, Format, read_bundle
from packager.compression import check_precision
from packager.conversion import BundleRequest, ConversionRequest, Converted, tool_versions
from packager.converters import check_pair
from packager.disk import refuse_full_disk
from packager.errors import PackagingError
from packager.model import ModelSource
from packager.storage import digest_code, digest_facts
from packager.verification import check_files
from packager.workers import DEFAULT_LIMITS, Job, Limits, LyingEventError, run_jobs


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
class Order:
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
        numerics: `module:class` of what runs model files for proofs and searches, as
            `packager.compression.numerics.Numerics`; None makes bundles without proof.
        limits: What a worker may use.
    """

    source: ModelSource
    audio: AudioContract | None
    variants: Sequence[Variant]
    out: Path
    minimum_deployment_target: str = "iOS15"
    windows: Path | None = None
    windows_key: str | None = None
    numerics: str | None = None
    limits: Limits = DEFAULT_LIMITS


def package(order: Order, *, on_done: Callable[[Packaged], None] = lambda _: None, parallel: int = 2) -> list[Packaged]:
    """Make the bundles that are not there yet.

    Args:
        order: What to make.
        on_done: Called with each outcome as soon as it is known.
        parallel: How many workers at once; one worker makes all bundles of a format.

    Returns:
        One outcome a variant, in the order's order. A variant that fails is an outcome, not an exception.

    Raises:
        PackagingError: A precision is unknown, or there is no converter from the source to a format.
        DiskError: The disk is full. What is finished stays.
    """
    outcomes: dict[str, Packaged] = {}

    def settle(outcome: Packaged) -> None:
        outcomes[outcome.variant.name] = outcome
        on_done(outcome)

    for variant in order.variants:
        check_precision(variant.format, variant.precision, where=f"variants.{variant.format}")
        check_pair(order.source.framework, variant.format)
        existing = find_finished(folder(order, variant), key(order, variant))
        if existing is not None:
            settle(Packaged(variant, existing, reused=True))
    _convert([v for v in order.variants if v.name not in outcomes], order, settle, parallel)
    return [outcomes[variant.name] for variant in order.variants]


def folder(order: Order, variant: Variant) -> Path:
    """Where a variant's bundle stands."""
    return order.out / "bundles" / variant.name


def key(order: Order, variant: Variant) -> str:
    """The content address of a bundle: of everything that decides its bytes."""
    return digest_facts(
        {
            **source_facts(order.source),
            "identity": order.source.spec.identity.model_dump(),
            "audio": order.audio and order.audio.model_dump(mode="json"),
            "windows": order.windows_key,
            "numerics": order.numerics and digest_code(_package_folder(order.numerics)),
            "format": variant.format,
            "precision": variant.precision,
            "target": order.minimum_deployment_target if variant.format == "coreml" else None,
            "coreml": order.source.spec.coreml.model_dump() if variant.format == "coreml" else None,
            "tools": tool_versions(order.source.framework, variant.format),
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
        "packager": digest_code(Path(__file__).parent),
    }


def _package_folder(name: str) -> Path:
    """The top package's folder of `module:class`; nothing of it is imported."""
    found = importlib.util.find_spec(name.partition(":")[0].partition(".")[0])
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(next(iter(found.submodule_search_locations)))


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


def _convert(variants: list[Variant], order: Order, settle: Callable[[Packaged], None], parallel: int) -> None:
    formats = sorted({variant.format for variant in variants})
    groups = [[variant for variant in variants if variant.format == format_] for format_ in formats]
    jobs = [make_job(group, order) for group in groups]
    pending = {variant.name: (variant, job.log) for group, job in zip(groups, jobs, strict=True) for variant in group}

    def on_event(index: int, made: Converted) -> None:
        if made.variant not in {variant.name for variant in groups[index]} & pending.keys():
            raise LyingEventError(f"the worker made {made.variant!r}, which it was not asked for")
        variant, log = pending.pop(made.variant)
        refuse_full_disk(made.reason, log)
        bundle = None if made.reason else read_bundle(folder(order, variant))
        settle(Packaged(variant, bundle, reason=made.reason, log=log, seconds=made.seconds))

    ended = run_jobs(jobs, on_event, parallel=parallel)
    for group, end in zip(groups, ended, strict=True):
        for variant in group:
            if variant.name in pending:
                _, log = pending.pop(variant.name)
                settle(Packaged(variant, None, reason=end.reason or "the worker said nothing of it", log=log))


def make_job(variants: list[Variant], order: Order) -> Job:
    """The worker's job that makes bundles of one format."""
    format_ = variants[0].format
    source = order.source
    request = ConversionRequest(
        spec=source.spec,
        path=str(source.path),
        framework=source.framework,
        sha256=source.sha256,
        factory=source.factory,
        weights=None if source.weights is None else str(source.weights),
        audio=order.audio,
        windows=None if order.windows is None else str(order.windows.resolve()),
        numerics=order.numerics,
        format=format_,
        minimum_deployment_target=order.minimum_deployment_target,
        tools=tool_versions(source.framework, format_),
        bundles=tuple(
            BundleRequest(
                variant=variant.name,
                precision=variant.precision,
                key=key(order, variant),
                folder=str(folder(order, variant).resolve()),
            )
            for variant in variants
        ),
    )
    return Job(
        target="packager.conversion:convert_bundles",
        request=request.model_dump(mode="json"),
        log=order.out / "logs" / f"package-{format_}.log",
        limits=order.limits,
        event=Converted,
    )
