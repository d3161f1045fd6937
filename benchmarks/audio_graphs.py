"""Counts again what published audio models do in one call, and says which graph of the table differs.

Each model is defined with random weights (`kws_models.py`, `speech_models.py`), converted to TFLite as its measurement
says, and read back with the project's own reader. `evaluators/costs/audio_ops.csv` holds the ops of each, for the
latency model's fit; `evaluators/costs/audio_latency.csv` the measurements. Parameters are held against those published.

Lyra's graphs are read from its own files, which a clone of google/lyra has.

Needs TensorFlow and tf-keras (an hour: the unrolled recurrences of attention take minutes each). A bias of four bytes
beside weights of one counts as four values.

Run from the repository's root: python -m benchmarks.audio_graphs [--write] [--lyra CLONE] [GRAPH…]
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tf_keras

from benchmarks import kws_models as kws
from benchmarks import speech_models as speech
from benchmarks.kws_models import FrontEnd, Net
from evaluators.costs.graph import Op
from evaluators.costs.op_kinds import kind_of
from evaluators.formats import read_graph

TABLE = Path("evaluators/costs/audio_ops.csv")
COLUMNS = ("graph", "kind", "count", "macs", "read_values", "written_values", "weight_values", "runs")
ITEM_BYTES = {"float32": 4, "int32": 4, "float16": 2, "int16": 2, "int64": 8, "bool": 1}
"""bytes of a value; 1 for what is not named"""
RETYPING = {"QUANTIZE", "DEQUANTIZE", "CAST"}
"""ops that read as many values as they write, in another type"""
PUBLISHED = {
    "kws_svdf_op": 354, "kws_lstm_peep_op": 545, "kws_crnn_op": 467, "kws_dnn_op": 447, "kws_att_mh_rnn_op": 700,
    "kws30k_svdf_resnet": 33, "kws30k_mobilenet": 35, "kws30k_mobilenet_v2": 28, "kws30k_inception": 30,
    "kws30k_inception_resnet": 33, "kws30k_svdf": 32, "kws30k_tc_resnet": 31, "kws30k_xception": 31,
    "cnn14_body": 80753,
}  # fmt: skip
"""graph → thousands of parameters. Source: google-research, `kws_streaming/experiments/`, the pages of the quantized
models and of those of 30k parameters; of CNN14 qiuqiangkong/audioset_tagging_cnn, README"""


@dataclass(frozen=True)
class File:
    """A model file of google/lyra."""

    commit: str
    path: str
    signature: str | None = None

    def read(self, clone: str) -> bytes:
        return subprocess.run(
            ["git", "-C", clone, "show", f"{self.commit}:{self.path}"], capture_output=True, check=True
        ).stdout


@dataclass(frozen=True)
class Build:
    """How a graph is made."""

    model: Callable[[], Any]
    """a Keras model"""
    precision: str = "float32"
    """`dynamic`: weights of 8 bits, as TensorFlow's OPTIMIZE_FOR_SIZE makes them; `static`: all of 8 bits"""


def keyword_spotter(
    build: Callable[[Net], Any], front_end: FrontEnd | None, *, streams: bool = False, precision: str = "float32"
) -> Build:
    return Build(lambda: build(Net(front_end, streams=streams)), precision)


def list_builds() -> dict[str, Build]:
    """All graphs by name: `_stream` takes 20 ms and states, `_op` has a front end of ops, `_w8` 8-bit weights, `_w8a8`
    8-bit values too."""
    found: dict[str, Build] = {}
    plain = {
        "ds_cnn_stride": FrontEnd(), "ds_cnn_stream": FrontEnd(), "svdf": FrontEnd(80, 30), "lstm_peep": FrontEnd(),
        "lstm": FrontEnd(), "gru": FrontEnd(), "cnn": FrontEnd(), "cnn_stride": FrontEnd(), "crnn": FrontEnd(),
        "dnn": FrontEnd(), "att_rnn": FrontEnd(), "att_mh_rnn": FrontEnd(upper_hz=8000),
        "tc_resnet": FrontEnd(40, 40),
    }  # fmt: skip
    for name, front_end in plain.items():
        found[f"kws_{name}"] = keyword_spotter(getattr(kws, name), front_end)
    for name in ("ds_cnn_stream", "svdf", "lstm_peep", "lstm", "gru", "cnn", "crnn", "dnn"):
        found[f"kws_{name}_stream"] = keyword_spotter(getattr(kws, name), plain[name], streams=True)
    found["kws_dnn_raw"] = keyword_spotter(kws.dnn, None)
    found["kws_dnn_raw_stream"] = keyword_spotter(kws.dnn, None, streams=True)
    small = {
        "svdf_resnet": 40, "mobilenet": 40, "mobilenet_v2": 30, "inception": 30, "inception_resnet": 30, "svdf": 40,
        "tc_resnet": 30, "xception": 30,
    }  # fmt: skip
    for suffix, precision in (("", "float32"), ("_w8", "dynamic")):
        for name in ("svdf", "lstm_peep", "crnn", "dnn", "att_mh_rnn"):
            build, front_end = getattr(kws, name), plain[name]._replace(is_op=True)
            found[f"kws_{name}_op{suffix}"] = keyword_spotter(build, front_end, precision=precision)
            if name in ("svdf", "crnn"):
                stream = keyword_spotter(build, front_end, streams=True, precision=precision)
                found[f"kws_{name}_op_stream{suffix}"] = stream
        for name, features in small.items():
            build = getattr(kws, f"{name}_30k", None) or getattr(kws, name)
            front_end = FrontEnd(80, features, is_op=True)
            found[f"kws30k_{name}{suffix}"] = keyword_spotter(build, front_end, precision=precision)
        stream = keyword_spotter(kws.svdf_30k, FrontEnd(80, 40, is_op=True), streams=True, precision=precision)
        found[f"kws30k_svdf_stream{suffix}"] = stream
    return found | {
        "yamnet_body": Build(speech.yamnet),
        "yamnet_body_w8a8": Build(speech.yamnet, "static"),
        "cnn14_body": Build(speech.cnn14),
        "deepspeech": Build(speech.deepspeech),
        **{f"whisper_{size}_encoder": Build(partial(speech.whisper_encoder, size)) for size in speech.WHISPER},
    }


