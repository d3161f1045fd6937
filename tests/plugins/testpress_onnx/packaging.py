"""ONNX bundles: what `testpress.formats` names."""

from __future__ import annotations

from pathlib import Path

from packager.bundle import Floor
from packager.formats.format import Format, Precision


def read_floor(path: Path) -> Floor:
    """The operator set that a model states."""
    import onnx

    opset = max(one.version for one in onnx.load(str(path), load_external_data=False).opset_import)
    return Floor(platform=None, minimum_os=None, minimum_runtime=None, because=f"operator set {opset}")


FORMAT = Format(
    name="onnx",
    title="ONNX",
    suffixes=(".onnx",),
    model_file="model.onnx",
    runtimes={"ONNX Runtime": ("android", "ios")},
    precisions={"float32": Precision(60.0, "the same arithmetic in another order")},
    converters={"torch": "testpress_onnx.from_torch"},
    read_floor=read_floor,
    packages=("onnx", "onnxscript"),
    fixed_lengths="an ONNX bundle is exported for one length",
)
