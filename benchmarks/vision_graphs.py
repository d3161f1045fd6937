"""Counts op by op what the vision models and text encoders of vision_latency.csv do in one call.

Writes evaluators/costs/vision_ops.csv with --write; without, says which graphs differ from it. Needs TensorFlow and
tf-keras (about two minutes, 2 GB). Batch normalisation and ReLU are folded into the convolution before them, as
converters do; a hard swish counts as its multiplication.

Run from the repository's root: python -m benchmarks.vision_graphs
"""

from __future__ import annotations

import collections
import csv
import math
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROWS = Path("evaluators/costs/vision_latency.csv")
OPS = Path("evaluators/costs/vision_ops.csv")
COLUMNS = ("graph", "kind", "count", "macs", "read_values", "written_values", "weight_values", "runs")
FREE = {
    "BatchNormalization", "ReLU", "Dropout", "InputLayer", "ZeroPadding2D", "Flatten", "Reshape", "Cropping2D",
    "Rescaling", "Normalization", "TFOpLambda",
}  # fmt: skip
MOBILEONE = {
    "0": (0.75, 1, 1, 2), "1": (1.5, 1.5, 2, 2.5), "2": (1.5, 2, 2.5, 4), "3": (2, 2.5, 3, 4), "4": (3, 3.5, 3.5, 4),
}  # fmt: skip
VGG = {"11": (1, 1, 2, 2, 2), "13": (2, 2, 2, 2, 2), "16": (2, 2, 3, 3, 3), "19": (2, 2, 4, 4, 4)}
FIRE = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


class OpCount(NamedTuple):
    """What one op does in a call."""

    kind: str
    macs: int
    read_values: int
    written_values: int
    weight_values: int


KINDS = {
    "Activation": "elementwise", "Add": "elementwise", "CustomScaleLayer": "elementwise", "Multiply": "elementwise",
    "Concatenate": "move",
    "MaxPooling2D": "pool", "AveragePooling2D": "pool", "GlobalAveragePooling2D": "pool", "GlobalMaxPooling2D": "pool",
}  # fmt: skip


def values(tensor: Any) -> int:
    return math.prod(int(size) for size in tensor.shape[1:])


def count(model: Any) -> list[OpCount]:
    """The ops of a Keras model, in order."""
    ops: list[OpCount] = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in FREE or (kind == "Activation" and layer.activation.__name__ in ("relu", "linear")):
            continue
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        read, written = sum(values(tensor) for tensor in inputs), values(layer.output)
        kernels = [tuple(int(size) for size in w.shape) for w in layer.weights if "kernel" in w.name]
        weights = sum(math.prod(kernel) for kernel in kernels)
        if kind == "Dense":
            ops.append(OpCount("dense", weights, read, written, weights))
        elif kind == "SeparableConv2D":
            depth, point = kernels
            pixels = int(layer.output.shape[1]) * int(layer.output.shape[2])
            between = pixels * depth[2]
            ops.append(OpCount("depthwise", pixels * math.prod(depth), read, between, math.prod(depth)))
            ops.append(OpCount("conv", pixels * math.prod(point), between, written, math.prod(point)))
        elif kind == "DepthwiseConv2D":
            ops.append(OpCount("depthwise", written * math.prod(layer.kernel_size), read, written, weights))
        elif kind == "Conv2D":
            ops.append(OpCount("conv", written * math.prod(kernels[0][:3]), read, written, weights))
        else:
            ops.append(OpCount(KINDS[kind], 0, read, written, 0))
    return ops


def convolution(x: Any, channels: int, size: int, stride: int = 1, padding: str = "same") -> Any:
    from tf_keras import layers

    return layers.Conv2D(channels, size, strides=stride, padding=padding, use_bias=False)(x)


def resnet(blocks: tuple[int, ...]) -> Any:
    from tf_keras import Input, Model, layers

    start = Input((224, 224, 3))
    x = layers.MaxPooling2D(3, 2, "same")(convolution(start, 64, 7, 2))
    for stage, (channels, repeats) in enumerate(zip((64, 128, 256, 512), blocks, strict=True)):
        for block in range(repeats):
            stride = 2 if stage and not block else 1
            y = convolution(convolution(x, channels, 3, stride), channels, 3)
            x = layers.Add()([convolution(x, channels, 1, 2) if stride == 2 else x, y])
    return Model(start, layers.Dense(1000)(layers.GlobalAveragePooling2D()(x)))


