"""Tiny ML Programs, and how `make_model` converts them; coremltools is imported when one is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.emulators.coreml.package import open_package
from evaluators.emulators.coreml.program import Operation, Value, read_function
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.emulators.coreml.weights import WeightFiles
from packager.formats.coreml.mlpackage import import_coremltools, save_package

SAMPLES = 2048


def net(builder: Any, audio: Any) -> Any:
    """Two convolutions, a mean and a linear layer: 40,000 weights."""
    random = np.random.default_rng(1123)
    hidden = builder.conv(x=audio, weight=_weights(random, 64, 1, 64), strides=[16], pad_type="same", name="first")
    hidden = builder.relu(x=hidden, name="first_relu")
    hidden = builder.conv(x=hidden, weight=_weights(random, 64, 64, 9), strides=[2], pad_type="same", name="second")
    hidden = builder.relu(x=hidden, name="second_relu")
    mean = builder.reduce_mean(x=hidden, axes=[2], name="mean")
    return builder.linear(x=mean, weight=_weights(random, 10, 64), bias=np.ones(10, np.float32), name="scores")


def front(builder: Any, audio: Any) -> Any:
    """Decibels of a filter bank, over their range, before a larger network: what float16 cannot do."""
    random = np.random.default_rng(1123)
    bank = builder.conv(x=audio, weight=_weights(random, 32, 1, 64), strides=[32], pad_type="same", name="bank")
    power = builder.mul(x=bank, y=bank, name="power")
    decibels = builder.log(x=builder.add(x=power, y=np.float32(1e-10), name="floor"), name="decibels")
    low = builder.reduce_min(x=decibels, axes=[1, 2], keep_dims=True, name="low")
    above = builder.sub(x=decibels, y=low, name="above")
    height = builder.reduce_max(x=above, axes=[1, 2], keep_dims=True, name="height")
    scaled = builder.real_div(x=above, y=builder.add(x=height, y=np.float32(1e-6), name="divisor"), name="scaled")
    hidden = builder.relu(x=builder.conv(x=scaled, weight=_weights(random, 128, 32, 9), pad_type="same", name="wide"))
    hidden = builder.conv(x=hidden, weight=_weights(random, 32, 128, 9), pad_type="same", name="narrow")
    return builder.sigmoid(x=hidden, name="notes")


def loop(builder: Any, audio: Any) -> Any:
    """A convolution, and a loop with a linear layer in its body."""
    random = np.random.default_rng(1123)
    hidden = builder.conv(x=audio, weight=_weights(random, 16, 1, 64), strides=[512], pad_type="same", name="first")
    rows = builder.squeeze(x=builder.transpose(x=hidden, perm=[0, 2, 1]), axes=[0], name="rows")
    weight = _weights(random, 16, 16)

    def again(step: Any, _: Any) -> Any:
        return builder.less(x=step, y=3)

    def body(step: Any, value: Any) -> Any:
        return builder.add(x=step, y=1), builder.tanh(x=builder.linear(x=value, weight=weight))

    return builder.identity(x=builder.while_loop(_cond=again, _body=body, loop_vars=(0, rows))[1], name="states")


def _weights(random: np.random.Generator, *shape: int) -> Any:
    return random.normal(scale=1 / np.sqrt(np.prod(shape[1:])), size=shape).astype(np.float32)


class Conversion:
    """A `convert` for `make_model` that counts how often it is called."""

    def __init__(self, network: Callable[[Any, Any], Any]) -> None:
        self._network = network
        self.calls = 0

    def __call__(self, compute_precision: Any, target: Any) -> Any:
        from coremltools.converters.mil import Builder as mb

        self.calls += 1
        ct = import_coremltools()

        @mb.program(input_specs=[mb.TensorSpec(shape=(1, 1, SAMPLES))], opset_version=target)
        def program(audio: Any) -> Any:
            return self._network(mb, audio)

        return ct.convert(
            program,
            convert_to="mlprogram",
            compute_precision=compute_precision,
            minimum_deployment_target=target,
            skip_model_load=True,
        )


def save(model: Any, path: Path) -> Path:
    save_package(model.get_spec(), Path(model.weights_dir), path)
    return path


def read_bytes(path: Path) -> dict[str, bytes]:
    return {str(one.relative_to(path)): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}


def operations(path: Path) -> list[Operation]:
    """Of the main function, constants too, those of nested blocks left out."""
    package = open_package(path)
    model = parse_model(package.specification.read_bytes(), str(path))
    weights = WeightFiles(package.specification.parent, package.root)
    return list(read_function(model.mlProgram, "main", weights=weights, where=str(path)).block.operations)


def stored_types(path: Path) -> set[str]:
    """Element types of the tensors (not single numbers) in the file."""
    found = set()
    for op in operations(path):
        held = [item for argument in op.inputs.values() for item in argument if isinstance(item, Value)]
        for value in (*held, *(item for item in op.attributes.values() if isinstance(item, Value))):
            if value.type.dtype is not None and value.type.shape:
                found.add(value.type.dtype.name)
    return found
