"""What code decides a job's result: the modules that its worker may import, found without running any.

A job declares the modules it begins with and those it loads by name. All that these import, however indirectly and
wherever in a file, belongs to it; so do modules that they name in full in a text, tables of data they name, and all
that lies beside a module which lists its folder.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from packager.storage import digest_bytes

_OURS = ("device_profiles", "packager", "evaluators", "reports", "testpress")
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<base>\.*[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n(]+)"
    r"|import[ \t]+(?P<whole>[^\n]+))",
    re.MULTILINE,
)
"""imports as a formatter leaves them: one statement a line, or names in parentheses"""
_TYPES_ONLY = re.compile(r"^if TYPE_CHECKING:\n(?:[ \t]+[^\n]*\n|\n)+", re.MULTILINE)
_NAMED = re.compile(r"""["']([a-z]\w*(?:\.\w+)+)(?::\w+)?["']""")
_LISTS = re.compile(r"iter_modules\(|Path\(__file__\)\.parent\.glob\(")
"""a module that imports whatever lies beside it"""
_TABLE = re.compile(r"""["'](?:[\w./-]*/)?([\w-]+\.csv)["']""")


@functools.cache
def find_code(*entries: str) -> tuple[Path, ...]:
    """The files of ours, modules and tables, that decide what a job makes; sorted.

    Args:
        entries: Dotted names of modules; `package.*` means all modules and packages that lie in a package. Where an
            entry belongs to another package than testpress's own, that one is followed as well. Of `~module` only that
            counts which it needs to be imported: of a descriptor that is looked at, and whose work another one does.
    """
    tops = frozenset({*_OURS, *(entry.removeprefix("~").partition(".")[0] for entry in entries)})
    used = {path for entry in entries if not entry.startswith("~") for path in _files(entry)[-1:]}
    looked_at = {path for entry in entries if entry.startswith("~") for path in _files(entry[1:])[-1:]} - used
    waiting = [path for entry in entries for path in _expand(entry.removeprefix("~"))]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        if path.suffix == ".py":
            waiting += _inner(path, tops, path in looked_at)
    return tuple(sorted(found))


def find_imports(paths: Iterable[Path]) -> tuple[str, ...]:
    """What files that are none of ours import of ours: entries for `find_code`."""
    names = {name for path in paths for name in _names(path, False)}
    return tuple(sorted(name for name in names if name.partition(".")[0] in _OURS))


@functools.cache
def digest_job_code(*entries: str) -> str:
    """One SHA-256 over what `find_code` finds: what other code made is made again, and nothing else."""
    lines = []
    for path in find_code(*entries):
        top = _root(path)
        lines.append(f"{path.relative_to(top)} {digest_bytes(path.read_bytes())}\n")
    return digest_bytes("".join(sorted(lines)).encode())


def _expand(entry: str) -> Iterator[Path]:
    name = entry.removesuffix(".*")
    yield from _files(name)
    if entry != name and (folder := _locate(name)) is not None and folder.is_dir():
        yield from folder.glob("*.py")
        yield from folder.glob("*/__init__.py")


@functools.cache
def _files(name: str) -> tuple[Path, ...]:
    """The file of a module, where there is one, and those of the packages it lies in."""
    parts = name.split(".")
    places = [_locate(".".join(parts[:count])) for count in range(1, len(parts) + 1)]
    tries = [
        each for place in places if place is not None for each in (place / "__init__.py", place.with_suffix(".py"))
    ]
    return tuple(path for path in tries if path.is_file())


@functools.cache
def _top_folder(top: str) -> Path | None:
    found = importlib.util.find_spec(top)
    if found is None or found.origin is None:
        return None
    origin = Path(found.origin)
    return origin.parent if origin.name == "__init__.py" else origin.with_suffix("")


def _locate(name: str) -> Path | None:
    """Where a module lies, without a suffix; its packages are not imported to find it."""
    top, *inner = name.split(".")
    folder = _top_folder(top)
    return None if folder is None else folder.joinpath(*inner)


def _root(path: Path) -> Path:
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


@functools.cache
def _inner(path: Path, tops: frozenset[str], is_looked_at: bool) -> tuple[Path, ...]:
    """What a module needs of ours, directly."""
    own = path.relative_to(_root(path)).with_suffix("").parts[0]
    names = {name for name in _names(path, is_looked_at) if name.partition(".")[0] in tops | {own}}
    if is_looked_at:
        return tuple(inner for name in names for inner in _files(name))
    neighbours = path.parent.glob("*.py") if _LISTS.search(_read(path)) else ()
    return (*(inner for name in names for inner in _files(name)), *neighbours, *_tables(path))


@functools.cache
def _read(path: Path) -> str:
    return _TYPES_ONLY.sub("", path.read_text(encoding="utf-8"))


def _names(path: Path, is_looked_at: bool) -> Iterator[str]:
    """Dotted names that a module imports or names; some of them name no module but what is in one."""
    text = _read(path)
    if is_looked_at:
        text = "".join(match[0] + "\n" for match in _IMPORT.finditer(text) if not match[0][0].isspace())
    package = ".".join(path.relative_to(_root(path)).parent.parts)
    for match in _IMPORT.finditer(text):
        if match["whole"] is not None:
            yield from (each.split()[0] for each in match["whole"].split(",") if each.strip())
            continue
        base = _absolute(match["base"], package)
        yield base
        for each in re.sub(r"#[^\n]*", "", match["names"]).strip("()").split(","):
            if each.strip():
                yield f"{base}.{each.split()[0]}"
    yield from _NAMED.findall(text)


def _absolute(base: str, package: str) -> str:
    level = len(base) - len(base.lstrip("."))
    if not level:
        return base
    parts = package.split(".")
    return ".".join(filter(None, [*parts[: len(parts) - level + 1], base[level:]]))


def _tables(path: Path) -> Iterator[Path]:
    for name in set(_TABLE.findall(_read(path))):
        yield from path.parent.rglob(name)