def list_files() -> dict[str, File]:
    """Graphs that are read from published files: Lyra 1.2 and 1.3, 20 ms a call."""
    found = {}
    for version, commit, folder in (
        ("1.2", "c2395ffa8d32e0a0447c4ba534292015b282850a", "model_coeffs"),
        ("1.3", "47698dadf0010abff6a848e02642f55f806d4842", "lyra/model_coeffs"),
    ):
        found[f"lyra_{version}_encoder"] = File(commit, f"{folder}/soundstream_encoder.tflite")
        found[f"lyra_{version}_quantizer_encode"] = File(commit, f"{folder}/quantizer.tflite", "encode")
        found[f"lyra_{version}_quantizer_decode"] = File(commit, f"{folder}/quantizer.tflite", "decode")
        found[f"lyra_{version}_decoder"] = File(commit, f"{folder}/lyragan.tflite")
    return found


def shake(model: Any) -> None:
    """Random weights of a size that keeps values finite: converters fold zeros and ones away."""
    random = np.random.default_rng(0)
    model.set_weights(
        [
            random.uniform(0.5, 1, weight.shape)
            if weight.ndim == 1
            else random.normal(0, math.prod(weight.shape[:-1]) ** -0.5, weight.shape)
            for weight in model.get_weights()
        ]
    )


def convert(build: Build, model: Any) -> bytes:
    signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
    function = tf.function(lambda *inputs: model(inputs if len(inputs) > 1 else inputs[0], training=False))
    concrete = function.get_concrete_function(*signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    converter.allow_custom_ops = True
    if build.precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if build.precision == "static":
        random = np.random.default_rng(0)
        shapes = [tuple(tensor.shape) for tensor in model.inputs]
        converter.representative_dataset = lambda: iter(
            [[random.uniform(-1, 1, shape).astype("f4") for shape in shapes]]
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def count_values(op: Op) -> tuple[int, int, int]:
    """Values read, written and read of constants."""
    written = op.written_bytes // ITEM_BYTES.get(op.dtype, 1)
    # What compares or assigns reads four bytes a value and writes others or none.
    item = 4 if op.dtype in ("bool", "none") else ITEM_BYTES.get(op.dtype, 1)
    read = written if op.kind in RETYPING else op.read_bytes // item
    return read, written, op.weight_bytes // ITEM_BYTES.get(op.weight_dtype, 1)


def tabulate(name: str, ops: Iterable[Op]) -> list[tuple[str, ...]]:
    """Rows of the table: identical ops once, with their number, in the order in which they first come."""
    alike = Counter((kind_of(op), op.macs, *count_values(op), op.runs) for op in ops if op.moved_bytes)
    return [(name, key[0], str(number), *map(str, key[1:])) for key, number in alike.items()]


def recount(name: str, build: Build) -> list[tuple[str, ...]]:
    """Builds, converts and reads a graph, and prints how its parameters stand to those published."""
    tf_keras.backend.clear_session()
    model = build.model()
    shake(model)
    if name in PUBLISHED:
        ours = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) / 1000
        print(f"{name}: {ours:.1f}k parameters, published {PUBLISHED[name]}k ({ours / PUBLISHED[name] - 1:+.1%})")
    return read(name, convert(build, model))


def read(name: str, model: bytes, signature: str | None = None) -> list[tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        return tabulate(name, read_graph(path, signature).ops)


def read_table() -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    if TABLE.exists():
        for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()):
            found.setdefault(row["graph"], []).append(tuple(row[column] for column in COLUMNS))
    return found


def write_table(rows: dict[str, list[tuple[str, ...]]]) -> None:
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name in (*list_builds(), *list_files()):
            writer.writerows(rows.get(name, []))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", nargs="*", metavar="GRAPH", help="only these; default all")
    parser.add_argument("--write", action="store_true", help="put what was counted in the table")
    parser.add_argument("--lyra", metavar="CLONE", help="a clone of google/lyra, to count its graphs too")
    arguments = parser.parse_args()
    builds, files = list_builds(), list_files()
    if unknown := sorted(set(arguments.graphs) - {*builds, *files}):
        parser.error(f"no such graph: {', '.join(unknown)}; known: {', '.join((*builds, *files))}")
    stored, differing, counted = read_table(), 0, 0
    for name in arguments.graphs or (*builds, *files):
        if name in builds:
            rows = recount(name, builds[name])
        elif arguments.lyra:
            rows = read(name, files[name].read(arguments.lyra), files[name].signature)
        else:
            print(f"{name}: not counted again, which needs --lyra")
            continue
        counted += 1
        if rows != stored.get(name):
            differing += 1
            print(f"{name}: the table has {len(stored.get(name, []))} rows, counted {len(rows)}, not the same")
        stored[name] = rows
        if arguments.write:
            write_table(stored)
    print(f"{counted} graphs, {differing} differ from the table")


if __name__ == "__main__":
    main()
