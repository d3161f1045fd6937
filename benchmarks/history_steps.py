"""Are steps found in histories, and is silence kept where there is none?

    python -m benchmarks.history_steps

Each history is 30 runs of five bundles on four phones, 115 numbers. In half of them one number, drawn at random, is 8 %
worse from run 21 on. Two kinds of noise: *repeating* (the same commit gives the same number, but for times and memory
of the host, as testpress's own are) and *all noisy* (each run is of a model trained anew, so that every number moves).
The last table has histories in which all numbers have one noise and the step is in any.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from reports.history.runs import BundleLine, MetricLine, Run
from reports.history.trends import History, Trend, find_trends

RUNS, AT, STEP = 30, 20, 1.08
HISTORIES = 100
NEAR = 2
"""runs beside the right one still count as found"""
BUNDLES = ("tflite-float32", "tflite-float16", "tflite-int8", "coreml-float32", "coreml-float16")
PHONES = ("pixel-8", "galaxy-a14", "iphone-12", "iphone-15-pro")
OUTLIERS, OUTLIER = 0.05, 1.3
"""share of a host's times that something else on the machine made longer, and up to how much"""


@dataclass(frozen=True)
class Number:
    """A metric of the histories: where it lies, and how far runs scatter where all are noisy, and where it repeats."""

    name: str
    level: float
    line: MetricLine
    noise: float
    repeating_noise: float = 0.0
    of_phones: bool = False


def emulated(unit: str, direction: str = "higher") -> MetricLine:
    return MetricLine.model_validate({"unit": unit, "direction": direction, "basis": "emulated"})


def predicted(unit: str) -> MetricLine:
    return MetricLine(unit=unit, direction="lower", basis="predicted", confidence=0.8)


def timed(unit: str) -> MetricLine:
    return MetricLine(unit=unit, direction="lower", basis="measured_host", machine_bound=True)


NUMBERS = (
    Number("note_f1", 0.786, emulated("ratio"), 0.01),
    Number("note_recall", 0.752, emulated("ratio"), 0.015),
    Number("max_abs_error", 0.054, emulated("dimensionless", "lower"), 0.02),
    Number("size_bytes", 178_500, timed("bytes").model_copy(update={"machine_bound": False}), 0.003),
    Number("peak_memory_bytes", 88e6, timed("bytes"), 0.01, 0.01),
    Number("host_latency_p50_ms", 59.9, timed("ms"), 0.02, 0.02),
    Number("host_latency_p90_ms", 64.0, timed("ms"), 0.025, 0.025),
    Number("latency_ms", 24.0, predicted("ms"), 0.01, of_phones=True),
    Number("latency_p90_ms", 36.0, predicted("ms"), 0.01, of_phones=True),
    Number("real_time_factor", 0.02, predicted("ratio"), 0.01, of_phones=True),
    Number("memory_bytes", 12e6, predicted("bytes"), 0.005, of_phones=True),
)


def make_history(random: np.random.Generator, kind: str, *, stepped: bool) -> tuple[History, tuple[str, str, str]]:
    """A history, and where its step is: bundle, phone, metric.

    Args:
        random: Draws it.
        kind: "repeating", "all noisy", or a noise for all such as "0.03".
        stepped: Whether it has a step.
    """
    places = [
        (bundle, phone, number)
        for bundle in BUNDLES
        for number in NUMBERS
        for phone in (PHONES if number.of_phones else ("",))
    ]
    bundle, phone, number = places[random.integers(len(places))]
    there = (bundle, phone, number.name)
    values = {(b, p, n.name): draw(random, n, kind) for b, p, n in places}
    if stepped:
        values[there][AT:] *= STEP if number.line.direction == "lower" else 1 / STEP
    runs = [make_run(values, run) for run in range(RUNS)]
    return find_trends([runs[place] for place in random.permutation(RUNS)]), there


def draw(random: np.random.Generator, number: Number, kind: str) -> np.ndarray:
    noise = {"repeating": number.repeating_noise, "all noisy": number.noise}
    spread = noise[kind] if kind in noise else float(kind)
    values = number.level * random.uniform(0.5, 2) * np.exp(spread * random.normal(size=RUNS))
    if number.line.machine_bound and spread:
        late = random.random(RUNS) < OUTLIERS
        values[late] *= random.uniform(1.05, OUTLIER, int(late.sum()))
    return values


def make_run(values: dict[tuple[str, str, str], np.ndarray], run: int) -> Run:
    bundles = {}
    for bundle in BUNDLES:
        own = {n.name: at(values[bundle, "", n.name][run], n) for n in NUMBERS if not n.of_phones}
        phones = {
            phone: {n.name: at(values[bundle, phone, n.name][run], n) for n in NUMBERS if n.of_phones}
            for phone in PHONES
        }
        bundles[bundle] = BundleLine(scores=own, phones=phones)
    return Run(
        run=f"{run:064x}",
        model="synthetic",
        model_version="1",
        created=(dt.datetime(2026, 9, 1, tzinfo=dt.UTC) + dt.timedelta(days=run)).isoformat(),
        testpress_version="0",
        dataset_sha256="0" * 64,
        machine="one machine",
        metrics={number.name: number.line for number in NUMBERS},
        source=BundleLine(),
        bundles=bundles,
    )


def at(value: float, number: Number) -> tuple[float, ...]:
    """A prediction has its model's interval, which is wide and moves with it."""
    return (value, value / 1.6, value * 1.6) if number.line.basis == "predicted" else (float(value),)


def count(random: np.random.Generator, kind: str, *, stepped: bool) -> tuple[int, int]:
    """In how many histories the step was found, and in how many there was any other alarm."""
    found = false = 0
    for _ in range(HISTORIES):
        history, there = make_history(random, kind, stepped=stepped)
        steps = history.found
        right = [trend for trend, step in steps if stepped and name(trend) == there and abs(step.at - AT) <= NEAR]
        found += bool(right)
        false += len(steps) > len(right[:1])
    return found, false


def name(trend: Trend) -> tuple[str, str, str]:
    return trend.bundle, trend.phone or "", trend.metric


def main() -> None:
    random = np.random.default_rng(1)
    print(f"{HISTORIES} histories each, {RUNS} runs, a step of {STEP - 1:.0%} from run {AT + 1} on in one number")
    print(f"{'noise':<12}{'found':>8}{'other alarm':>14}{'alarm without a step':>23}")
    for kind in ("repeating", "all noisy"):
        found, other = count(random, kind, stepped=True)
        _, false = count(random, kind, stepped=False)
        print(f"{kind:<12}{found:>6} %{other:>12} %{false:>21} %", flush=True)
    print("all numbers with one noise")
    for kind in ("0.01", "0.02", "0.03", "0.04"):
        found, other = count(random, kind, stepped=True)
        print(f"{float(kind):<12.0%}{found:>6} %{other:>12} %", flush=True)


if __name__ == "__main__":
    main()
