"""Fits the latency model to published measurements, and says how far off it is on what it had not seen.

    python -m benchmarks.latency_model            prints the tables below
    python -m benchmarks.latency_model --write    besides writes evaluators/costs/coefficients.json

Each family of models, and each phone, is left out of a fit and predicted by it. Rows of one architecture, unit, phone
and number of threads are one point: the median of their errors counts. Beside stand two trivial predictors on the same
points: time proportional to multiply-adds over the unit's peak, and a straight line in the logarithms of both. The
interval of a family comes from the errors of the others. It takes a minute or two, with --write twice that.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from evaluators.costs.calibration import COEFFICIENTS, SMALL_MS, base_chip
from evaluators.costs.fitting import Fit, calibrate, fit, leave_out, leave_out_by, regime_half_width, rows_of
from evaluators.costs.op_times import Coefficients, Vector, split_times
from evaluators.costs.own_measurements import MeasuredCall
from evaluators.costs.phone_model import fit_phone, spent_of
from evaluators.costs.published import COMPUTES, Row, read_rows
from evaluators.costs.similar_models import Spent

CALIBRATED = 10
GroupOf = Callable[[Row], str]


@dataclass(frozen=True)
class Errors:
    """log(measured / predicted) of rows, each predicted without its group."""

    rows: tuple[Row, ...]
    logs: Vector

    def chosen(self, keep: Callable[[Row], bool]) -> Errors:
        """Those of some rows."""
        mask = np.array([keep(row) for row in self.rows], bool)
        return Errors(tuple(row for row in self.rows if keep(row)), self.logs[mask])

    @property
    def points(self) -> Vector:
        """The median of each architecture, phone and number of threads."""
        keys = [(row.graph, row.device, row.hardware.threads, row.compute) for row in self.rows]
        names = sorted(set(keys), key=str)
        return np.array([np.median([log for log, key in zip(self.logs, keys, strict=True) if key == n]) for n in names])


def log_work(row: Row) -> float:
    """Of multiply-adds over the peak; nan of a model that has none."""
    macs = float(np.sum(row.work.macs * row.work.times))
    return math.log(macs / row.hardware.gmac_s) if macs else math.nan


def proportional(known: Sequence[Row], asked: Sequence[Row]) -> Vector:
    """Time over (multiply-adds / peak), its median."""
    ratio = np.nanmedian([math.log(row.latency_ms) - log_work(row) for row in known])
    return np.array([math.log(row.latency_ms) - log_work(row) for row in asked]) - ratio


def straight_line(known: Sequence[Row], asked: Sequence[Row]) -> Vector:
    """A line in log(multiply-adds / peak)."""
    x, y = np.array([(log_work(row), math.log(row.latency_ms)) for row in known]).T
    slope, start = np.polyfit(x[np.isfinite(x)], y[np.isfinite(x)], 1)
    return np.log([row.latency_ms for row in asked]) - start - slope * np.array([log_work(row) for row in asked])


def mape(logs: Vector) -> float:
    return float(np.nanmean(np.abs(np.exp(-logs) - 1)))


def family_coverage(errors: Errors) -> tuple[float, float]:
    """Share of rows inside the interval that the other families' errors give, and its factor, typical."""
    inside, widths = [], []
    families = np.array([row.family for row in errors.rows])
    is_small = np.array([row.latency_ms < SMALL_MS for row in errors.rows])
    if len(set(families)) < 2:
        return math.nan, math.nan
    for log, family, small in zip(errors.logs, families, is_small, strict=True):
        others = families != family
        width = regime_half_width(errors.logs[others], families[others].tolist(), is_small[others] == small)
        inside.append(abs(log) <= width)
        widths.append(math.exp(width))
    return float(np.mean(inside)), float(np.median(widths))


def spearman(errors: Errors) -> float:
    from scipy.stats import spearmanr

    measured = np.log([row.latency_ms for row in errors.rows])
    return float(spearmanr(measured, measured - errors.logs).statistic) if len(measured) > 2 else math.nan


def print_line(name: str, errors: Errors, baselines: Sequence[Vector], coverage: str) -> None:
    points = errors.points
    relative = np.abs(np.exp(-points) - 1)
    others = " | ".join(f"{mape(Errors(errors.rows, logs).points):.0%}" for logs in baselines)
    print(
        f"| {name} | {len(errors.rows)} | {len(points)} | {mape(points):.0%} | {np.median(relative):.0%} "
        f"| {np.mean(relative <= 0.1):.0%} | {np.mean(relative <= 0.2):.0%} "
        f"| {np.mean(np.abs(points) > math.log(2)):.0%} | {math.exp(np.max(np.abs(points))):.2f} "
        f"| {spearman(errors):.2f} | {math.exp(np.median(points)):.2f} | {coverage} | {others} |"
    )


HEAD = (
    "| unit | rows | points | MAPE | median | within 10 % | within 20 % | above 2 × | worst | Spearman | bias "
    "| interval covers, factor | ∝ multiply-adds | log line |\n|" + "---|" * 14
)


