"""What is evaluated: bundles, ready-made model files, and variants that could not be packaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evaluators.emulators import format_of
from evaluators.errors import EvaluationError
from evaluators.evaluation import Failure
from packager.bundle import MANIFEST_NAME, Bundle, Format, read_bundle
from packager.package import Packaged
from packager.storage import digest_tree


@dataclass(frozen=True)
class Subject:
    """One row to be.

    Attributes:
        variant: How the row is named.
        origin: A bundle of ours or a ready-made file.
        model: The model file or folder; None when packaging failed.
        format: Of the model file.
        precision: As the manifest says; None for a ready-made file, whose graph must tell.
        key: Content address of the model file.
        failure: Why there is no model file.
    """

    variant: str
    origin: Literal["bundle", "file"]
    model: Path | None
    format: Format
    precision: str | None
    key: str
    failure: Failure | None = None


def from_packaged(packaged: Packaged, out: Path) -> Subject:
    """The subject of a packaging outcome, failed ones too."""
    if packaged.bundle is not None:
        return from_bundle(packaged.bundle)
    log = packaged.log.relative_to(out).as_posix() if packaged.log else None
    failure = Failure(stage="package", reason=packaged.reason or "no reason was given", log=log)
    variant = packaged.variant
    return Subject(variant.name, "bundle", None, variant.format, variant.precision, "", failure)


def from_bundle(bundle: Bundle) -> Subject:
    """The subject of a finished bundle."""
    manifest = bundle.manifest
    return Subject(
        variant=manifest.variant,
        origin="bundle",
        model=bundle.model_path,
        format=manifest.format,
        precision=manifest.precision,
        key=digest_tree(bundle.model_path),
    )


def from_path(path: Path) -> Subject:
    """The subject of a bundle folder or a ready-made model file.

    Raises:
        EvaluationError: It is neither.
    """
    if (path / MANIFEST_NAME).is_file():
        return from_bundle(read_bundle(path))
    if not path.exists():
        raise EvaluationError(f"{path}: no such file or folder; name a bundle, a .tflite or an .mlpackage")
    return Subject(
        variant=path.name, origin="file", model=path, format=format_of(path), precision=None, key=digest_tree(path)
    )
