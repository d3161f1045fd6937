"""Times single convolutions on this machine beside what is predicted of them: which shapes have fast kernels.

    python -m benchmarks.kernel_times

A phone's LiteRT has the same kernels for the same shapes, so that what is slow here by a factor is slow there. The
ratio of a good prediction is the same in all lines: what differs from line to line is wrong. Of depthwise convolutions,
those with more than 25 taps or several outputs a channel fall back to the general kernel, and a transposed one reads
all its weights for each few rows. A time is the shortest call of a second.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "OMP_NUM_THREADS": "1"})
from benchmarks.host_phone import time_call, write_profile
from evaluators.costs.latency import predict_latency
from evaluators.costs.placement import PlacementRequest
from evaluators.formats import place, read_graph
from packager.formats.phones import read_phone
from testpress.table import align

SECONDS = 1.0
ROWS = 200


def layers(keras: Any) -> Iterator[tuple[str, tuple[int, int, int], Callable[[], Any]]]:
    """Name, input and layer of each."""
    for channels, out, taps in ((16, 16, 3), (64, 64, 3), (64, 64, 9), (256, 256, 5)):
        yield (
            f"convolution, {channels} to {out} channels, {taps} taps",
            (1, ROWS, channels),
            lambda out=out, taps=taps: keras.layers.Conv2D(out, (1, taps), padding="same"),
        )
    for channels, multiplier, taps in (
        (64, 1, 3), (64, 1, 9), (64, 1, 25), (64, 1, 31), (64, 1, 87), (256, 1, 25), (256, 1, 33), (64, 2, 31),
        (16, 4, 31), (1, 64, 31), (1, 256, 160),
    ):  # fmt: skip
        yield (
            f"depthwise, {channels} channels, {multiplier} outputs each, {taps} taps",
            (1, ROWS, channels),
            lambda multiplier=multiplier, taps=taps: keras.layers.DepthwiseConv2D(
                (1, taps), padding="same", depth_multiplier=multiplier
            ),
        )
    for channels, out, taps, step in (
        (64, 64, 3, 1), (16, 8, 4, 2), (64, 32, 4, 2), (64, 32, 16, 8), (256, 128, 16, 8), (512, 256, 10, 5),
        (256, 1, 16, 8), (128, 1, 320, 160),
    ):  # fmt: skip
        yield (
            f"transposed, {channels} to {out} channels, {taps} taps, steps of {step}",
            (1, ROWS, channels),
            lambda out=out, taps=taps, step=step: keras.layers.Conv2DTranspose(
                out, (1, taps), strides=(1, step), padding="same"
            ),
        )


def main() -> None:
    import tensorflow as tf

    profile = read_phone(str(write_profile("tflite")))
    rows = [("measured ms", "predicted", "ratio", "10⁹ multiply-adds/s", "")]
    with tempfile.TemporaryDirectory() as folder:
        for name, shape, layer in layers(tf.keras):
            path = Path(folder) / "model.tflite"
            model = tf.keras.Sequential([tf.keras.Input(shape, batch_size=1), layer()])
            path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
            graph = read_graph(path, None)
            placement = place(graph, "float32", profile, PlacementRequest(unit="cpu", threads=1))
            predicted = predict_latency(graph, placement, profile).latency_ms.value
            measured = time_call(path, SECONDS)
            assert predicted is not None
            rate = graph.macs / measured / 1e6
            rows.append((f"{measured:.3f}", f"{predicted:.3f}", f"{measured / predicted:.2f}", f"{rate:.1f}", name))
    print(align(rows, right=(0, 1, 2, 3)))


if __name__ == "__main__":
    main()
