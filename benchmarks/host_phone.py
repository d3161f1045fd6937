"""This machine as a phone: ten timed models calibrate a profile of it, and the others' times are then predicted.

    python -m benchmarks.host_phone                      # LiteRT and the Core ML emulator, one thread
    python -m benchmarks.host_phone --formats tflite --rounds 3

Models of the corpus are packaged once, into `.cache/host_phone`. A profile of this machine is written there as well:
cores, clock and vector width from /proc/cpuinfo, bandwidth from a copy by numpy. Ten models, spread evenly from the
shortest predicted call to the longest, go into a CSV for `testpress calibrate`; the rest is predicted by what comes of
it, as `testpress latency --calibration` would, and held against its measured time. A time is the shortest of some
rounds, each the shortest call of a tenth of a second at least: what else runs here only ever adds.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

from device_profiles.errors import TestpressError
from device_profiles.profile import DeviceProfile
from evaluators.targets import open_model
from packager.formats.phones import read_phone
from packager.jobs.workers import Job, Limits, run_jobs
from testpress.calibration import calibrate
from testpress.latency import PhonePrediction, predict_costs
from testpress.measured_models import Measurements
from testpress.model_file import locate_model
from testpress.table import align

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "host_phone"
MODELS = (
    "ds_cnn", "tc_resnet", "bc_resnet", "attention_pooling", "squeeze_excite", "streaming_wake_word", "lstm_cell_vad",
    "marblenet", "rnnoise", "conv_tasnet", "causal_conv_tasnet", "crepe_tiny", "unet", "wavenet", "vq_codec",
    "codec_decoder", "conformer", "masked_attention", "quartznet", "x_vector", "note_crnn", "sincnet", "ddsp",
    "mfcc_deltas", "wav2vec2", "ast", "whisper_encoder", "depthwise_upsampler",
)  # fmt: skip
"""of the corpus: convolutional, recurrent and attention, on samples and on features"""
PRECISION = "float32"
ROWS = 10
_FORMATS = {"tflite": ("android", "LiteRT", "API26", "14"), "coreml": ("ios", "Core ML", "iOS17", "17.0")}
"""platform, runtime, oldest system and system of the profile: what plays the format on a phone"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="+", default=list(_FORMATS), choices=list(_FORMATS))
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="of the corpus")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    package(options.models, options.formats)
    for format_ in options.formats:
        paths = {name: _bundle(name, format_) for name in options.models}
        paths = {name: path for name, path in paths.items() if path.exists()}
        profile = read_phone(str(write_profile(format_)))
        measured = measure(paths, options.rounds)
        print(f"\n{format_}, {len(measured)} models, one thread\n")
        report(format_, profile, paths, measured)


def package(models: list[str], formats: list[str]) -> None:
    """Make the bundles that are not there; what cannot be converted is told and left out."""
    for format_ in formats:
        missing = [name for name in models if not _bundle(name, format_).exists()]
        request = {"models": missing, "format": format_, "precisions": [PRECISION], "out": str(CACHE)}
        job = Job("tests.corpus.batches:package_all", request, CACHE / f"{format_}.log", Limits(time_s=3600))
        for end in run_jobs([job], lambda _, event: _say(event)) if missing else []:
            if end.reason is not None:
                print(f"{format_}: {end.reason}", file=sys.stderr)


def _say(event: dict[str, Any]) -> None:
    print(f"{event['model']} {event['variant']}: {event['reason'] or 'made'}"[:160], file=sys.stderr, flush=True)


def _bundle(name: str, format_: str) -> Path:
    return CACHE / name / "bundles" / f"{format_}-{PRECISION}"


def measure(paths: dict[str, Path], rounds: int) -> dict[str, float]:
    """Milliseconds of a call of each model, in rounds so that all see the same machine."""
    found = dict.fromkeys(paths, math.inf)
    for _ in range(rounds):
        for name, path in paths.items():
            try:
                found[name] = min(found[name], time_call(locate_model(str(path)).path))
            except TestpressError as fault:
                print(f"{name}: cannot be timed: {fault}", file=sys.stderr)
    return {name: ms for name, ms in found.items() if math.isfinite(ms)}


def time_call(model: Path, seconds: float = 0.1) -> float:
    """Milliseconds of the shortest call of a model file, in one thread."""
    emulator = open_model(model, threads=1)
    generator = np.random.default_rng(0)
    inputs = {
        name: (0.1 * generator.standard_normal(tensor.shape)).astype(tensor.dtype)
        for name, tensor in emulator.inputs.items()
    }
    emulator.run(inputs)
    times: list[float] = []
    while len(times) < 5 or sum(times) < seconds:
        start = time.perf_counter()
        emulator.run(inputs)
        times.append(time.perf_counter() - start)
    emulator.close()
    return 1000 * min(times)


