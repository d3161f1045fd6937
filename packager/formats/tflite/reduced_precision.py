"""What a TFLite file says of coarser arithmetic than its own: XNNPACK computes in float16 where a core can, if it may.

The metadata entry `reduced_precision_support` lists the types that a runtime may compute in and then those that it may
add up in, as in `fp16accfp16`. Source: TensorFlow, `lite/tools/optimize/reduced_precision_metadata.h`. With LiteRT 2.3
on an emulated Cortex-A76 `fp16accfp16` makes XNNPACK compute in float16, and `fp16accfp32` changes nothing.
"""

from __future__ import annotations

from typing import Any

from packager.errors import PackagingError

_KEY = "reduced_precision_support"
_FLOAT16 = "fp16accfp16"
_MOST_ENTRIES = 64
_MOST_BYTES = 64
_IDENTIFIER = b"TFL3"


def allow_float16(model: bytes) -> bytes:
    """A TFLite model that may be computed in float16 throughout; all else stays as it is.

    Raises:
        PackagingError: The bytes are not a readable TFLite model.
    """
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    try:
        root = schema.Model.GetRootAs(model, 0)
        if read_reduced_precision(root) == _FLOAT16:
            return model
        unpacked: Any = schema.ModelT.InitFromObj(root)
        buffer, entry = schema.BufferT(), schema.MetadataT()
        buffer.data = np.frombuffer(_FLOAT16.encode(), np.uint8)
        entry.name, entry.buffer = _KEY, len(unpacked.buffers)
        unpacked.buffers.append(buffer)
        others = [one for one in unpacked.metadata or () if _text(one.name) != _KEY]
        unpacked.metadata = [*others, entry]
        builder = flatbuffers.Builder(len(model) + 1024)
        builder.Finish(unpacked.Pack(builder), file_identifier=_IDENTIFIER)
    except Exception as fault:  # the generated reader raises whatever the bytes lead it to
        raise PackagingError(f"the TFLite model cannot be taken apart: {type(fault).__name__}: {fault}") from fault
    return bytes(builder.Output())


def read_reduced_precision(model: Any) -> str:
    """What a file says of coarser arithmetic, cut to a length; empty where it says nothing.

    Args:
        model: The file's root, of the schema's generated reader, which raises whatever damage leads it to.
    """
    for index in range(min(model.MetadataLength(), _MOST_ENTRIES)):
        entry = model.Metadata(index)
        if _text(entry.Name()) == _KEY and entry.Buffer() < model.BuffersLength():
            buffer = model.Buffers(entry.Buffer())
            return "" if buffer.DataIsNone() else bytes(buffer.DataAsNumpy()[:_MOST_BYTES]).decode("utf-8", "replace")
    return ""


def allows_float16(said: str) -> bool:
    """Whether what a file says lets a runtime compute and add up in float16."""
    types, _, sums = said.partition("acc")
    return "fp16" in types and "fp16" in sums


def _text(value: bytes | str | None) -> str:
    return value if isinstance(value, str) else (value or b"").decode("utf-8", "replace")
