"""Every bundle on every phone, one line a pair, and where its ops would run there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from evaluators.evaluation import DeviceResult, Evaluation, VariantResult
from evaluators.score import Basis, Score
from reports.judging.comparison import Comparison, Row
from reports.judging.metrics import Finding, worst_parity
from reports.judging.verdicts import SEVERITY
from reports.notation import describe_place, name_unit
from reports.renderers.summary import find_main_metric

_MOST_LINES = 1200
"""of 500 bytes each, where they are brief"""
_MOST_WORDY_LINES = 300
_UNJUDGED = len(SEVERITY)
"""after all that have a verdict"""


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
class Matrix:
    """The table's lines, in the evaluation's order."""

    lines: tuple[MatrixLine, ...]
    left_out: int
    """where there are too many, some of the best"""
    bases: dict[str, Basis]
    """column → what nearly all of its numbers rest on: its head says so in words, its cells by the mark"""
    brief: bool
    """so many lines that a floor is told only where the phone does not meet it"""


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


def list_matrix(report: Comparison, bundles: tuple[BundleBlock, ...]) -> Matrix:
    """A line for each bundle on each of its phones."""
    blocks = {block.variant.variant: block for block in bundles}
    results = {(name, result.device): result for name, block in blocks.items() for result in block.variant.devices}
    lines = []
    for row in report.rows:
        if row.variant in blocks:
            result = results.get((row.variant, row.device)) if row.device else None
            unit = describe_place(result) if result else ""
            severity = SEVERITY[row.status] if row.status else _UNJUDGED
            lines.append(MatrixLine(blocks[row.variant], row, result, unit, severity))
    kept = sorted(range(len(lines)), key=lambda number: lines[number].severity)[:_MOST_LINES]
    shown = tuple(lines[number] for number in sorted(kept))
    return Matrix(shown, len(lines) - len(shown), _find_bases(shown), len(shown) > _MOST_WORDY_LINES)


def _find_bases(lines: tuple[MatrixLine, ...]) -> dict[str, Basis]:
    columns: dict[str, Counter[Basis]] = {}
    for line in lines:
        scores = line.result.scores if line.result else {}
        cells = {
            "main": line.block.main,
            "error": line.block.parity.score,
            "latency": scores.get("latency_ms"),
            "memory": scores.get("memory_bytes"),
            "size": line.block.variant.scores.get("size_bytes"),
        }
        for column, score in cells.items():
            if score is not None:
                columns.setdefault(column, Counter())[score.basis] += 1
    return {column: count.most_common(1)[0][0] for column, count in columns.items()}


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