def report(format_: str, profile: DeviceProfile, paths: dict[str, Path], measured: dict[str, float]) -> None:
    """Calibrate on ten models, predict the others, and print what came of it."""
    before = {name: _predict(paths[name], profile) for name in measured}
    unknown = [name for name, one in before.items() if one.scores["latency_ms"].value is None]
    for name in unknown:
        print(f"{name}: {before.pop(name).scores['latency_ms'].reason}")
    by_size = sorted(before, key=lambda name: before[name].scores["latency_ms"].value or 0)
    chosen = {by_size[round(i * (len(by_size) - 1) / (ROWS - 1))] for i in range(ROWS)}
    table = CACHE / f"measured-{format_}.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "unit", "threads", "ms"))
        writer.writerows((_bundle(name, format_), "cpu", 1, measured[name]) for name in by_size if name in chosen)
    calibration = calibrate(profile, Measurements((table,))).calibration
    rows = [("model", "measured ms", "before", "after", "error", "80 % holds it", "")]
    errors: dict[str, list[float]] = {"before": [], "after": []}
    held = []
    for name in by_size:
        score = _predict(paths[name], profile, calibration).scores["latency_ms"]
        first = before[name].scores["latency_ms"].value
        assert score.value is not None and score.low is not None and score.high is not None and first is not None
        off = score.value / measured[name] - 1
        inside = score.low <= measured[name] <= score.high
        if name not in chosen:
            errors["before"].append(abs(first / measured[name] - 1))
            errors["after"].append(abs(off))
            held.append(inside)
        numbers = (f"{measured[name]:.3f}", f"{first:.3f}", f"{score.value:.3f}", f"{off:+.0%}")
        rows.append((name, *numbers, "yes" if inside else "NO", "calibrates" if name in chosen else ""))
    print(align(rows, right=(1, 2, 3, 4)))
    for word, values in errors.items():
        within = sum(value <= 0.2 for value in values)
        print(
            f"{word} calibration, {len(values)} other models: MAPE {statistics.fmean(values):.1%}, median "
            f"{statistics.median(values):.1%}, {within} within 20 %"
        )
    print(f"the 80 % interval holds {sum(held)} of {len(held)}")


def _predict(path: Path, profile: DeviceProfile, calibration: Any = None) -> PhonePrediction:
    known = {} if calibration is None else {profile.id: calibration}
    return predict_costs(locate_model(str(path)), [profile], calibrations=known).phones[0]


def write_profile(format_: str) -> Path:
    """A profile of this machine, of one core: what one thread has."""
    platform, runtime, oldest, system = _FORMATS[format_]
    facts = _cpu_facts()
    requests = 'requests = ["CPU_ONLY"]' if platform == "ios" else ""
    version, reason = ("2.3.0" if platform == "android" else system), "so that its models are accepted"
    path = CACHE / f"host-{format_}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'''\
id = "host-{format_}"
name = "This machine ({runtime})"
year = 2025
platform = "{platform}"
chip = "{facts["model"]}"
minimum_deployment_target = "{oldest}"
os = {{ value = "{system}", source = "{reason}", basis = "derived" }}
memory_bytes = {{ value = {facts["memory_bytes"]}, source = "sysconf", basis = "specified" }}
bandwidth_gb_s = {{ value = {_bandwidth_gb_s():.1f}, source = "numpy's copy of 256 MB, one thread", basis = "derived" }}

[[cpu.clusters]]
name = "{facts["model"]}"
role = "big"
cores = {{ value = 1, source = "one thread", basis = "derived" }}
clock_ghz = {{ value = {facts["clock_ghz"]:.2f}, source = "/proc/cpuinfo", basis = "specified" }}
macs_per_cycle = {{ value = {facts["macs"]}, source = "{facts["why"]}", basis = "derived" }}
isa = {{ features = {facts["features"]}, source = "/proc/cpuinfo", basis = "specified" }}

[[compute_units]]
kind = "cpu"
name = "CPU"
precisions = ["float32", "float16"]
{requests}

[[runtimes]]
name = "{runtime}"
version = {{ value = "{version}", source = "{reason}", basis = "derived" }}
units = ["cpu"]
precisions = ["float32"]
''')
    return path


def _cpu_facts() -> dict[str, Any]:
    text = Path("/proc/cpuinfo").read_text()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    flags = facts.get("flags", "").split()
    if "cpu MHz" not in facts:
        sys.exit("/proc/cpuinfo names no clock here; this benchmark is for x86-64 machines with Linux")
    # Source: Agner Fog, "Instruction tables": two FMA pipes of 512 or 256 bits since Skylake-X, Haswell and Zen 2.
    macs, why = (32, "AVX-512: two pipes of 16") if "avx512f" in flags else (16, "AVX2: two FMA pipes of 8")
    if "fma" not in flags:
        macs, why = 4, "SSE: a multiplication of 4 and an addition of 4"
    return {
        "model": facts.get("model name", "unknown").replace('"', ""),
        "clock_ghz": float(facts["cpu MHz"]) / 1000,
        "macs": macs,
        "features": json.dumps([name for name in ("avx2", "avx512f") if name in flags]),
        "why": why,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def _bandwidth_gb_s() -> float:
    source, target = np.ones(2**26, np.float32), np.empty(2**26, np.float32)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        times.append(time.perf_counter() - start)
    return float(2 * source.nbytes / min(times) / 1e9)


if __name__ == "__main__":
    main()
