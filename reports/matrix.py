"""Every bundle on every phone, one line a pair, and where its ops would run there."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.evaluation import DeviceResult, Evaluation, Score, VariantResult
from reports.comparison import Comparison, Row
from reports.metrics import Finding, worst_parity
from reports.summary import find_main_metric
from reports.verdicts import Status

MOST_LINES = 1500
SEVERITY: dict[Status | None, int] = {"failed": 0, "error": 1, "warned": 2, "passed": 3, None: 4}

_UNIT_WORDS = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}


@dataclass(frozen=True)
class BundleBlock:
    """A bundle that has a result."""

    key: str
    variant: VariantResult
    main: Score | None
    difference: Score | None
    parity: Finding


@dataclass(frozen=True)
class MatrixLine:
    """A bundle on a phone; a bundle without phones has one line without a result."""

    block: BundleBlock
    row: Row
    result: DeviceResult | None
    unit: str
    severity: int
    """for sorting by verdict: 0 for what failed"""


@dataclass(frozen=True)
class PlacementLine:
    """Phones on which the ops of a bundle run in the same place for the same reason."""

    key: str
    variant: str
    unit: str
    reason: str
    phones: tuple[DeviceResult, ...]
    first: bool
    """the bundle's first line"""
    lines: int
    """how many lines the bundle has"""


def list_bundles(report: Comparison, keys: dict[str, str]) -> tuple[BundleBlock, ...]:
    """Every bundle that has a result."""
    main = find_main_metric(report)
    return tuple(
        BundleBlock(
            key=keys[variant.variant],
            variant=variant,
            main=variant.scores.get(main) if main else None,
            difference=variant.differences.get(main) if main else None,
            parity=worst_parity(variant, "max_abs_error"),
        )
        for variant in report.evaluation.variants
        if variant.failure is None
    )


def list_matrix(report: Comparison, bundles: tuple[BundleBlock, ...]) -> tuple[tuple[MatrixLine, ...], int]:
    """The lines in the evaluation's order, and how many of the best are left out where there are too many."""
    blocks = {block.variant.variant: block for block in bundles}
    results = {(block.variant.variant, result.device): result for block in bundles for result in block.variant.devices}
    lines = []
    for row in report.rows:
        if row.variant in blocks:
            result = results.get((row.variant, row.device)) if row.device else None
            unit = name_unit(result.compute_unit) if result else ""
            lines.append(MatrixLine(blocks[row.variant], row, result, unit, SEVERITY[row.status]))
    kept = sorted(range(len(lines)), key=lambda number: lines[number].severity)[:MOST_LINES]
    return tuple(lines[number] for number in sorted(kept)), len(lines) - len(kept)


def list_placements(evaluation: Evaluation, keys: dict[str, str]) -> tuple[PlacementLine, ...]:
    """Where ops run: a line for each place and reason of each bundle."""
    lines = []
    for variant in evaluation.variants:
        places: dict[tuple[str, str], list[DeviceResult]] = {}
        for result in variant.devices:
            places.setdefault((result.compute_unit, result.placement_reason), []).append(result)
        for number, ((unit, reason), phones) in enumerate(places.items()):
            lines.append(
                PlacementLine(
                    key=keys[variant.variant],
                    variant=variant.variant,
                    unit=name_unit(unit),
                    reason=reason,
                    phones=tuple(phones),
                    first=number == 0,
                    lines=len(places),
                )
            )
    return tuple(lines)


def name_unit(unit: str) -> str:
    """A compute unit in words."""
    return _UNIT_WORDS.get(unit, unit)