def print_kind(kind: str, all_rows: Sequence[Row], group_of: GroupOf, *, families: bool) -> None:
    compute = COMPUTES[kind]
    rows = rows_of(all_rows, compute)
    if len({group_of(row) for row in rows}) < 2:
        print(f"| {kind} | {len(rows)} | one only |")
        return
    errors = Errors(rows, leave_out(all_rows, compute, group_of))
    baselines = [leave_out_by(rows, rows, group_of, of) for of in (proportional, straight_line)]
    for name, keep in (("", None), (", audio", True), (", vision and text", False)):
        wanted = [keep is None or row.is_audio == keep for row in rows]
        if not any(wanted) or (keep is not None and all(wanted)):
            continue
        part = errors.chosen(lambda row, keep=keep: keep is None or row.is_audio == keep)
        covered = ""
        if families:
            share, factor = family_coverage(part)
            covered = f"{share:.0%}, {factor:.2f}"
        print_line(kind + name, part, [logs[np.array(wanted)] for logs in baselines], covered)


def spent_on(row: Row, found: Fit) -> Spent:
    """What `LatencyPrediction` would hold of a row."""
    k = found.coefficients
    split = split_times(row.work, row.hardware, k)
    sums = split.sums(row.work)
    stretch = float(k.stretch(sum(sums.values())))
    parts, kinds = ({name: ms * stretch for name, ms in one.items()} for one in (sums, split.kinds(row.work)))
    return Spent({"call": k.call_ms, **parts}, kinds)


def print_calibrated(rows: Sequence[Row]) -> None:
    """Phones whose chip was left out of the fit, with CALIBRATED of their rows as a user would measure them."""
    print(f"\n{CALIBRATED} rows of a phone left out, every family among them that can be, and the others predicted:\n")
    print("| unit | phone | rows | MAPE before | MAPE after | within 10 % |\n|---|---|---|---|---|---|")
    for kind, compute in COMPUTES.items():
        for chip in sorted({base_chip(row.chip) for row in rows_of(rows, compute)}):
            own = [row for row in rows_of(rows, compute) if base_chip(row.chip) == chip]
            others = [row for row in rows if base_chip(row.chip) != chip]
            if len(own) < 2 * CALIBRATED or not rows_of(others, compute):
                continue
            found = fit(others, compute)
            calls = [
                MeasuredCall(
                    file=row.graph, sha256="0" * 64, runtime=compute.runtime, unit=compute.unit, number=compute.number,
                    threads=max(1, int(row.hardware.threads)), measured_ms=row.latency_ms, source="published",
                    **spent_on(row, found)._asdict(),
                )
                for row in own
            ]  # fmt: skip
            # By family and size, so that a stride through them takes some of each.
            order = sorted(range(len(own)), key=lambda i: (own[i].family, own[i].latency_ms))
            chosen = {order[int(place)] for place in np.linspace(0, len(order) - 1, CALIBRATED)}
            phone = fit_phone([calls[i] for i in chosen])
            rest = [call for i, call in enumerate(calls) if i not in chosen]
            before, after = (
                np.array([abs(predicted / call.measured_ms - 1) for predicted, call in zip(times, rest, strict=True)])
                for times in (
                    [call.before_ms for call in rest], [phone.predict_ms(compute, spent_of(call)) for call in rest],
                )
            )  # fmt: skip
            print(
                f"| {kind} | {own[0].device} | {len(rest)} | {np.mean(before):.0%} | {np.mean(after):.0%} "
                f"| {np.mean(after <= 0.1):.0%} |"
            )


def main() -> None:
    rows = read_rows()
    print(f"{len(rows)} rows\n\nA family of models left out:\n\n{HEAD}")
    for kind in COMPUTES:
        print_kind(kind, rows, lambda row: row.family, families=True)
    print(f"\nA phone left out:\n\n{HEAD}")
    for kind in COMPUTES:
        print_kind(kind, rows, lambda row: base_chip(row.chip), families=False)
    print_calibrated(rows)
    fits = {kind: fit(rows, compute) for kind, compute in COMPUTES.items()}
    print("\n| coefficient | " + " | ".join(fits) + " |\n|" + "---|" * (len(fits) + 1))
    for name in Coefficients.names():
        print(f"| {name} | " + " | ".join(f"{getattr(f.coefficients, name):.3g}" for f in fits.values()) + " |")
    for kind, names in {
        "tflite_cpu_float": "XNNPACK's kernels over TFLite's own",
        "tflite_gpu": "LiteRT 2's kernels over those of TFLite's GPU delegate",
    }.items():
        print(f"\nTime of {names}, {kind}: {fits[kind].library_factor:.2f}")
    print(f"What an app's call adds, coreml_npu: {fits['coreml_npu'].app_call_ms:.2f} ms")
    if "--write" in sys.argv:
        write(rows)


def write(rows: Sequence[Row]) -> None:
    """The file that predictions are made from."""
    kinds = []
    for compute in COMPUTES.values():
        one = calibrate(rows, compute)
        values = {name: float(f"{value:.6g}") for name, value in asdict(one.coefficients).items()}
        kinds.append({"compute": list(compute), **one.model_dump(mode="json"), "coefficients": values})
    COEFFICIENTS.write_text(json.dumps({"kinds": kinds}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
