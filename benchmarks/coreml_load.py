"""Prints how long the Core ML emulator takes to load packages of 100 MB, beside reading and decompressing in numpy.

Run from the repository's root: python -m benchmarks.coreml_load

`numpy` is what anyone would write: the whole weight file read into memory, then every weight made float32 (the type the
emulator holds float16 in) by the formula of its compression, in whole-array steps. It rounds nothing to float16, though
the emulator must. `read` is reading the file alone. `load` is opening the package, plus what the first run takes more
than the second: weights that need no decompression are only mapped at loading and read when first used. Every repeat
times all of them one after the other, on a page cache that holds the file; `cold` is the same after the file was
evicted.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.emulators.coreml.protobuf import load_schema

SIDE = 1024
BLOCK = 32
OPSET = "CoreML8"
Weight = dict[str, tuple[str, np.ndarray]]
"""operand → element type in the file, and elements (of packed types: one a byte)"""


@dataclass(frozen=True)
class Case:
    """One way to store a square weight."""

    name: str
    bits: int
    kind: str
    """the op that makes it dense"""
    make: Callable[[np.random.Generator], Weight]
    expand: Callable[[dict[str, np.ndarray]], np.ndarray]
    """from the operands as they lie in the file to float32, in plain numpy"""
    dtype: str = "float16"


def _linear8(rng: np.random.Generator) -> Weight:
    return {
        "quantized_data": ("int8", rng.integers(-128, 128, (SIDE, SIDE), np.int8)),
        "scale": ("float16", rng.uniform(1e-4, 1e-3, SIDE).astype(np.float16)),
        "zero_point": ("int8", rng.integers(-8, 8, SIDE, np.int8)),
        "axis": ("int32", np.array(0, np.int32)),
    }


def _expand_linear8(parts: dict[str, np.ndarray]) -> np.ndarray:
    data = parts["quantized_data"].reshape(SIDE, SIDE).astype(np.float32)
    return (data - parts["zero_point"].astype(np.float32)[:, None]) * parts["scale"].astype(np.float32)[:, None]


def _blockwise4(rng: np.random.Generator) -> Weight:
    scale = rng.uniform(1e-3, 1e-2, (SIDE, SIDE // BLOCK)).astype(np.float16)
    return {"data": ("int4", rng.integers(-8, 8, (SIDE, SIDE), np.int8)), "scale": ("float16", scale)}


def _expand_blockwise4(parts: dict[str, np.ndarray]) -> np.ndarray:
    packed = parts["data"].view(np.int8)
    nibbles = np.stack([packed << 4 >> 4, packed >> 4], axis=-1)  # shifts of signed bytes keep the sign
    blocks = nibbles.reshape(SIDE, SIDE // BLOCK, BLOCK).astype(np.float32)
    return (blocks * parts["scale"].astype(np.float32).reshape(SIDE, -1, 1)).reshape(SIDE, SIDE)


def _palette6(rng: np.random.Generator) -> Weight:
    lut = rng.standard_normal((1, 1, 64, 1)).astype(np.float16)
    return {"indices": ("uint6", rng.integers(0, 64, (SIDE, SIDE), np.uint8)), "lut": ("float16", lut)}


def _expand_palette6(parts: dict[str, np.ndarray]) -> np.ndarray:
    a, b, c = parts["indices"].reshape(-1, 3).T
    indices = np.stack([a & 63, a >> 6 | b << 2 & 63, b >> 4 | c << 4 & 63, c >> 2], axis=-1)
    return parts["lut"].astype(np.float32).reshape(-1)[indices].reshape(SIDE, SIDE)


def _plain(dtype: str) -> Callable[[np.random.Generator], Weight]:
    def make(rng: np.random.Generator) -> Weight:
        return {"val": (dtype, rng.standard_normal((SIDE, SIDE), np.float32).astype(dtype))}

    return make


CASES = (
    Case("float16", 16, "const", _plain("float16"), lambda parts: parts["val"].astype(np.float32)),
    Case("float32", 32, "const", _plain("float32"), lambda parts: parts["val"], dtype="float32"),
    Case("linear, 8 bits", 8, "constexpr_affine_dequantize", _linear8, _expand_linear8),
    Case("blockwise, 4 bits", 4, "constexpr_blockwise_shift_scale", _blockwise4, _expand_blockwise4),
    Case("palette, 6 bits", 6, "constexpr_lut_to_dense", _palette6, _expand_palette6),
)
_WRITERS = {"float16": "fp16", "float32": "float"}


class _Package:
    """An .mlpackage under construction: a chain of matrix products."""

    def __init__(self, folder: Path, case: Case) -> None:
        from coremltools.libmilstoragepython import _BlobStorageWriter

        self._case = case
        self._data = folder / "Data" / "com.apple.CoreML"
        self.weights = self._data / "weights" / "weight.bin"
        self.weights.parent.mkdir(parents=True)
        self._writer: Any = _BlobStorageWriter(str(self.weights))
        self._model = load_schema().model.Model()
        self._model.specificationVersion = 9
        self._function = self._model.mlProgram.functions["main"]
        self._function.opset = OPSET
        self._block = self._function.block_specializations[OPSET]
        self._products = 0
        features = self._model.description.input.add(name="x"), self._model.description.output.add()
        for feature in features:
            feature.type.multiArrayType.shape.extend((1, SIDE))
            feature.type.multiArrayType.dataType = 65552 if case.dtype == "float16" else 65568
        set_type(self._function.inputs.add(name="x").type, case.dtype, (1, SIDE))
        self._output = features[1]

    def add(self, weight: Weight) -> None:
        """One more product, with a weight of its own."""
        number, case = self._products, self._case
        made = self._block.operations.add(type=case.kind)
        set_type(made.outputs.add(name=f"w{number}").type, case.dtype, (SIDE, SIDE))
        for name, (dtype, array) in weight.items():
            as_attribute = case.kind in ("const", "constexpr_affine_dequantize")
            value = made.attributes[name] if as_attribute else made.inputs[name].arguments.add().value
            set_type(value.type, dtype, array.shape)
            if array.size == 1:
                value.immediateValue.tensor.ints.values.append(int(array))
                continue
            write = getattr(self._writer, f"write_{_WRITERS.get(dtype, dtype)}_data")
            value.blobFileValue.fileName = "@model_path/weights/weight.bin"
            value.blobFileValue.offset = write(array.ravel().view(np.uint16) if dtype == "float16" else array.ravel())
        product = self._block.operations.add(type="linear")
        product.inputs["x"].arguments.add(name=f"y{number - 1}" if number else "x")
        product.inputs["weight"].arguments.add(name=f"w{number}")
        set_type(product.outputs.add(name=f"y{number}").type, case.dtype, (1, SIDE))
        self._products += 1

    def finish(self) -> None:
        """Write what is not written yet."""
        del self._writer
        self._output.name = f"y{self._products - 1}"
        self._block.outputs.append(self._output.name)
        (self._data / "model.mlmodel").write_bytes(self._model.SerializeToString())
        item = {"path": "com.apple.CoreML/model.mlmodel", "author": "", "name": "", "description": ""}
        manifest = {"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": item}, "rootModelIdentifier": "A"}
        (self._data.parents[1] / "Manifest.json").write_text(json.dumps(manifest))


def set_type(message: Any, dtype: str, shape: tuple[int, ...]) -> None:
    tensor = message.tensorType
    tensor.dataType = dtype_named(dtype).code
    tensor.rank = len(shape)
    for size in shape:
        tensor.dimensions.add().constant.size = size


def build(folder: Path, case: Case, megabytes: float) -> tuple[Path, list[Weight]]:
    """A package with about that many bytes of weights, and its distinct weights' layout (elements left out)."""
    rng = np.random.default_rng(0)
    package = _Package(folder, case)
    count = max(1, round(megabytes * 1e6 * 8 / (SIDE * SIDE * case.bits)))
    weights = [case.make(rng) for _ in range(4)]
    for number in range(count):
        package.add(weights[number % len(weights)])
    package.finish()
    return package.weights, weights


