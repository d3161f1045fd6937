"""TFLite metadata: a flatbuffer within the model's own, and label files in a zip archive behind it.

No library reads it without a runtime of its own, so its tables are read here by their field numbers.

Source: `metadata_schema.fbs` of tensorflow/tflite-support, version 1.5.0 (identifier M001).
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluators.errors import EvaluationError
from evaluators.formats.metadata import Labels, ModelMetadata, TensorText, cut, make_labels
from evaluators.formats.tflite.file import DAMAGE
from packager.formats.tflite.reduced_precision import allows_float16, read_reduced_precision

_NAME = b"TFLITE_METADATA"
_IDENTIFIER = b"M001"
_AUDIO = 4
"""the audio properties' place in the union of content properties"""
_LABEL_KINDS = (2, 3, 5)
"""labels of an axis, labels of values, a vocabulary"""
_MOST = 64
_MOST_LABEL_BYTES = 4 * 2**20
_MOST_LABEL_FILES = 8


def read_tflite_metadata(path: Path) -> ModelMetadata:
    """The metadata of a `.tflite` file; a record without texts where it has none.

    Raises:
        EvaluationError: ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as fault:
        raise EvaluationError("reading a .tflite file needs ai-edge-litert: pip install 'testpress[tflite]'") from fault
    try:
        data = path.read_bytes()
        model = schema.Model.GetRootAs(data, 0)
        tool = (model.Description() or b"").decode("utf-8", errors="replace")
        others = {"converter's note": cut(tool)} if tool else {}
        said = read_reduced_precision(model)
        if said:
            others["reduced precision"] = cut(f"{said}, which {_tell_float16(said)}")
        root = _find(model)
        return ModelMetadata(others=others) if root is None else _decode(root, others, path)
    except DAMAGE as fault:
        return ModelMetadata(fault=f"its metadata cannot be read ({type(fault).__name__})")


def _tell_float16(said: str) -> str:
    return f"{'allows' if allows_float16(said) else 'does not allow'} float16 arithmetic where a core has it"


class _Table:
    """A table of a flatbuffer, read by field numbers."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def _offset(self, number: int) -> int:
        return int(self._table.Offset(4 + 2 * number))

    def text(self, number: int) -> str:
        offset = self._offset(number)
        data: bytes = self._table.String(offset + self._table.Pos) if offset else b""
        return cut(data.decode("utf-8", errors="replace"))

    def number(self, number: int, flags: Any) -> int:
        offset = self._offset(number)
        return int(self._table.Get(flags, offset + self._table.Pos)) if offset else 0

    def table(self, number: int) -> _Table | None:
        offset = self._offset(number)
        return self._at(self._table.Indirect(offset + self._table.Pos)) if offset else None

    def union(self, number: int) -> _Table | None:
        offset = self._offset(number)
        if not offset:
            return None
        from flatbuffers.table import Table

        found = Table(bytearray(), 0)
        self._table.Union(found, offset)
        return _Table(found)

    def tables(self, number: int) -> Iterator[_Table]:
        offset = self._offset(number)
        if not offset:
            return
        start = self._table.Vector(offset)
        for place in range(min(self._table.VectorLen(offset), _MOST)):
            yield self._at(self._table.Indirect(start + 4 * place))

    def _at(self, position: int) -> _Table:
        from flatbuffers.table import Table

        return _Table(Table(self._table.Bytes, position))


def _find(model: Any) -> _Table | None:
    from flatbuffers.encode import Get
    from flatbuffers.packer import uoffset
    from flatbuffers.table import Table

    for index in range(min(model.MetadataLength(), _MOST)):
        entry = model.Metadata(index)
        if entry.Name() == _NAME:
            data = bytes(model.Buffers(entry.Buffer()).DataAsNumpy())
            if data[4:8] != _IDENTIFIER:
                raise ValueError(f"identifier {data[4:8]!r}")
            return _Table(Table(data, Get(uoffset, data, 0)))
    return None


def _decode(root: _Table, others: dict[str, str], path: Path) -> ModelMetadata:
    from flatbuffers.number_types import Uint32Flags

    tensors: list[TensorText] = []
    labels: list[Labels] = []
    rate_hz = channels = 0
    graph = next(root.tables(3), None)
    sides = [] if graph is None else [("in", graph.tables(2)), ("out", graph.tables(3))]
    for role, each in sides:
        for tensor in each:
            name, text = tensor.text(0), tensor.text(1)
            if name or text:
                tensors.append(TensorText(role="in" if role == "in" else "out", name=name, text=text))
            audio = _audio(tensor) if role == "in" else None
            if audio is not None:
                rate_hz, channels = audio.number(0, Uint32Flags), audio.number(1, Uint32Flags)
            labels += itertools.islice(_labels(tensor, 6, name, path), _MOST_LABEL_FILES - len(labels))
    for holder, field in ((graph, 4), (root, 6)):  # labels may be said to be the whole model's
        if holder is not None and not labels:
            labels += itertools.islice(_labels(holder, field, "", path), _MOST_LABEL_FILES)
    parser = root.text(7)
    return ModelMetadata(
        name=root.text(0),
        description=root.text(1),
        version=root.text(2),
        author=root.text(4),
        license=root.text(5),
        sample_rate_hz=rate_hz or None,
        rate_from="properties" if rate_hz else None,
        channels=channels or None,
        tensors=tuple(tensors),
        labels=tuple(labels),
        others={**others, **({"least metadata parser": parser} if parser else {})},
    )


def _audio(tensor: _Table) -> _Table | None:
    from flatbuffers.number_types import Uint8Flags

    content = tensor.table(3)
    return None if content is None or content.number(0, Uint8Flags) != _AUDIO else content.union(1)


def _labels(holder: _Table, field: int, name: str, path: Path) -> Iterator[Labels]:
    """The labels among the files that a tensor, a graph or the model names."""
    from flatbuffers.number_types import Int8Flags

    for file in holder.tables(field):
        if file.number(2, Int8Flags) in _LABEL_KINDS:
            found = _packed(path, file.text(0))
            if found is not None:
                yield make_labels(f"{name} ({file.text(0)})" if name else file.text(0), found)


def _packed(path: Path, name: str) -> list[str] | None:
    """The lines of a file in the archive that is appended to the model."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            data = file.read(_MOST_LABEL_BYTES + 1)
    except (OSError, KeyError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return None
    if len(data) > _MOST_LABEL_BYTES:
        return None
    return data.decode("utf-8", errors="replace").splitlines()