def classifier(start: Any, x: Any) -> Any:
    from tf_keras import Model, layers

    x = layers.Flatten()(x)
    for units in (4096, 4096, 1000):
        x = layers.Dense(units)(x)
    return Model(start, x)


def vgg(repeats: tuple[int, ...]) -> Any:
    from tf_keras import Input, layers

    start = x = Input((224, 224, 3))
    for channels, times in zip((64, 128, 256, 512, 512), repeats, strict=True):
        for _ in range(times):
            x = convolution(x, channels, 3)
        x = layers.MaxPooling2D(2, 2)(x)
    return classifier(start, x)


def alexnet() -> Any:
    from tf_keras import Input, layers

    start = Input((224, 224, 3))
    x = layers.MaxPooling2D(3, 2)(convolution(layers.ZeroPadding2D(2)(start), 64, 11, 4, "valid"))
    x = layers.MaxPooling2D(3, 2)(convolution(x, 192, 5))
    for channels in (384, 256, 256):
        x = convolution(x, channels, 3)
    return classifier(start, layers.MaxPooling2D(3, 2)(x))


def squeezenet() -> Any:
    from tf_keras import Input, Model, layers

    start = Input((224, 224, 3))
    x = layers.MaxPooling2D(3, 2, "same")(convolution(start, 96, 7, 2, "valid"))
    for index, (squeezed, expanded) in enumerate(FIRE):
        x = convolution(x, squeezed, 1)
        x = layers.Concatenate()([convolution(x, expanded, 1), convolution(x, expanded, 3)])
        if index in (2, 6):
            x = layers.MaxPooling2D(3, 2, "same")(x)
    return Model(start, layers.GlobalAveragePooling2D()(convolution(x, 1000, 1)))


