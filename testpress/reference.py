"""A reference of every key of a recipe and of every precision, made of the types themselves.

python -m testpress.reference > docs/recipe.md
"""

from __future__ import annotations

import json
import re
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from device_profiles.record import Record, read_meaning
from packager.compression import is_calibrated
from packager.formats import format_names, get_format
from packager.formats.format import Format
from testpress.recipe import RecipeFile

_SECTION = re.compile(r"^the \[\w+\] section(: |; |$)|^one \[\[budgets\]\] table a budget$")
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}
_HEAD = """\
# Every key of a recipe

Made of the types by `python -m testpress.reference > docs/recipe.md`. Only `[model]` with its first four keys is
needed; [README](../README.md) begins with a whole recipe. Keys that are not listed here are refused, with the nearest
that there is. Relative paths start from the recipe's folder."""
_PRECISIONS = """\
## Every precision

A precision is named in `[variants]`, `[variants_for]` and budgets. Its promise is the least signal-to-noise ratio that
every output keeps beside the source model; a bundle below it is marked, and not withheld. The other words are taken for
it as well, in any case and with `-` for `_`."""


@dataclass(frozen=True)
class Section:
    """A table of a recipe.

    Attributes:
        header: As TOML writes it.
        record: What it holds.
        said: What holds for it beside, in words.
    """

    header: str
    record: type[Record]
    said: str = ""


def write_reference() -> str:
    """The whole page, as Markdown."""
    parts = [_HEAD]
    for name, field in RecipeFile.model_fields.items():
        sections = list(_list_sections(name, field.annotation, ""))
        parts.append(f"## `{sections[0].header}`" if sections else f"## `[{name}]`")
        meaning = _SECTION.sub("", _meaning(RecipeFile, name))
        parts += [f"{meaning[:1].upper()}{meaning[1:]}."] if meaning else []
        if not sections:
            parts.append(f"Type: {_describe_type(field.annotation)}.")
        for number, section in enumerate(sections):
            if number or section.said:
                parts.append(f"### `{section.header}`{section.said}")
            parts.append(_table(section.record, beside=sections[0].record if number and section.said else None))
    parts.append(_PRECISIONS)
    parts += [_describe_format(get_format(name)) for name in format_names()]
    return "\n\n".join(parts) + "\n"


def _list_sections(name: str, annotation: Any, above: str) -> Iterator[Section]:
    """A field's own table, then the tables in that; none where it holds plain values."""
    place = f"{above}.{name}" if above else name
    for record, form in _find_records(annotation):
        inside = f"{place}.NAME" if form == "named" else place
        header = f"[[{place}]]" if form == "many" else f"[{inside}]"
        kind = record.model_fields.get("kind")
        literal = typing.get_args(kind.annotation) if kind is not None and above == "" and form == "one" else ()
        said = f' with `kind = "{literal[0]}"`' if len(literal) == 1 else ""
        yield Section(header, record, said)
        for inner, field in record.model_fields.items():
            yield from _list_sections(inner, field.annotation, inside)


def _find_records(annotation: Any) -> list[tuple[type[Record], Literal["one", "many", "named"]]]:
    """The records in a type, each with whether it stands alone, in a list or by name."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return [(annotation, "one")]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return [found for each in inner for found in _find_records(each)]
    if origin is tuple:
        return [(record, "many") for each in inner[:1] for record, _ in _find_records(each)]
    if origin is dict:
        return [(record, "named") for record, _ in _find_records(inner[1])]
    return []


def _table(record: type[Record], *, beside: type[Record] | None = None) -> str:
    """A row a key; of a record beside another only what that has not."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    known = {} if beside is None else beside.model_fields
    shared = 0
    for name, field in record.model_fields.items():
        if name in known and repr(known[name]) == repr(field):
            shared += 1
            continue
        cells = (f"`{name}`", _describe_type(field.annotation), _describe_default(field), _meaning(record, name))
        rows.append("| " + " | ".join((cell or "–").replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + ("\n\nThe other keys are those of the first kind." if shared else "")


def _meaning(record: type[Record], name: str) -> str:
    return " ".join((read_meaning(record, name) or "").split())


def _bare(annotation: Any) -> Any:
    """A type without what it is annotated with."""
    while True:
        if isinstance(annotation, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()):
            annotation = annotation.__value__
        elif typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
        else:
            return annotation


def _describe_type(annotation: Any) -> str:
    annotation = _bare(annotation)
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_describe_type(each) for each in inner if each is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{json.dumps(each)}`" for each in inner)
    if origin is tuple:
        return f"list of {_describe_type(inner[0])}" if inner[1:] == (...,) else f"list of {len(inner)}"
    if origin is dict:
        return f"table, by name: {_describe_type(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return "table"
    return _WORDS[annotation]


def _describe_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or default is PydanticUndefined or isinstance(default, Record):
        return "–"
    if default in ((), {}):
        return "none"
    return f"`{json.dumps(default)}`"


def _describe_format(format_: Format) -> str:
    rows = ["| precision | what it does | promise | needs | other words |", "|---|---|---|---|---|"]
    aliases = [alias for one in format_.precisions.values() for alias in one.aliases]
    for name, one in format_.precisions.items():
        words = ", ".join(f"`{alias}`" for alias in one.aliases if aliases.count(alias) == 1)
        promise = f"{one.tolerance_db:g} dB: {one.because}"
        rows.append(f"| `{name}` | {one.meaning} | {promise} | {_describe_needs(format_, name)} | {words or '–'} |")
    unclear = [f"`{alias}`" for alias in dict.fromkeys(aliases) if aliases.count(alias) > 1]
    asked = f"\n\nAsked about, since they may mean several: {', '.join(unclear)}." if unclear else ""
    return f"### {format_.title} (`{format_.name}`)\n\n" + "\n".join(rows) + asked


def _describe_needs(format_: Format, precision: str) -> str:
    target = format_.minimum_targets.get(precision)
    needs = [f"iOS {target}"] if target is not None else []
    needs += ["audio to calibrate on: a dataset in `[task]`, else test signals"] if is_calibrated(precision) else []
    return ", ".join(needs) or "–"


if __name__ == "__main__":
    sys.stdout.write(write_reference())
