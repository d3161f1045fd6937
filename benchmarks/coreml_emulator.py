"""How fast the ML Program emulator is beside other runtimes, on the same machine in the same minutes.

Each model runs as its source (torch eager, or TensorFlow), on this emulator in float32 and float16, on LiteRT with
XNNPACK, and, where there is an ONNX file, on onnxruntime; each in a process of its own, so that none profits or suffers
from another's allocator and threads. A round times every runtime once, in changing order; a ratio is the median over
rounds of one runtime's time by another's of the same round, so what else the machine does cancels out. On one thread
the time is the processor's, which other work on the machine changes least; on more it is the clock's. Beside each time
stands the largest departure from the source's outputs: a fast wrong answer does not count.

LSTMs and GRUs are unrolled in the TFLite file: that is how litert-torch 0.10 converts them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from benchmarks.audio_models import MODELS, make_input, make_module, saved_models

FILES = Path(".cache/benchmarks")
SOURCE = "source"
FLOAT32, FLOAT16, LITERT, ONNX = "emulator float32", "emulator float16", "LiteRT", "onnxruntime"
LIMITS = {FLOAT32: 1e-4, FLOAT16: 0.05, LITERT: 1e-4, ONNX: 1e-4}
"""largest departure from the source that still counts as the same model; outputs are probabilities"""
TRIAL_S = 0.15
"""a trial repeats a call at least this long, and at least three times; its time is the median call"""

Run = Callable[[], list[np.ndarray]]


def open_source(model: str, x: np.ndarray, threads: int) -> Run:
    if model == "basic_pitch":
        os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"}
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        loaded = tf.saved_model.load(str(saved_models() / "nmp"))
        call = loaded.signatures["serving_default"]
        name = next(iter(call.structured_input_signature[1]))
        return lambda: [value.numpy() for value in (loaded, call)[1](**{name: tf.constant(x)}).values()]
    import torch

    torch.set_num_threads(threads)
    module, example = make_module(model), torch.from_numpy(x)

    def run() -> list[np.ndarray]:
        with torch.inference_mode():
            return [module(example).numpy()]

    return run


def open_emulator(path: Path, x: np.ndarray, threads: int) -> Run:
    from evaluators.emulators.coreml import CoreMLModel

    loaded = CoreMLModel(path, threads=threads)
    inputs = {next(iter(loaded.inputs)): x}
    return lambda: list(loaded.predict(inputs).values())


def open_litert(path: Path, x: np.ndarray, threads: int) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    places = [detail["index"] for detail in interpreter.get_output_details()]

    def run() -> list[np.ndarray]:
        interpreter.set_tensor(place, x)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in places]

    return run


def open_onnx(path: Path, x: np.ndarray, threads: int) -> Run:
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: x}
    return lambda: list(session.run(None, inputs))


def departure(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Largest difference; outputs are paired with the nearest, as their names differ between files."""

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.abs(one - other).max()) if one.shape == other.shape else np.inf

    return max(min(distance(one, other) for one in found) for other in expected)


def open_runtime(model: str, runtime: str, threads: int) -> Run:
    folder, x = FILES / model, make_input(model)
    if runtime == SOURCE:
        return open_source(model, x, threads)
    if runtime == LITERT:
        return open_litert(folder / "model.tflite", x, threads)
    if runtime == ONNX:
        return open_onnx(folder / "model.onnx", x, threads)
    return open_emulator(folder / f"{runtime.rpartition(' ')[2]}.mlpackage", x, threads)


def serve(model: str, runtime: str, threads: int, outputs: Path) -> None:
    """Save the outputs of a call, then answer each line of standard input with the time of a trial in ms."""
    run = open_runtime(model, runtime, threads)
    np.savez(outputs, *run())
    clock = time.process_time if threads == 1 else time.perf_counter
    print("ready", flush=True)
    for _ in sys.stdin:
        print(trial(run, clock), flush=True)


def trial(run: Run, clock: Callable[[], float]) -> float:
    """The median call in ms."""
    run()
    calls: list[float] = []
    end = time.perf_counter() + TRIAL_S
    while len(calls) < 3 or time.perf_counter() < end:
        begin = clock()
        run()
        calls.append((clock() - begin) * 1e3)
    return median(calls)


