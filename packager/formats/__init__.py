"""The formats bundles are made in: one folder each, whose `FORMAT` says all that the packager must know of it.

A package of somebody else's adds one by an entry point of the group `testpress.formats`. Nothing outside a format's own
folder asks for its name.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from device_profiles.plugins import Plugin, list_plugins
from device_profiles.record import suggest
from packager.errors import PackagingError
from packager.formats.format import Format, Write

__all__ = [
    "Format",
    "Write",
    "check_pair",
    "check_precision",
    "find_native",
    "format_names",
    "get_format",
    "list_code",
    "pairs",
    "precisions",
    "prepare",
    "tolerance",
]


def format_names() -> tuple[str, ...]:
    """The formats there are, sorted; nothing is imported."""
    return tuple(_formats())


def _formats() -> Mapping[str, Plugin]:
    return list_plugins("formats", Path(__file__).parent, "FORMAT", folders=True)


def list_code(*names: str) -> tuple[str, ...]:
    """What formats' work is loaded by, for `packager.jobs.code`; of the other formats only the descriptors are read."""
    return (
        *(plugin.module if name in names else f"~{plugin.module}" for name, plugin in _formats().items()),
        *(entry for name in names for entry in get_format(name).code),
    )


@functools.cache
def get_format(name: str) -> Format:
    """A format's descriptor.

    Raises:
        PackagingError: There is no such format.
    """
    if name not in format_names():
        raise PackagingError(
            f"unknown format {name!r}{suggest(name, format_names()) or '; known: ' + ', '.join(format_names())}"
        )
    found: Format = _formats()[name].load()
    return found


def precisions(name: str) -> tuple[str, ...]:
    """The precisions a format can be packaged in."""
    return tuple(get_format(name).precisions)


def searched_precisions(name: str) -> tuple[str, ...]:
    """Those of `precisions` that a search may choose: what is measured here tells what they do on a phone."""
    return tuple(precision for precision in precisions(name) if not get_format(name).caveat_of(precision))


def tolerance(name: str, precision: str) -> float:
    """The least signal-to-noise ratio, in dB, that a precision promises on every output beside the source model.

    10 log10(sum source² / sum difference²), over all that was compared. A bundle below it is marked, not withheld.

    Raises:
        PackagingError: The format or the precision is unknown.
    """
    check_precision(name, precision, where="tolerance")
    return get_format(name).precisions[precision].tolerance_db


def check_precision(name: str, precision: str, *, where: str) -> None:
    """Refuse a precision that the format cannot be packaged in.

    Raises:
        PackagingError: With what is known, and what may have been meant.
    """
    if name not in format_names():
        raise PackagingError(f"{where}: unknown format {name!r}{suggest(name, format_names())}")
    known = precisions(name)
    if precision not in known:
        raise PackagingError(
            f"{where}: unknown precision {precision!r}{suggest(precision, known) or '; known: ' + ', '.join(known)}"
        )


def pairs() -> tuple[tuple[str, str], ...]:
    """(source framework, format) of every converter there is."""
    return tuple(sorted((framework, name) for name in format_names() for framework in get_format(name).converters))


def check_pair(framework: str, name: str) -> None:
    """Refuse a pair for which there is no converter.

    Raises:
        PackagingError: With the pairs there are.
    """
    if (framework, name) not in pairs():
        known = ", ".join(f"{a} to {b}" for a, b in pairs())
        raise PackagingError(f"no converter from {framework} to {name}; there are: {known}")


def prepare(framework: str, name: str, source: Any, context: Any) -> Write:
    """Start the conversion of a loaded source to a format.

    Args:
        framework: Of the source.
        name: The format's.
        source: `packager.sources.LoadedSource`.
        context: `packager.compression.Context`.

    Raises:
        PackagingError: There is no converter for the pair, or it refuses the model.
    """
    check_pair(framework, name)
    module = importlib.import_module(get_format(name).converters[framework])
    write: Write = module.prepare(source, context)
    return write


def find_native(name: str, available: Container[str]) -> str | None:
    """A source's name as a file of any format has it; None where it has it not."""
    named = (name, *(get_format(each).to_native(name) for each in format_names()))
    return next((each for each in named if each in available), None)