def squeeze_and_excite(x: Any) -> Any:
    from tf_keras import layers

    channels = int(x.shape[-1])
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Activation("sigmoid")(layers.Conv2D(channels, 1)(layers.Conv2D(channels // 16, 1)(y)))
    return layers.Multiply()([x, y])


def mobileone(name: str) -> Any:
    from tf_keras import Input, Model, layers

    widths = MOBILEONE[name]
    start = Input((224, 224, 3))
    x = convolution(start, min(64, int(64 * widths[0])), 3, 2)
    for stage, (blocks, base, width) in enumerate(zip((2, 8, 10, 1), (64, 128, 256, 512), widths, strict=True)):
        for block in range(blocks):
            excited = name == "4" and ((stage == 2 and block >= 5) or stage == 3)
            x = layers.DepthwiseConv2D(3, strides=1 if block else 2, padding="same")(x)
            x = convolution(squeeze_and_excite(x) if excited else x, int(base * width), 1)
            x = squeeze_and_excite(x) if excited else x
    return Model(start, layers.Dense(1000)(layers.GlobalAveragePooling2D()(x)))


def transformer(layers: int, width: int, tokens: int, heads: int) -> list[OpCount]:
    """An encoder whose feed-forward is four times as wide; normalisations are one op, as delegates fuse them."""
    x, wide, scores = tokens * width, 4 * tokens * width, heads * tokens * tokens
    square = OpCount("dense", tokens * width * width, x, x, width * width)
    attention = tokens * tokens * width
    block = [
        OpCount("elementwise", 0, x, x, 0), square, square, square, *[OpCount("move", 0, x, x, 0)] * 3,
        OpCount("matmul", attention, 2 * x, scores, 0), OpCount("elementwise", 0, scores, scores, 0),
        OpCount("matmul", attention, scores + x, x, 0), OpCount("move", 0, x, x, 0), square,
        OpCount("elementwise", 0, 2 * x, x, 0), OpCount("elementwise", 0, x, x, 0),
        OpCount("dense", 4 * x * width, x, wide, 4 * width * width), OpCount("elementwise", 0, wide, wide, 0),
        OpCount("dense", 4 * x * width, wide, x, 4 * width * width), OpCount("elementwise", 0, 2 * x, x, 0),
    ]  # fmt: skip
    return block * layers


def name_graph(model: str, side: int) -> str:
    """The graph's name: the architecture, its width and its input's side."""
    if found := re.search(r"(?i)mobilenet_?v1_([\d.]+)|mobilenet_1\.0|mobilenet v1", model):
        return f"mobilenet_v1 w{float(found[1] or 1):g} {side}"
    if found := re.search(
        r"(?i)mobilenet_?v3[- ](large|small)(?: dm=([\d.]+)| (minimalistic))?|mobilenet v3 (\w+)", model
    ):
        size = (found[1] or found[4]).lower()
        return f"mobilenet_v3 {size}{' minimalistic' if found[3] else ''} w{float(found[2] or 1):g} {side}"
    if found := re.search(r"(?i)mobilenet_?v2(?:[_ -]w?([\d.]+))?|mobilenet v2", model):
        return f"mobilenet_v2 w{float(found[1] or 1):g} {side}"
    for word in ("MINILM", "MPNET", "CLIP"):
        if word in model:
            return {"MINILM": "minilm l6 80", "MPNET": "mpnet base 80", "CLIP": "clip text 77"}[word]
    return f"{re.sub(r'_V1|_BN| [(].*', '', model).lower()} {side}"


def build(graph: str) -> list[OpCount]:
    """The ops of a graph of `name_graph`'s."""
    from tf_keras import applications as a
    from tf_keras import backend

    backend.clear_session()
    encoders = {
        "minilm l6 80": (6, 384, 80, 12), "mpnet base 80": (12, 768, 80, 12), "clip text 77": (12, 512, 77, 8),
    }  # fmt: skip
    if graph in encoders:
        return transformer(*encoders[graph])
    *words, last = graph.split()
    side = int(last)
    shape = (side, side, 3)
    width = float(words[-1][1:]) if words[-1].startswith("w") else 1.0
    if words[0] == "mobilenet_v1":
        return count(a.MobileNet(shape, alpha=width, weights=None))
    if words[0] == "mobilenet_v2":
        return count(a.MobileNetV2(shape, alpha=width, weights=None))
    if words[0] == "mobilenet_v3":
        make = getattr(a, f"MobileNetV3{words[1].capitalize()}")
        return count(make(shape, alpha=width, minimalistic="minimalistic" in words, weights=None))
    if found := re.fullmatch(r"resnet(18|34)", words[0]):
        return count(resnet((2, 2, 2, 2) if found[1] == "18" else (3, 4, 6, 3)))
    if found := re.fullmatch(r"resnet(\d+)", words[0]):
        return count(getattr(a, f"ResNet{found[1]}")(input_shape=shape, weights=None))
    if found := re.fullmatch(r"vgg(\d+)", words[0]):
        return count(vgg(VGG[found[1]]))
    if found := re.fullmatch(r"mobileone-s(\d)", words[0]):
        return count(mobileone(found[1]))
    named = {
        "alexnet": alexnet, "squeezenet": squeezenet,
        "resnet_v2_101": lambda: a.ResNet101V2(input_shape=shape, weights=None),
        "inception_v3": lambda: a.InceptionV3(weights=None),
        "inception_resnet_v2": lambda: a.InceptionResNetV2(weights=None),
        "nasnet mobile": lambda: a.NASNetMobile(weights=None), "nasnet large": lambda: a.NASNetLarge(weights=None),
    }  # fmt: skip
    return count(named[" ".join(words)]())


def main() -> None:
    with ROWS.open(encoding="utf-8", newline="") as file:
        graphs = sorted({row["graph"] for row in csv.DictReader(file)})
    lines = [",".join(COLUMNS)]
    for graph in graphs:
        for op, times in collections.Counter(build(graph)).items():
            cells = (graph, op.kind, times, op.macs, op.read_values, op.written_values, op.weight_values, 1)
            lines.append(",".join(map(str, cells)))
    text = "\n".join(lines) + "\n"
    if "--write" in sys.argv:
        OPS.write_text(text, encoding="utf-8")
    stored = OPS.read_text(encoding="utf-8").splitlines()
    differing = sorted({line.split(",")[0] for line in set(stored) ^ set(lines)})
    print(f"{len(graphs)} graphs, {len(differing)} differ{': ' if differing else ''}{', '.join(differing)}")


if __name__ == "__main__":
    main()
