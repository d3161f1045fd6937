"""Strict records: the base of every type that reaches a file, and how such files are read and written.

A record is frozen, refuses unknown keys and numbers that are not finite, and never converts one type into another.
Reading a file lists all of its faults at once, each with the file, the field, what was found and what would be right.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import itertools
import json
import re
import textwrap
import tomllib
import types
import typing
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from device_profiles.errors import TestpressError
from device_profiles.files import MOST_TEXT_BYTES, read_text

MOST_FAULTS = 40
"""of one file are listed"""
_SHOWN = 80
_MOST_PARTS = 256
"""of a dotted key: tomllib's time grows with their square"""
_KEY_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_KEY_PART}(?:[ \t]*+\.[ \t]*+{_KEY_PART}){{{_MOST_PARTS}}}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Record(pydantic.BaseModel):
    """Base of the types that reach a file: frozen, strict, unknown keys and NaN refused."""

    # Validators are built on first use, not at import: every command and worker imports all types and uses a few.
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


R = TypeVar("R", bound=Record)


def parse_record(data: Any, type_: type[R], *, where: str, error: type[TestpressError]) -> R:
    """Validate plain data (what JSON or TOML holds) as a record.

    Args:
        data: Dictionaries, lists, strings and numbers.
        type_: The record type.
        where: How messages name the data, usually a file path.
        error: The error class to raise.

    Raises:
        TestpressError: As `error`; one line a fault, at most `MOST_FAULTS`.
    """
    try:
        # By way of JSON: in strict mode only there may an array fill a tuple.
        text = json.dumps(data)
    except (TypeError, ValueError) as fault:
        raise error(f"{where}: holds what is neither text, number, truth value, list nor table: {fault}") from None
    except RecursionError:
        raise error(f"{where}: {_TOO_DEEP}") from None
    return validate_json(text, type_, where=where, error=error)


def validate_json(text: str, type_: type[R], *, where: str, error: type[TestpressError]) -> R:
    """As `parse_record`, for JSON text that `parse_json` has read: the data in between may be larger than both."""
    try:
        return type_.model_validate_json(text)
    except pydantic.ValidationError as fault:
        data = json.loads(text)
        items = fault.errors(include_url=False)
        lines = list(dict.fromkeys(f"{where}: {_describe(item, type_, data)}" for item in items[:MOST_FAULTS]))
        lines += [f"{where}: and {len(items) - MOST_FAULTS} more"] if len(items) > MOST_FAULTS else []
        raise error("\n".join(lines)) from None


def parse_json(text: str, *, where: str, error: type[TestpressError]) -> Any:
    """What JSON text holds. Two keys of one name in an object are refused: other readers would take the other one.

    Raises:
        TestpressError: As `error`; the text is not JSON, with line and column, or nothing that can be handled.
    """
    try:
        return json.loads(text, object_pairs_hook=_make_object)
    except json.JSONDecodeError as fault:
        raise error(f"{where}: not valid JSON: line {fault.lineno}, column {fault.colno}: {fault.msg}") from None
    except ValueError as fault:  # a number of thousands of digits, or a key that is there twice
        raise error(f"{where}: not valid JSON: {fault}") from None
    except RecursionError:
        raise error(f"{where}: not valid JSON: {_TOO_DEEP}") from None


def read_toml(
    path: Path, type_: type[R], *, error: type[TestpressError], migrate: Callable[[Any], Any] = lambda data: data
) -> R:
    """Read a TOML file as a record; faults as in `parse_record`, syntax errors with their line.

    Args:
        path: The file.
        type_: The record type.
        error: The error class to raise.
        migrate: Makes today's form of what may be in an earlier one.
    """
    text = read_text(path, error=error)
    if _LONG_KEY.search(text):
        raise error(f"{path}: not valid TOML: a key of more than {_MOST_PARTS} parts; right is a handful")
    try:
        data = tomllib.loads(text)
    except ValueError as fault:  # TOMLDecodeError, or a number of thousands of digits
        raise error(f"{path}: not valid TOML: {fault}") from None
    except RecursionError:
        raise error(f"{path}: not valid TOML: {_TOO_DEEP}") from None
    return parse_record(migrate(data), type_, where=str(path), error=error)


def read_json(
    path: Path,
    type_: type[R],
    *,
    error: type[TestpressError],
    most: int = MOST_TEXT_BYTES,
    migrate: Callable[[Any], Any] = lambda data: data,
) -> R:
    """Read a JSON file as a record; faults as in `parse_record`, syntax errors with their line.

    Args:
        path: The file.
        type_: The record type.
        error: The error class to raise.
        most: How many bytes it may hold.
        migrate: Makes today's form of what may be in an earlier one.
    """
    data = parse_json(read_text(path, error=error, most=most), where=str(path), error=error)
    return parse_record(migrate(data), type_, where=str(path), error=error)


