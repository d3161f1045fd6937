"""Prints what the latency model learned from published measurements, and how far off it is on what it had not seen.

Run from the repository's root: python -m benchmarks.latency_fit
"""

from __future__ import annotations

import math
from statistics import mean, median

from evaluators.costs.calibration import KINDS, Calibration, calibrate, half_width


def coverage(calibration: Calibration) -> float:
    """Share of rows inside the interval that the other families' errors give."""
    families = [row.family for row in calibration.rows]
    inside = []
    for error, family in zip(calibration.family_errors, families, strict=True):
        others = [(e, f) for e, f in zip(calibration.family_errors, families, strict=True) if f != family]
        inside.append(abs(error) <= half_width([e for e, _ in others], [f for _, f in others]))
    return mean(inside)


def main() -> None:
    print("| kind | rows | families | phones | call ms | op µs | u macs | v activations | w weights |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        c = calibrate(kind)
        k = c.coefficients
        print(
            f"| {kind} | {len(c.rows)} | {len({r.family for r in c.rows})} | {len({r.device for r in c.rows})} "
            f"| {k.call_ms:.3f} | {1000 * k.op_ms:.1f} | {k.mac_utilisation:.2f} | {k.activation_utilisation:.2f} "
            f"| {k.weight_utilisation:.2f} |"
        )
    print("\nOn families left out of the fit:\n")
    print("| kind | MAPE | within 10 % | within 25 % | 80 % interval | covers | new phone | phones left out |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        c = calibrate(kind)
        relative = [abs(math.exp(-error) - 1) for error in c.family_errors]
        phones = ", ".join(f"{math.exp(error):.2f}" for error in c.phone_errors) or "one only"
        print(
            f"| {kind} | {mean(relative):.0%} | {mean(r <= 0.1 for r in relative):.0%} "
            f"| {mean(r <= 0.25 for r in relative):.0%} | ×/÷ {c.ratio(seen=True):.2f} | {coverage(c):.0%} "
            f"| ×/÷ {c.ratio(seen=False):.2f} | {phones} |"
        )
    print("\nMedian of measured / predicted, family by family:\n")
    for kind in KINDS:
        c = calibrate(kind)
        for family in sorted({row.family for row in c.rows}):
            errors = [e for e, row in zip(c.family_errors, c.rows, strict=True) if row.family == family]
            print(f"- {kind} {family}: {math.exp(median(errors)):.2f} ({len(errors)} rows)")


if __name__ == "__main__":
    main()
