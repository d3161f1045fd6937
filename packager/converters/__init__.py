"""How models are converted: one file a pair, `<source>_to_<format>.py`. `ls` of this folder is the support matrix.

Each file has `prepare(source, context) -> write`, and `write(precision, path)` makes one model file and names the
rewrites it took: what all precisions of a format share is done once, in `prepare`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packager.compression import Context
from packager.errors import PackagingError
from packager.sources import LoadedSource


def _know_nothing(_: str) -> None:
    return None


@dataclass(frozen=True)
class Write:
    """Makes model files of one source in one format.

    Attributes:
        make: `make(precision, path)` makes the model file (or folder) at `path`, which is not there yet; it returns the
            rewrites applied.
        find_place: The user's line that an op of the float32 file came from, by the op's name; None where that is not
            known, or the name says it already.
    """

    make: Callable[[str, Path], tuple[str, ...]]
    find_place: Callable[[str], str | None] = _know_nothing

    def __call__(self, precision: str, path: Path) -> tuple[str, ...]:
        """As `make`."""
        return self.make(precision, path)


def pairs() -> tuple[tuple[str, str], ...]:
    """(source framework, format) of every converter there is, by their file names; nothing is imported."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*_to_*.py"))
    return tuple((source, format_) for source, _, format_ in (name.partition("_to_") for name in names))


def check_pair(framework: str, format_: str) -> None:
    """Refuse a pair for which there is no converter.

    Raises:
        PackagingError: With the pairs there are.
    """
    if (framework, format_) not in pairs():
        known = ", ".join(f"{a} to {b}" for a, b in pairs())
        raise PackagingError(f"no converter from {framework} to {format_}; there are: {known}")


def prepare(framework: str, format_: str, source: LoadedSource, context: Context) -> Write:
    """Start the conversion of a loaded source to a format.

    Raises:
        PackagingError: There is no converter for the pair, or it refuses the model.
    """
    check_pair(framework, format_)
    module = importlib.import_module(f"packager.converters.{framework}_to_{format_}")
    write: Write = module.prepare(source, context)
    return write
