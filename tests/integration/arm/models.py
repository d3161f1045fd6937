"""TFLite files that tell cores apart, made by TensorFlow itself in a process of its own: `python models.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import flatbuffers
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

FRAMES, BANDS = 32, 64


def _log_energy(samples: tf.Tensor) -> dict[str, tf.Tensor]:
    """1e-10 is nothing in float16, so that the logarithm of silence is infinite there."""
    power = tf.square(samples)
    weights = tf.constant(np.random.default_rng(3).normal(size=(BANDS, 8)).astype(np.float32) / 8)
    return {"scores": tf.sigmoid(tf.matmul(tf.math.log(power + 1e-10), weights))}


def _convolutions(samples: tf.Tensor) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(5)
    first = tf.constant(random.normal(size=(3, 3, 1, 16)).astype(np.float32) / 4)
    second = tf.constant(random.normal(size=(3, 3, 16, 16)).astype(np.float32) / 12)
    found = tf.nn.relu6(tf.nn.conv2d(samples, first, 1, "SAME"))
    return {"maps": tf.nn.relu6(tf.nn.conv2d(found, second, 1, "SAME"))}


def _convert(call: object, shape: list[int], *, full_integer: bool = False, dynamic: bool = False) -> bytes:
    module = tf.Module()
    module.call = tf.function(call, input_signature=[tf.TensorSpec(shape, tf.float32, name="samples")])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.call.get_concrete_function()], module)
    if full_integer or dynamic:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if full_integer:
        random = np.random.default_rng(9)
        converter.representative_dataset = lambda: ([random.normal(size=shape).astype(np.float32)] for _ in range(20))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def allow_float16(data: bytes) -> bytes:
    """The same file, which says that it may be computed in float16."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(b"fp16accfp16")
    model.buffers.append(buffer)
    entry.name, entry.buffer = "reduced_precision_support", len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def main(folder: Path) -> None:
    energy = _convert(_log_energy, [FRAMES, BANDS])
    files = {
        "energy": energy,
        "energy_float16": allow_float16(energy),
        "convolutions": _convert(_convolutions, [1, FRAMES, BANDS, 1]),
        "convolutions_dynamic": _convert(_convolutions, [1, FRAMES, BANDS, 1], dynamic=True),
        "convolutions_int8": _convert(_convolutions, [1, FRAMES, BANDS, 1], full_integer=True),
    }
    for name, data in files.items():
        (folder / f"{name}.tflite").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
