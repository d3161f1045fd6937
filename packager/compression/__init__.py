"""What precisions there are: one file a format, each with `PRECISIONS` and `MODEL_FILE`; it imports no framework."""

from __future__ import annotations

import importlib
from pathlib import Path

from device_profiles.record import suggest
from packager.errors import PackagingError


def formats() -> tuple[str, ...]:
    """The formats, by the file names of this folder."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))


def precisions(format_: str) -> tuple[str, ...]:
    """The precisions a format can be packaged in."""
    found: tuple[str, ...] = importlib.import_module(f"packager.compression.{format_}").PRECISIONS
    return found


def model_file(format_: str) -> str:
    """The name of the model file (or folder) in a bundle of this format."""
    name: str = importlib.import_module(f"packager.compression.{format_}").MODEL_FILE
    return name


def check_precision(format_: str, precision: str, *, where: str) -> None:
    """Refuse a precision that the format cannot be packaged in.

    Raises:
        PackagingError: With what is known, and what may have been meant.
    """
    if format_ not in formats():
        raise PackagingError(f"{where}: unknown format {format_!r}{suggest(format_, formats())}")
    known = precisions(format_)
    if precision not in known:
        raise PackagingError(
            f"{where}: unknown precision {precision!r}{suggest(precision, known) or '; known: ' + ', '.join(known)}"
        )
