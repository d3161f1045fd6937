"""TFLite metadata as its writers make it: a flatbuffer in a buffer of the model, label files in a zip behind it.

Written field by field with the flatbuffer builder, after `metadata_schema.fbs` of tensorflow/tflite-support.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

AUDIO_PROPERTIES = 4
TENSOR_AXIS_LABELS = 2


def _table(
    b: flatbuffers.Builder, n_fields: int, offsets: dict[int, int], numbers: dict[int, int] | None = None
) -> int:
    b.StartObject(n_fields)
    for slot, offset in offsets.items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in (numbers or {}).items():
        b.PrependUint32Slot(slot, number, 0)
    return int(b.EndObject())


def _vector(b: flatbuffers.Builder, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _tensor(b: flatbuffers.Builder, name: str, text: str, rest: dict[int, int]) -> int:
    return _table(b, 7, {0: b.CreateString(name), 1: b.CreateString(text), **rest})


def make_metadata(
    *,
    rate_hz: int | None = 16000,
    channels: int = 1,
    text: str = "a clip",
    author: str = "Jo",
    labels: str | None = None,
) -> bytes:
    """The metadata of a model with one input of audio and one output."""
    b = flatbuffers.Builder(1024)
    rest: dict[int, int] = {}
    if rate_hz is not None:
        properties = _table(b, 2, {}, {0: rate_hz, 1: channels})
        b.StartObject(3)
        b.PrependUint8Slot(0, AUDIO_PROPERTIES, 0)
        b.PrependUOffsetTRelativeSlot(1, properties, 0)
        rest = {3: b.EndObject()}
    heard = _tensor(b, "waveform", text, rest)
    rest = {}
    if labels is not None:
        name = b.CreateString(labels)
        b.StartObject(4)
        b.PrependUOffsetTRelativeSlot(0, name, 0)
        b.PrependInt8Slot(2, TENSOR_AXIS_LABELS, 0)
        rest = {6: _vector(b, [b.EndObject()])}
    made = _tensor(b, "scores", "one a class", rest)
    graph = _table(b, 7, {2: _vector(b, [heard]), 3: _vector(b, [made])})
    said = {
        slot: b.CreateString(value)
        for slot, value in {0: "hearer", 1: "It hears.", 2: "v1", 4: author, 5: "Apache-2.0", 7: "1.3.0"}.items()
    }
    b.Finish(_table(b, 8, {**said, 3: _vector(b, [graph])}), file_identifier=b"M001")
    return bytes(b.Output())


def add_metadata(path: Path, metadata: bytes, files: dict[str, str] | None = None) -> Path:
    """Pack metadata into a model file, and label files behind it."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(metadata, np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers) - 1
    model.metadata = [entry]
    b = flatbuffers.Builder(1024)
    b.Finish(model.Pack(b), file_identifier=b"TFL3")
    path.write_bytes(bytes(b.Output()))
    if files:
        with zipfile.ZipFile(path, "a") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    return path
