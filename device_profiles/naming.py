"""Names from outside made fit for places that take no other: files, markers, tables of names that must differ."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

_LIMIT = 80
_DIGITS = 8


def file_stem(name: str) -> str:
    """A name for a file: ASCII letters, digits, `.`, `_` and `-`, never hidden, never a path.

    A name that had to be changed ends with a digest of itself, so that two of them stay two.
    """
    return _simplify(name, re.compile(r"[^A-Za-z0-9._-]+"))


def marker_name(name: str) -> str:
    """A name that closes no HTML comment: letters and digits of any script, `.`, `_`, and `-` only one at a time.

    Changed names end with a digest, as in `file_stem`.
    """
    return _simplify(name, re.compile(r"(?:[^\w.]|-)+"), gap="-")


def number_repeats(names: Iterable[str], *, key: Callable[[str], str] = str) -> list[str]:
    """The names in their order; one that is there already gets ` (2)`, ` (3)` … behind it.

    Args:
        names: Any texts.
        key: Two names are the same when this makes them so, for example `str.casefold`.
    """
    taken: set[str] = set()
    counts: dict[str, int] = {}
    numbered = []
    for name in names:
        unique, count = name, counts.get(key(name), 1)
        while key(unique) in taken:
            count += 1
            unique = f"{name} ({count})"
        counts[key(name)] = count
        taken.add(key(unique))
        numbered.append(unique)
    return numbered


def _simplify(name: str, unfit: re.Pattern[str], gap: str = "_") -> str:
    simple = unfit.sub(gap, name).strip(".-_")[:_LIMIT]
    if simple and simple == name:
        return simple
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{simple}-{digest}" if simple else digest
