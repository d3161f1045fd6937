"""Other words for precisions, such as fp16 or int8: those with one meaning are taken, the others asked about."""

from __future__ import annotations

import re
from collections.abc import Sequence

from device_profiles.record import suggest
from device_profiles.text import shorten
from packager.errors import PackagingError
from packager.formats import format_names, get_format

_OF_FILES = re.compile(
    r"(dynamic|weight_only|static)_w[a-z0-9]+_a[a-z0-9]+|(linear|palettized)_w\d+(_block\d+)?|w\d+a\d+|unknown"
)
"""precisions that ready-made files may have and nothing is packaged in"""


def resolve_precision(format_: str, word: str, *, where: str) -> str:
    """The precision of a format that a word means.

    Args:
        format_: The format's name.
        word: A precision, or another word for one, in any case, with `-` for `_`.
        where: How messages name the place.

    Raises:
        PackagingError: The word may mean several precisions, or none; with what each is.
    """
    meant = _list_meant(format_, word)
    if len(meant) == 1:
        return meant[0]
    known = get_format(format_).precisions
    if meant:
        raise PackagingError(
            f"{where}: {shorten(word)!r} may mean {len(meant)} precisions of {format_}; write one of them: "
            f"{_describe(format_, meant)}"
        )
    close = _find_close(format_, word)
    hint = f"; did you mean {close!r}?" if close else f"; known: {', '.join(known)}"
    raise PackagingError(f"{where}: unknown precision {shorten(word)!r}{hint}")


def resolve_in_any(word: str, *, where: str) -> tuple[str, ...]:
    """The precisions, of all formats, that a word means, where it is said without a format, as in a budget.

    Raises:
        PackagingError: As `resolve_precision`'s.
    """
    known = list(dict.fromkeys(each for name in format_names() for each in get_format(name).precisions))
    if _normalise(word) in known:
        return (_normalise(word),)
    meant = {name: found for name in format_names() if (found := _list_meant(name, word))}
    unclear = {name: found for name, found in meant.items() if len(found) > 1}
    if unclear:
        choices = "; ".join(f"of {name}: {_describe(name, found)}" for name, found in unclear.items())
        raise PackagingError(f"{where}: {shorten(word)!r} may mean several precisions; write those you mean: {choices}")
    if meant:
        return tuple(dict.fromkeys(found[0] for found in meant.values()))
    if _OF_FILES.fullmatch(word):
        return (word,)
    close = next((each for name in format_names() if (each := _find_close(name, word))), None)
    hint = f"; did you mean {close!r}?" if close else f"; known: {', '.join(known)}"
    raise PackagingError(f"{where}: unknown precision {shorten(word)!r}{hint}")


def resolve_variant(name: str, *, where: str) -> str:
    """A variant's name with its precision as testpress writes it; other names (of files, of formats) as they are.

    Raises:
        PackagingError: As `resolve_precision`'s.
    """
    format_, dash, word = name.partition("-")
    if not dash or format_ not in format_names():
        return name
    return f"{format_}-{resolve_precision(format_, word, where=where)}"


def _normalise(word: str) -> str:
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def _list_meant(format_: str, word: str) -> tuple[str, ...]:
    known, plain = get_format(format_).precisions, _normalise(word)
    if plain in known:
        return (plain,)
    return tuple(name for name, precision in known.items() if plain in precision.aliases)


def _find_close(format_: str, word: str) -> str | None:
    """The precision whose name, or another word for it, is closest."""
    names = {name: name for name in get_format(format_).precisions}
    for name in tuple(names):
        for alias in get_format(format_).precisions[name].aliases:
            if len(_list_meant(format_, alias)) == 1:
                names.setdefault(alias, name)
    hint = suggest(_normalise(word), names)
    return next((name for alias, name in names.items() if hint == suggest(alias, [alias])), None)


def _describe(format_: str, names: Sequence[str]) -> str:
    known = get_format(format_).precisions
    return "; ".join(f"{name} ({known[name].meaning or known[name].because})" for name in names)
