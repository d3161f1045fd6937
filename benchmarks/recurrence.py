"""What recurrent layers become: seconds to convert, size beside the weights, parity with torch, and speed, in one run.

    python -m benchmarks.recurrence --frames 64 256 1024 --unrolled 64

Seconds are those from a module to a file, imports not among them. The unrolled TFLite model is litert-torch's own; its
conversion takes minutes beyond a hundred frames. Runs take turns, one thread, so that all models see the same machine;
the ratio is of the fastest runs.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

INPUTS, SIZE = 64, 64
MODELS: dict[str, Callable[[Any], Any]] = {
    "BiLSTM 2 × 64": lambda nn: nn.LSTM(INPUTS, SIZE, 2, bidirectional=True, batch_first=True),
    "BiGRU 64": lambda nn: nn.GRU(INPUTS, SIZE, 1, bidirectional=True, batch_first=True),
    "LSTM 64 → 32": lambda nn: nn.LSTM(INPUTS, SIZE, 1, proj_size=32, batch_first=True),
}
Run = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--unrolled", type=int, nargs="*", default=[64], help="frames to convert unrolled, too")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        _measure("LSTM 64 → 32", 8, options, Path(folder) / "first")  # what converters do only once
        print("| model | frames | made | convert s | bytes / weights | SNR dB | run ms | / torch |")
        print("|---|---|---|---|---|---|---|---|")
        for name in options.models:
            for frames in options.frames:
                for row in _measure(name, frames, options, Path(folder) / f"{name}-{frames}"):
                    print(f"| {name} | {frames} | {row} |", flush=True)


def _measure(name: str, frames: int, options: argparse.Namespace, folder: Path) -> list[str]:
    import torch

    folder.mkdir()
    torch.manual_seed(0)
    module = _Outputs(MODELS[name](torch.nn)).eval()
    x = torch.randn(options.batch, frames, INPUTS)
    with torch.no_grad():
        expected = module(x)["y"].numpy()
    kinds = {"tflite": _convert_tflite, "coreml": _convert_coreml}
    if frames in options.unrolled:
        kinds["tflite, unrolled"] = _convert_unrolled
    paths, seconds = {}, {}
    for kind, convert in kinds.items():
        start = time.perf_counter()
        paths[kind] = convert(module, x, folder)
        seconds[kind] = time.perf_counter() - start
    runs = {kind: _runner(path, x.numpy()) for kind, path in paths.items()} | {"torch": lambda: _run(module, x)}
    fastest = _race(runs, options.rounds)
    weights = sum(4 * parameter.numel() for parameter in module.parameters())
    return [
        f"{kind} | {seconds[kind]:.1f} | {_size(path) / weights:.2f} | {_snr_db(expected, runs[kind]()):.0f} | "
        f"{fastest[kind]:.2f} | {fastest[kind] / fastest['torch']:.2f}"
        for kind, path in paths.items()
    ]


def _Outputs(stack: Any) -> Any:  # noqa: N802  a class, made where torch is imported
    import torch

    class Outputs(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stack = stack

        def forward(self, x: Any) -> dict[str, Any]:
            return {"y": self.stack(x)[0]}

    return Outputs()


def _convert_tflite(module: Any, x: Any, folder: Path) -> Path:
    from packager.compression import Context
    from packager.formats.tflite.from_torch import prepare

    path = folder / "model.tflite"
    prepare(_source(module, x), Context())("float32", path)
    return path


def _convert_coreml(module: Any, x: Any, folder: Path) -> Path:
    from packager.compression import Context
    from packager.formats.coreml.from_torch import prepare

    path = folder / "Model.mlpackage"
    prepare(_source(module, x), Context())("float32", path)
    return path


def _convert_unrolled(module: Any, x: Any, folder: Path) -> Path:
    import litert_torch

    path = folder / "unrolled.tflite"
    path.write_bytes(litert_torch.convert(module, (x,)).model_content())
    return path


def _source(module: Any, x: Any) -> Any:
    from packager.rewrites.torch.told_shapes import tell_shapes
    from packager.sources import SourceTensor
    from packager.sources.torch import TorchSource

    found = {"y": SourceTensor(tuple(module(x)["y"].shape), "float32")}
    source = TorchSource(module, {"x": SourceTensor(tuple(x.shape), "float32")}, found, (x,), "benchmark")
    with tell_shapes():
        _ = source.program
    return source


def _runner(path: Path, x: np.ndarray[Any, Any]) -> Run:
    from evaluators.targets import open_model

    model = open_model(path)
    name = "args_0" if path.stem == "unrolled" else "x"
    return lambda: next(iter(model.run({name: x}).values()))


def _run(module: Any, x: Any) -> Any:
    import torch

    with torch.no_grad():
        return module(x)["y"].numpy()


def _race(runs: dict[str, Run], rounds: int) -> dict[str, float]:
    """The fastest run of each, in ms."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * min(measured) for name, measured in times.items()}


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)


def _snr_db(expected: Any, found: Any) -> float:
    error = float(np.square(expected - found, dtype=np.float64).sum())
    return np.inf if error == 0 else 10 * float(np.log10(np.square(expected, dtype=np.float64).sum() / error))


if __name__ == "__main__":
    main()
