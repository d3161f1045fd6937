"""Strict records: the base of every type that reaches a file, and how such files are read and written.

A record is frozen, refuses unknown keys and numbers that are not finite, and never converts one type into another.
Reading a file lists all of its faults at once, each with the file, the field, what was found and what would be right.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from device_profiles.errors import TestpressError


class Record(pydantic.BaseModel):
    """Base of the types that reach a file: frozen, strict, unknown keys and NaN refused."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


R = TypeVar("R", bound=Record)


def parse_record(data: Any, type_: type[R], *, where: str, error: type[TestpressError]) -> R:
    """Validate plain data (what JSON or TOML holds) as a record.

    Args:
        data: Dictionaries, lists, strings and numbers.
        type_: The record type.
        where: How messages name the data, usually a file path.
        error: The error class to raise.

    Raises:
        TestpressError: As `error`; one line a fault.
    """
    try:
        # By way of JSON: in strict mode only there may an array fill a tuple.
        text = json.dumps(data)
    except (TypeError, ValueError) as fault:
        raise error(f"{where}: holds what is neither text, number, truth value, list nor table: {fault}") from None
    return parse_json(text, type_, where=where, error=error)


def parse_json(text: str, type_: type[R], *, where: str, error: type[TestpressError]) -> R:
    """Validate JSON text as a record; as `parse_record`, without the data in between, which may be larger than both."""
    try:
        return type_.model_validate_json(text)
    except pydantic.ValidationError as fault:
        lines = [f"{where}: {_describe(item, type_)}" for item in fault.errors(include_url=False)]
        raise error("\n".join(dict.fromkeys(lines))) from None


def read_toml(path: Path, type_: type[R], *, error: type[TestpressError]) -> R:
    """Read a TOML file as a record; faults as in `parse_record`, syntax errors with their line."""
    text = _read_text(path, error)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise error(f"{path}: not valid TOML: {fault}") from None
    return parse_record(data, type_, where=str(path), error=error)


def read_json(path: Path, type_: type[R], *, error: type[TestpressError]) -> R:
    """Read a JSON file as a record; faults as in `parse_record`, syntax errors with their line."""
    text = _read_text(path, error)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as fault:
        raise error(f"{path}: not valid JSON: line {fault.lineno}, column {fault.colno}: {fault.msg}") from None
    return parse_record(data, type_, where=str(path), error=error)


def dump_json(record: Record) -> str:
    """A record as JSON text: sorted keys, two spaces, a final newline, no NaN. Same record, same bytes."""
    data = record.model_dump(mode="json")
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def suggest(found: str, known: typing.Iterable[str]) -> str:
    """`"; did you mean 'x'?"` where a known name is close to `found`, else an empty string."""
    close = difflib.get_close_matches(found, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def _read_text(path: Path, error: type[TestpressError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise error(f"{path}: cannot be read: {fault}") from None


def _describe(item: Any, type_: type[Record]) -> str:
    location = tuple(part for part in item["loc"] if not (isinstance(part, str) and "[" in part))
    field = _path(location)
    owner = _owner(type_, location[:-1])
    name = str(location[-1]) if location else ""
    if item["type"] == "extra_forbidden":
        known = list(owner.model_fields) if owner else []
        hint = suggest(name, known) or (f"; known keys: {', '.join(known)}" if known else "")
        return f"{field}: unknown key{hint}"
    info = owner.model_fields.get(name) if owner else None
    right = f" ({info.description})" if info is not None and info.description else ""
    if item["type"] == "missing":
        return f"{field}: missing{right}"
    found = json.dumps(item["input"], ensure_ascii=False, default=str)
    message = item["msg"].removeprefix("Value error, ")
    return f"{field}: {message}; found {found[:80]}{'…' if len(found) > 80 else ''}{right}"


def _path(location: tuple[Any, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(the whole file)"


def _owner(type_: Any, location: tuple[Any, ...]) -> type[Record] | None:
    """The record type that holds the field at the end of `location`, if it can be told."""
    for part in location:
        record = _record_in(type_)
        if record is not None and isinstance(part, str) and part in record.model_fields:
            type_ = record.model_fields[part].annotation
        else:  # an index into a tuple or a key of a dictionary: the last type argument is the element
            arguments = [a for a in typing.get_args(_without_none(type_)) if a is not Ellipsis]
            if not arguments:
                return None
            type_ = arguments[-1]
    return _record_in(type_)


def _record_in(type_: Any) -> type[Record] | None:
    type_ = _without_none(type_)
    return type_ if isinstance(type_, type) and issubclass(type_, Record) else None


def _without_none(type_: Any) -> Any:
    if typing.get_origin(type_) in (typing.Union, types.UnionType):
        rest = [a for a in typing.get_args(type_) if a is not type(None)]
        return rest[0] if len(rest) == 1 else type_
    return type_