class Server:
    """A runtime in a process of its own."""

    def __init__(self, model: str, runtime: str, threads: int, folder: Path) -> None:
        self.runtime = runtime
        self._outputs = folder / f"{runtime}.npz"
        module = (sys.executable, "-m", "benchmarks.coreml_emulator")
        options = ("--serve", runtime, "--models", model, "--threads", str(threads), "--outputs", str(self._outputs))
        self._process = subprocess.Popen(
            [*module, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        self._read()

    def ask(self) -> float:
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return float(self._read())

    def outputs(self) -> list[np.ndarray]:
        with np.load(self._outputs) as file:
            return list(file.values())

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise click.ClickException(f"{self.runtime} does not run; see what its --serve call says")
        return line.strip()


def measure(model: str, threads: int, rounds: int) -> dict[str, Any]:
    """Trial times in ms, by runtime, and departures from the source."""
    names = [SOURCE, FLOAT32, FLOAT16, LITERT, *([ONNX] if (FILES / model / "model.onnx").exists() else [])]
    with tempfile.TemporaryDirectory() as folder:
        servers = [Server(model, name, threads, Path(folder)) for name in names]
        expected = servers[0].outputs()
        departures = {server.runtime: departure(server.outputs(), expected) for server in servers[1:]}
        times: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(rounds):
            for server in servers[turn % len(servers) :] + servers[: turn % len(servers)]:
                times[server.runtime].append(server.ask())
        for server in servers:
            server.stop()
    return {"model": model, "threads": threads, "times_ms": times, "departures": departures}


def ratio(result: dict[str, Any], one: str, other: str) -> float | None:
    """Median over rounds of one runtime's time by another's."""
    times = result["times_ms"]
    if one not in times or other not in times:
        return None
    return float(median(a / b for a, b in zip(times[one], times[other], strict=True)))


def table(results: list[dict[str, Any]]) -> str:
    """The results as Markdown; a ratio below 1 says that the emulator is faster."""
    head = ["model", "threads", "emulator ms", "/ source", "/ LiteRT", "/ onnxruntime", "float16 / float32"]
    lines = [head, ["---"] * len(head)]
    lines += [
        [
            result["model"],
            str(result["threads"]),
            f"{median(result['times_ms'][FLOAT32]):.2f}{error(result, FLOAT32)}",
            number(ratio(result, FLOAT32, SOURCE)),
            number(ratio(result, FLOAT32, LITERT)) + error(result, LITERT),
            number(ratio(result, FLOAT32, ONNX)) + error(result, ONNX),
            number(ratio(result, FLOAT16, FLOAT32)) + error(result, FLOAT16),
        ]
        for result in results
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def error(result: dict[str, Any], name: str) -> str:
    """The departure from the source in brackets; marked where it is too large to count."""
    if name not in result["departures"]:
        return ""
    value = result["departures"][name]
    return f" ({value:.0e}{'' if value <= LIMITS[name] else ' WRONG'})"


@click.command(epilog="Example: python -m benchmarks.coreml_emulator --models keywords,recurrent --threads 1")
@click.option("--models", default=",".join(MODELS), show_default=True, help="Which models, separated by commas.")
@click.option("--threads", default="1,2", show_default=True, help="How many threads, separated by commas.")
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(1), help="How often each is timed.")
@click.option("--json", "as_json", is_flag=True, help="All times and departures as JSON instead of a table.")
@click.option("--serve", "served", hidden=True)
@click.option("--outputs", hidden=True, type=click.Path(path_type=Path))
def main(models: str, threads: str, rounds: int, as_json: bool, served: str | None, outputs: Path) -> None:
    """Time the ML Program emulator beside LiteRT, onnxruntime and the models' own frameworks.

    Files are converted once and kept in .cache/benchmarks (three minutes; most of it for TFLite files of LSTM and GRU).
    """
    if served:
        serve(models, served, int(threads), outputs)
        return
    names = models.split(",")
    for name in names:
        if name not in MODELS:
            raise click.UsageError(f"--models: {name!r} is unknown; one or more of {', '.join(MODELS)}")
    if not all(part.isdigit() and int(part) for part in threads.split(",")):
        raise click.UsageError(f"--threads: {threads!r}; expected numbers from 1 on, separated by commas")
    if os.getloadavg()[0] > (os.cpu_count() or 1) / 2:
        click.echo(
            f"load average is {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors: only times on one thread, "
            "which count the processor's time, mean much",
            err=True,
        )
    results = []
    for name in names:
        if not (FILES / name).exists():
            click.echo(f"{name}: converting", err=True)
            subprocess.run(
                [sys.executable, "-m", "benchmarks.audio_models", name, str(FILES / name)],
                check=True,
                stdout=sys.stderr,
            )
        for count in threads.split(","):
            click.echo(f"{name}: timing on {count} thread(s)", err=True)
            results.append(measure(name, int(count), rounds))
    print(json.dumps(results, indent=2) if as_json else table(results))


if __name__ == "__main__":
    main()
