"""The JSON Schema of a bundle's manifest, made of the record itself: what an app's reader can be held against."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from device_profiles.record import Record, read_meaning
from packager.bundle import Manifest

SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def make_schema() -> dict[str, Any]:
    """The schema of manifests as they are written today; each field's meaning is its description."""
    schema = Manifest.model_json_schema()
    records = {record.__name__: record for record in _walk(Manifest, set())}
    for name, record in records.items():
        part = schema if record is Manifest else schema["$defs"][name]
        for field, described in part["properties"].items():
            meaning = read_meaning(record, field)
            if meaning:
                described["description"] = " ".join(meaning.split())
    return {"$schema": SCHEMA, **schema}


def _walk(type_: Any, seen: set[Any]) -> Iterator[type[Record]]:
    """A record and all records in it, each once."""
    if isinstance(type_, type) and issubclass(type_, Record):
        if type_ not in seen:
            seen.add(type_)
            yield type_
            for field in type_.model_fields.values():
                yield from _walk(field.annotation, seen)
        return
    for inner in typing.get_args(type_):
        yield from _walk(inner, seen)
