"""TensorFlow to Core ML, as an ML Program."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from packager.compression import Context
from packager.formats.coreml.compression import list_kept, make_model
from packager.formats.coreml.compression.programs import share_frontend, tell_faults
from packager.formats.coreml.mlpackage import import_coremltools, save_package
from packager.formats.format import Write
from packager.proving.lengths import input_shape
from packager.rewrites.tensorflow import register_tensorflow_lowerings, rewrite_function
from packager.rewrites.tensorflow.dialect import Dialect
from packager.sources.tensorflow import TensorFlowSource

DIALECT = Dialect(
    lacks=frozenset({
        "AddN", "Atan2", "Bucketize", "Erfc", "Expm1", "FakeQuantWithMinMaxArgs", "IsInf", "IsNan", "LeftShift",
        "MatrixDiagPartV3", "MirrorPad", "RightShift", "Rint", "Roll", "UnsortedSegmentSum", "Xdivy",
        "Xlog1py", "Xlogy",
    }),
    has_recurrent_layers=True,
    has_branches_in_loops=False,
)  # fmt: skip
"""coremltools 9.0"""


def prepare(source: TensorFlowSource, context: Context) -> Write:
    """Convert with coremltools, the first half once for all precisions; the features carry the source's names."""
    import tensorflow as tf

    ct = import_coremltools()
    lengths = context.lengths
    function = source.trace({name: one.axis for name, one in lengths.items()}) if lengths else source.function
    rewritten = rewrite_function(function, DIALECT)
    applied = register_tensorflow_lowerings()

    def start(**options: Any) -> Any:
        inputs = [_input_type(ct, tensor, source, context) for tensor in rewritten.function.inputs]
        return ct.convert([rewritten.function], source="tensorflow", inputs=inputs, **options)

    names = {tensor.name.partition(":")[0]: name for name, tensor in rewritten.function.structured_outputs.items()}
    shared = share_frontend(start, f"tensorflow=={tf.__version__}", names)
    convert = tell_faults(shared, lambda fault: f"{type(fault).__name__}: {fault}")

    def write(precision: str, path: Path) -> tuple[str, ...]:
        model = make_model(convert, precision, context)
        save_package(model.get_spec(), Path(model.weights_dir), path)
        return tuple(sorted(applied.union(rewritten.applied)))

    return Write(write, list_kept=functools.partial(list_kept, convert))


def _input_type(ct: Any, tensor: Any, source: TensorFlowSource, context: Context) -> Any:
    name = tensor.name.partition(":")[0]
    shape = source.inputs[name].shape if name in context.lengths else tuple(tensor.shape.as_list())
    dtype = tensor.dtype.as_numpy_dtype
    integer = np.issubdtype(dtype, np.integer)
    return ct.TensorType(
        name=name,
        shape=input_shape(ct, name, shape, context.lengths),
        dtype=np.int32 if integer else np.float32,
    )
