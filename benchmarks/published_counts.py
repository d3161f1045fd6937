"""Counts again what the models in evaluators/costs/published_latency.csv do in one call, and says where a row differs.

Needs TensorFlow and tf-keras (about two minutes, 2 GB). Batch normalisation and ReLU are folded into the convolution
before them, as converters do; a hard swish counts as its multiplication.

Run from the repository's root: python -m benchmarks.published_counts
"""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import Any

ROWS = Path("evaluators/costs/published_latency.csv")
FREE = {
    "BatchNormalization", "ReLU", "Dropout", "InputLayer", "ZeroPadding2D", "Flatten", "Reshape", "Cropping2D",
    "Rescaling", "Normalization", "TFOpLambda",
}  # fmt: skip
MOBILEONE = {
    "0": (0.75, 1, 1, 2), "1": (1.5, 1.5, 2, 2.5), "2": (1.5, 2, 2.5, 4), "3": (2, 2.5, 3, 4), "4": (3, 3.5, 3.5, 4),
}  # fmt: skip
VGG = {"11": (1, 1, 2, 2, 2), "13": (2, 2, 2, 2, 2), "16": (2, 2, 3, 3, 3), "19": (2, 2, 4, 4, 4)}
FIRE = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


def values(tensor: Any) -> int:
    return math.prod(int(size) for size in tensor.shape[1:])


def count(model: Any) -> tuple[int, int, int, int]:
    """Multiply-adds, activation values read and written, weights, ops."""
    macs = activations = weights = ops = 0
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in FREE or (kind == "Activation" and layer.activation.__name__ in ("relu", "linear")):
            continue
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        kernels = [weight.shape for weight in layer.weights if "kernel" in weight.name]
        if kind == "Dense":
            macs += math.prod(kernels[0])
        elif kind == "SeparableConv2D":
            pixels = int(layer.output.shape[1]) * int(layer.output.shape[2])
            macs += pixels * sum(math.prod(kernel) for kernel in kernels)
            activations += 2 * pixels * int(kernels[0][2])
            ops += 1
        elif kind == "DepthwiseConv2D":
            macs += values(layer.output) * math.prod(layer.kernel_size)
        elif kind == "Conv2D":
            macs += values(layer.output) * math.prod(kernels[0][:3])
        weights += sum(math.prod(kernel) for kernel in kernels)
        activations += sum(values(tensor) for tensor in inputs) + values(layer.output)
        ops += 1
    return int(macs), int(activations), int(weights), ops


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


def transformer(layers: int, width: int, tokens: int) -> tuple[int, int, int, int]:
    """In closed form: four square matrices, a fourfold feed-forward, 20 ops a layer."""
    weights = layers * 12 * width * width
    attention = 2 * layers * tokens * tokens * width
    return weights * tokens + attention, layers * (30 * tokens * width + 12 * tokens * tokens), weights, 20 * layers


def recount(model: str, side: int) -> tuple[int, int, int, int]:
    from tf_keras import applications as a
    from tf_keras import backend

    backend.clear_session()
    shape = (side, side, 3)
    if found := re.search(r"(?i)mobilenet_?v1_([\d.]+)|mobilenet_1\.0|mobilenet v1", model):
        return count(a.MobileNet(shape, alpha=float(found[1] or 1), weights=None))
    if found := re.search(
        r"(?i)mobilenet_?v3[- ](large|small)(?: dm=([\d.]+)| (minimalistic))?|mobilenet v3 (\w+)", model
    ):
        name = (found[1] or found[4]).capitalize()
        build = getattr(a, f"MobileNetV3{name}")
        return count(build(shape, alpha=float(found[2] or 1), minimalistic=bool(found[3]), weights=None))
    if found := re.search(r"(?i)mobilenet_?v2(?:[_ -]w?([\d.]+))?|mobilenet v2", model):
        return count(a.MobileNetV2(shape, alpha=float(found[1] or 1), weights=None))
    if found := re.search(r"ResNet(18|34)", model):
        return count(resnet((2, 2, 2, 2) if found[1] == "18" else (3, 4, 6, 3)))
    if found := re.search(r"ResNet(\d+)", model):
        return count(getattr(a, f"ResNet{found[1]}")(input_shape=shape, weights=None))
    if found := re.search(r"VGG(\d+)", model):
        return count(vgg(VGG[found[1]]))
    if found := re.search(r"MobileOne-S(\d)", model):
        return count(mobileone(found[1]))
    encoders = {"MINILM": (6, 384, 80), "MPNET": (12, 768, 80), "CLIP": (12, 512, 77)}
    for word, sizes in encoders.items():
        if word in model:
            return transformer(*sizes)
    named = {
        "AlexNet": alexnet, "SqueezeNet": squeezenet,
        "ResNet_V2_101": lambda: a.ResNet101V2(input_shape=shape, weights=None),
        "Inception_V3": lambda: a.InceptionV3(weights=None), "Inception_Res": lambda: a.InceptionResNetV2(weights=None),
        "NASNet mobile": lambda: a.NASNetMobile(weights=None), "NASNet large": lambda: a.NASNetLarge(weights=None),
    }  # fmt: skip
    return count(next(build for word, build in named.items() if model.startswith(word))())


def main() -> None:
    known: dict[tuple[str, int], tuple[int, int, int, int]] = {}
    differing = 0
    rows = list(csv.DictReader(ROWS.read_text(encoding="utf-8").splitlines()))
    for row in rows:
        side = max(int(size) for size in row["input"].split("x"))
        key = (row["model"], side)
        if key not in known:
            known[key] = recount(*key)
        stored = tuple(int(row[name]) for name in ("macs", "activation_values", "weight_values", "ops"))
        if stored != known[key]:
            differing += 1
            print(f"{row['model']} {row['input']}: the file has {stored}, counted {known[key]}")
    print(f"{len(rows)} rows, {len(known)} models, {differing} rows differ")


if __name__ == "__main__":
    main()