def dump_json(record: Record) -> str:
    """A record as JSON text: sorted keys, two spaces, a final newline, no NaN. Same record, same bytes."""
    data = record.model_dump(mode="json")
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def suggest(found: str, known: typing.Iterable[str]) -> str:
    """`"; did you mean 'x'?"` where a known name is close to `found`, else an empty string."""
    close = difflib.get_close_matches(found, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


_TOO_DEEP = "nested too deeply to be read; right is a handful of levels"


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {_show(twice)} is there twice in one object; right is once")
    return made


def _describe(item: Any, type_: type[Record], data: Any) -> str:
    location = _find_location(item["loc"], data)
    field = _path(location)
    owner = _owner(type_, location[:-1], data)
    name = str(location[-1]) if location else ""
    if item["type"] == "extra_forbidden":
        known = list(owner.model_fields) if owner else []
        hint = suggest(name, known) or (f"; known keys: {', '.join(known)}" if known else "")
        return f"{field}: unknown key{hint}"
    meaning = read_meaning(owner, name) if owner else None
    right = f" ({' '.join(meaning.split())})" if meaning else ""
    if item["type"] == "missing":
        return f"{field}: missing{right}"
    return f"{field}: {item['msg'].removeprefix('Value error, ')}; found {_show(item['input'])}{right}"


def read_meaning(record: type[Record], field: str) -> str | None:
    """The docstring below a field, read from the source: only faults need it, and reading all takes 0.1 s at import."""
    for class_ in record.__mro__:
        if field in inspect.get_annotations(class_):
            try:
                source = inspect.getsource(class_)
            except (OSError, TypeError):  # installed without sources, or made by code
                return None
            (tree,) = ast.parse(textwrap.dedent(source)).body
            assert isinstance(tree, ast.ClassDef)
            for above, below in itertools.pairwise(tree.body):
                match above, below:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(text))),
                    ) if name == field:
                        return inspect.cleandoc(text)
    return None


def _find_location(location: tuple[Any, ...], data: Any) -> tuple[Any, ...]:
    """The parts of a fault's place that are in the data: pydantic names members of unions and validators as well."""
    found: list[Any] = []
    for part in location:
        if (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        ):
            data = data[part]
        elif part != location[-1] or not isinstance(data, dict) or str(part).startswith("["):
            continue
        found.append(part)
    return tuple(found)


def _keys(data: Any) -> Collection[Any]:
    return data.keys() if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()


def _show(value: Any) -> str:
    """The beginning of a value as JSON, in which nothing acts on a terminal."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):  # a number of thousands of digits; a table within itself
        text = f"a {type(value).__name__}"
    return text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")


def _path(location: tuple[Any, ...]) -> str:
    text = ""
    for part in location:
        word = str(part) if _BARE_KEY.fullmatch(str(part)) else _show(part)
        text += f"[{part}]" if isinstance(part, int) else f".{word}" if text else word
    return text or "(the whole file)"


def _owner(type_: Any, location: tuple[Any, ...], data: Any) -> type[Record] | None:
    """The record type that holds the field at the end of `location` in `data`, if it can be told."""
    for part in location:
        record = _record_in(type_, data)
        data = data[part] if part in _keys(data) else None
        if record is not None and isinstance(part, str) and part in record.model_fields:
            type_ = record.model_fields[part].annotation
        else:  # an index into a tuple or a key of a dictionary: the last type argument is the element
            arguments = [a for a in typing.get_args(_without_none(type_)) if a is not Ellipsis]
            if not arguments:
                return None
            type_ = arguments[-1]
    return _record_in(type_, data)


def _record_in(type_: Any, data: Any) -> type[Record] | None:
    """The record type that a type stands for; of several, the one whose `kind` the data has."""
    type_ = _without_none(type_)
    if typing.get_origin(type_) is typing.Annotated:
        return _record_in(typing.get_args(type_)[0], data)
    if typing.get_origin(type_) in (typing.Union, types.UnionType):
        members = [_record_in(member, data) for member in typing.get_args(type_)]
        kind = data.get("kind") if isinstance(data, dict) else None
        fitting = (one for one in members if one and kind in typing.get_args(_annotation(one, "kind")))
        return next(fitting, None)
    return type_ if isinstance(type_, type) and issubclass(type_, Record) else None


def _annotation(record: type[Record], field: str) -> Any:
    return record.model_fields[field].annotation if field in record.model_fields else None


def _without_none(type_: Any) -> Any:
    if typing.get_origin(type_) in (typing.Union, types.UnionType):
        rest = [a for a in typing.get_args(type_) if a is not type(None)]
        return rest[0] if len(rest) == 1 else type_
    return type_
