"""A TFLite model behind another in one file, as packers of web pages and archives leave them."""

from __future__ import annotations

from pathlib import Path

from evaluators.formats.tflite.file import DAMAGE, TFLITE_IDENTIFIER

_VERSION = 3
"""of every TFLite schema so far"""


def describe_appended(path: Path) -> str | None:
    """Where a second model begins in a `.tflite` file, in one sentence; none where there is none.

    A model does not say where it ends, so whatever is a model by its first bytes, its version and its graphs counts.
    """
    from ai_edge_litert import schema_py_generated as schema

    data = path.read_bytes()
    place = 8
    while (place := data.find(TFLITE_IDENTIFIER, place)) != -1:
        start = place - 4
        place += 4
        try:
            model = schema.Model.GetRootAs(data, start)
            is_model = model.Version() == _VERSION and model.SubgraphsLength() and model.Subgraphs(0).TensorsLength()
        except DAMAGE:
            continue
        if is_model:
            return f"another TFLite model begins at byte {start:,}: only the first is read and run"
    return None
