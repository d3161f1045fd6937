"""TensorFlow to TFLite: TensorFlow's converter once for float32, the AI Edge Quantizer for every other precision."""

from __future__ import annotations

from pathlib import Path

from packager.compression import Context
from packager.errors import PackagingError
from packager.formats.format import Write
from packager.formats.tflite.compression import compress
from packager.rewrites.tensorflow import rewrite_function
from packager.rewrites.tensorflow.dialect import Dialect
from packager.sources.tensorflow import TensorFlowSource, import_tensorflow

DIALECT = Dialect(
    lacks=frozenset({
        "Atanh", "Conv2DBackpropInput", "Erf", "Erfc", "ExtractImagePatches", "MatrixDiagPartV3", "Sinh",
    }),
    reuses_loop_values=True,
)  # fmt: skip
"""TensorFlow 2.21's converter without Select TensorFlow ops"""


def prepare(source: TensorFlowSource, context: Context) -> Write:
    """Convert to float32; the signature keeps the names of input and outputs.

    Raises:
        PackagingError: The converter refuses the model.
    """
    tf = import_tensorflow()
    rewritten = rewrite_function(source.function, DIALECT)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([rewritten.function], tf.Module())
    try:
        float32 = bytes(converter.convert())
    except Exception as fault:
        raise PackagingError(f"TensorFlow's TFLite converter: {type(fault).__name__}: {fault}") from fault

    def write(precision: str, path: Path) -> tuple[str, ...]:
        path.write_bytes(compress(float32, precision, context))
        return rewritten.applied

    return Write(write)
