"""What is evaluated: bundles, ready-made model files, and variants that could not be packaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from device_profiles.pointers import read_head
from evaluators.errors import EvaluationError
from evaluators.formats import format_of, is_folder_suffix, recognise, suffixes
from evaluators.target_records import Failure
from packager.attestation.verification import check_files
from packager.bundle import MANIFEST_NAME, Bundle, Format, read_bundle
from packager.errors import PackagingError
from packager.formats import format_names
from packager.package import Packaged
from packager.proving.proofs import describe_break
from packager.storage import digest_tree

_MAX_FAULTS = 3


@dataclass(frozen=True)
class Candidate:
    """One row to be.

    Attributes:
        variant: How the row is named.
        origin: A bundle of ours or a ready-made file.
        model: The model file or folder; None when packaging failed, or it is not to be loaded.
        format: Of the model file.
        precision: As the manifest says; None for a ready-made file, whose graph must tell.
        key: Content address of the model file.
        failure: Why there is no model file that can be loaded.
        broken: How a bundle departs from its source, by its own proof; None where it keeps its promise.
    """

    variant: str
    origin: Literal["bundle", "file"]
    model: Path | None
    format: Format
    precision: str | None
    key: str
    failure: Failure | None = None
    broken: str | None = None


def from_packaged(packaged: Packaged, out: Path) -> Candidate:
    """The candidate of a packaging outcome, failed ones too."""
    if packaged.bundle is not None:
        return from_bundle(packaged.bundle)
    log = packaged.log.relative_to(out).as_posix() if packaged.log else None
    failure = Failure(stage="package", reason=packaged.reason or "no reason was given", log=log)
    variant = packaged.variant
    return Candidate(variant.name, "bundle", None, variant.format, variant.precision, "", failure)


def from_bundle(bundle: Bundle) -> Candidate:
    """The candidate of a finished bundle."""
    manifest = bundle.manifest
    return Candidate(
        variant=manifest.variant,
        origin="bundle",
        model=bundle.model_path,
        format=manifest.format,
        precision=manifest.precision,
        key=digest_tree(bundle.model_path),
        broken=describe_break(manifest.proof),
    )


def from_path(path: Path) -> Candidate:
    """The candidate of a bundle folder or a ready-made model file.

    A bundle whose files are not what its manifest says, and a file that is not safe to be opened, are candidates that
    failed: no runtime ever sees them, and what is evaluated beside them has its rows.

    Raises:
        EvaluationError: It is neither.
        PackagingError: A bundle's manifest is faulty, and what the bundle is cannot be told without it.
    """
    if (path / MANIFEST_NAME).is_file():
        return _from_folder(path)
    if not path.exists():
        raise EvaluationError(f"{path}: no such file or folder; name a bundle, a .tflite or an .mlpackage")
    format_ = format_of(path)
    try:
        _check_kind(path, format_)
        return Candidate(path.name, "file", path, format_, None, digest_tree(path))
    except PackagingError as fault:
        return Candidate(path.name, "file", None, format_, None, "", _refuse(path.parent, str(fault)))


def _from_folder(path: Path) -> Candidate:
    """The candidate of a bundle that may have been changed since it was packaged."""
    try:
        bundle = read_bundle(path)
    except PackagingError as fault:
        format_ = next((each for each in format_names() if path.name.startswith(f"{each}-")), None)
        if format_ is None:
            raise
        precision = path.name.removeprefix(f"{format_}-")
        return Candidate(path.name, "bundle", None, format_, precision, "", _refuse(path, str(fault)))
    manifest = bundle.manifest
    try:
        faults = check_files(bundle)
        if not faults:
            _check_kind(bundle.model_path, manifest.format)
            return from_bundle(bundle)
    except PackagingError as fault:
        faults = (str(fault),)
    return Candidate(manifest.variant, "bundle", None, manifest.format, manifest.precision, "", _refuse(path, *faults))


def _check_kind(model: Path, format_: Format) -> None:
    """See that a model is what its suffix says: of that format, and a folder or a file.

    Raises:
        PackagingError: It is something else.
    """
    if suffixes().get(model.suffix) != format_ and recognise(read_head(model)) != format_:
        raise PackagingError(f"{model}: is no {format_} model by its name")
    if is_folder_suffix(model.suffix) != model.is_dir():
        found, right = ("a folder", "a file") if model.is_dir() else ("no folder", "a folder")
        raise PackagingError(f"{model}: is {found}; right for {model.suffix} is {right}")


def _refuse(folder: Path, *faults: str) -> Failure:
    """Why something is not loaded; files are named from `folder` on, so that the reason stands first."""
    more = len(faults) - _MAX_FAULTS
    lines = [fault.removeprefix(f"{folder}/") for fault in faults[:_MAX_FAULTS]]
    return Failure(stage="evaluate", reason="\n".join([*lines, *([f"and {more} more"] if more > 0 else [])]))