def in_numpy(path: Path, case: Case, layout: Weight) -> list[np.ndarray]:
    """The weight file read, and every weight made float32."""
    raw = np.fromfile(path, np.uint8)
    position, found = 64, []
    while position < raw.size:
        parts = {}
        for name, (dtype, array) in layout.items():
            if array.size == 1:
                continue
            size, start = (int(n) for n in raw[position + 8 : position + 24].view(np.uint64))
            known = dtype_named(dtype)
            blob = raw[start : start + size]
            parts[name] = blob if known.is_packed else blob.view(known.stored).reshape(array.shape)
            position = -(-(start + size) // 64) * 64
        found.append(case.expand(parts))
    return found


def evict(path: Path) -> None:
    """Ask the system to forget a file's pages."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    kept = work()
    taken = time.perf_counter() - begin
    del kept
    return taken


def load_seconds(package: Path, x: np.ndarray) -> float:
    """Opening a package, and what its first run takes more than its second."""
    from evaluators.emulators.coreml import CoreMLModel

    begin = time.perf_counter()
    model = CoreMLModel(package)
    taken = time.perf_counter() - begin
    first, second = (seconds(lambda: model.predict({"x": x})) for _ in range(2))
    return taken + max(0.0, first - second)


def measure(folder: Path, case: Case, megabytes: float, repeats: int) -> str:
    """One row of the table."""
    path, weights = build(folder, case, megabytes)
    x = np.zeros((1, SIDE), case.dtype)
    layout = weights[0]
    times: dict[str, list[float]] = {name: [] for name in ("read", "numpy", "load", "cold numpy", "cold load")}
    load_seconds(folder, x)  # imports, and pages
    for _ in range(repeats):
        times["read"].append(seconds(lambda: np.fromfile(path, np.uint8)))
        times["numpy"].append(seconds(lambda: in_numpy(path, case, layout)))
        times["load"].append(load_seconds(folder, x))
        evict(path)
        times["cold numpy"].append(seconds(lambda: in_numpy(path, case, layout)))
        evict(path)
        times["cold load"].append(load_seconds(folder, x))
    ms = {name: 1000 * median(values) for name, values in times.items()}
    ratios = [median(a / b for a, b in zip(times[f"{c}load"], times[f"{c}numpy"], strict=True)) for c in ("", "cold ")]
    cells = [case.name, f"{path.stat().st_size / 1e6:.0f}", *(f"{ms[name]:.0f}" for name in times)]
    return f"| {' | '.join(cells)} | {ratios[0]:.2f} | {ratios[1]:.2f} | {ms['load'] / ms['read']:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Loading times of the Core ML emulator beside plain numpy.")
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # coremltools warns of the versions of everything
    print("| weights | MB | read ms | numpy ms | load ms | cold numpy ms | cold load ms", end=" ")
    print("| load / numpy | cold load / numpy | load / read |\n|---|---|---|---|---|---|---|---|---|---|")
    for case in CASES:
        with tempfile.TemporaryDirectory(suffix=".mlpackage") as folder:
            print(measure(Path(folder), case, options.megabytes, options.repeats), flush=True)


if __name__ == "__main__":
    main()
