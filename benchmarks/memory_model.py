"""Holds the predicted memory of TFLite models against what LiteRT takes on this machine.

    python -m benchmarks.memory_model                            # the examples and models of the corpus
    python -m benchmarks.memory_model --files a.tflite b.tflite  # some files

`arena` is what LiteRT's planner holds for activations and scratch when its own kernels compute all of it: measured as
the extent of the addresses that the interpreter gives for its tensors. `peak` is by how much the resident memory of a
process grows that opens the file, allocates and runs once, with the default delegate: file, arena, XNNPACK's workspace,
packed weights and tables, the library's own pages. Each is measured in a process of its own, with one thread; files are
in the page cache. Predictions are those for a processor of this kind: a phone's kernels pack weights in other tiles.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
MODELS = {
    "float32": (
        "ds_cnn", "tc_resnet", "lstm_vad", "crepe_tiny", "conv_tasnet", "quartznet", "wavenet", "stft_masking", "unet",
        "hifi_gan", "streaming_wake_word", "marblenet", "speaker_lstm", "whisper_encoder", "demucs", "conformer",
        "ecapa_tdnn", "x_vector", "bc_resnet", "crnn_gru", "dccrn", "open_unmix", "wav2vec2", "deep_speech_2", "fcpe",
        "rnnoise", "encodec", "ast",
    ),
    "static_wi8_ai8": ("ds_cnn", "speaker_lstm", "quartznet", "unet", "transformer_tagger"),
    "dynamic_wi8_afp32": ("speaker_lstm", "whisper_encoder", "conv_tasnet"),
}  # fmt: skip
"""precision → models of the corpus: small ones, long convolutions, recurrences, attention, in 8 bits"""


@dataclass(frozen=True)
class Row:
    """One file."""

    name: str
    arena: int
    measured_arena: int
    peak: int
    measured_peak: int

    @property
    def arena_ratio(self) -> float:
        """Predicted over measured."""
        return self.arena / max(self.measured_arena, 1)

    @property
    def peak_ratio(self) -> float:
        """Predicted over measured."""
        return self.peak / max(self.measured_peak, 1)


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 1 when an arena departs by 10 %, or three in ten of the peaks by 30 %."""
    options = _parse(arguments)
    if options.measure is not None:
        print(json.dumps(_MEASURES[options.measure[0]](Path(options.measure[1]))))
        return 0
    rows = sorted((_row(path) for path in options.files or _make(options.models)), key=lambda row: row.name)
    print(f"{'model':<36} {'arena':>12} {'measured':>12} {'ratio':>6} {'peak':>13} {'measured':>13} {'ratio':>6}")
    for row in rows:
        print(
            f"{row.name:<36} {row.arena:>12,} {row.measured_arena:>12,} {row.arena_ratio:>6.3f} "
            f"{row.peak:>13,} {row.measured_peak:>13,} {row.peak_ratio:>6.3f}"
        )
    arenas = [row for row in rows if abs(row.arena_ratio - 1) <= 0.1]
    peaks = [row for row in rows if abs(row.peak_ratio - 1) <= 0.3]
    factors = [max(row.peak_ratio, 1 / row.peak_ratio) for row in rows]
    print(f"arena: {len(arenas)} of {len(rows)} within 10 %")
    print(f"peak: {len(peaks)} of {len(rows)} within 30 %; factor {np.median(factors):.3f} in the middle, "
          f"{np.quantile(factors, 0.8):.3f} for four in five, {max(factors):.3f} at most")  # fmt: skip
    return 0 if len(arenas) == len(rows) and len(peaks) >= 0.7 * len(rows) else 1


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_model", description=__doc__)
    parser.add_argument("--files", nargs="*", type=Path, metavar="FILE", help=".tflite files instead")
    parser.add_argument(
        "--models", type=Path, default=ROOT / "build" / "memory_model", metavar="DIR", help="where bundles are kept"
    )
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _make(folder: Path) -> list[Path]:
    return [*_package_examples(folder / "examples"), *_convert(folder)]


def _package_examples(folder: Path) -> list[Path]:
    """The TFLite files of the examples' bundles; those that are there already are not made again."""
    found = []
    for recipe in sorted((ROOT / "examples").glob("*/testpress.toml")):
        out = folder / recipe.parent.name
        if not list(out.glob("bundles/tflite-*/model.tflite")):
            command = [sys.executable, "-m", "testpress", "package", str(recipe), "-o", str(out), "--quiet"]
            subprocess.run(command, cwd=ROOT, check=False)  # it says itself what is not installed
        found += sorted(out.glob("bundles/tflite-*/model.tflite"))
    return found


def _convert(folder: Path) -> list[Path]:
    """The corpus's files; those that are there already are not made again."""
    from tests.corpus.batches import package_all

    found = []
    for precision, names in MODELS.items():
        out = folder / precision
        places = {name: out / name / "bundles" / f"tflite-{precision}" / "model.tflite" for name in names}
        missing = [name for name, place in places.items() if not place.is_file()]
        request = {"models": missing, "format": "tflite", "precisions": [precision], "out": str(out)}
        for made in package_all(request) if missing else ():
            if made["reason"] is not None:
                print(f"{made['model']}: {made['reason']}", file=sys.stderr)
        found += [place for place in places.values() if place.is_file()]
    return found


def _row(path: Path) -> Row:
    from evaluators.costs.memory import hold_on_cpu
    from evaluators.formats.tflite.graph import read_arena, read_tflite_graph
    from evaluators.formats.tflite.workspace import DESKTOP

    memory = read_tflite_graph(path, tiles=DESKTOP)
    assert memory.cpu_memory is not None
    return Row(
        name=_name(path),
        arena=read_arena(path).bytes,
        measured_arena=_measure("arena", path),
        peak=hold_on_cpu(memory, memory.cpu_memory),
        measured_peak=_measure("peak", path),
    )


def _measure(what: str, path: Path) -> int:
    command = [sys.executable, "-m", "benchmarks.memory_model", "--measure", what, str(path)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return int(said.splitlines()[-1])


def _name(path: Path) -> str:
    return path.stem if path.name != "model.tflite" else f"{path.parts[-4]}, {path.parent.name.removeprefix('tflite-')}"


def measure_peak(path: Path) -> int:
    """By how much this process's resident memory grows to run a file once, at most."""
    from ai_edge_litert import interpreter as litert

    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # what was taken before does not count
    _run(litert.Interpreter(str(path), num_threads=1))
    return _status("VmHWM") - before


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def _run(model: Any) -> None:
    model.allocate_tensors()
    for port in model.get_input_details():
        model.set_tensor(port["index"], np.zeros(port["shape"], port["dtype"]))
    model.invoke()


def measure_arena(path: Path) -> int:
    """Extent of the addresses of what LiteRT's planner placed, its own kernels computing, after one call.

    Scratch tensors have no name and follow the file's own; one counts where it begins within the block or at its end.
    """
    from ai_edge_litert import interpreter as litert

    from evaluators.formats.tflite.graph import read_arena

    model = litert.Interpreter(
        str(path),
        num_threads=1,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    _run(model)
    return _extent(model, set(read_arena(path).offsets))


def _extent(model: Any, placed: set[int]) -> int:
    places = {}
    for tensor in model.get_tensor_details():
        try:
            data = model._interpreter.tensor(model, tensor["index"], 0)
        except ValueError:  # not placed: a size that no call settled, or a constant of a delegate
            continue
        if data.ndim == 0:  # a copy
            continue
        places[tensor["index"]] = (data.__array_interface__["data"][0], data.nbytes)
    begin = min(address for index, (address, _) in places.items() if index in placed)
    end = max(address + size for index, (address, size) in places.items() if index in placed)
    scratch = sorted(places[index] for index in places if index > max(placed))
    for address, size in scratch:
        if begin <= address <= -(-end // 64) * 64:
            end = max(end, address + size)
    return int(end - begin)


_MEASURES = {"arena": measure_arena, "peak": measure_peak}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
