"""A run's results as a table, a row a kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.fuzz.campaign import Result, replay_command
from tests.fuzz.checks import CHECKS

_MOST_LISTED = 200


def make_table(results: Sequence[Result]) -> str:
    """Counts of each kind and of all."""
    kinds = sorted({result.kind for result in results})
    heads = ("kind", "inputs", "0", "1", "2", "3", *CHECKS.values(), "CPU ms", "slowest s", "largest MiB")
    rows = [heads, *(_row(kind, [r for r in results if r.kind == kind]) for kind in kinds), _row("all", results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _row(name: str, results: Sequence[Result]) -> tuple[str, ...]:
    codes = [str(sum(result.ended.code == code for result in results)) for code in range(4)]
    faulty = [str(sum(any(f.check == check for f in r.faults) for r in results)) for check in CHECKS]
    seconds = [result.ended.seconds for result in results] or [0.0]
    memory = max((result.ended.memory_bytes for result in results), default=0)
    cpu_ms = 1000 * sum(result.ended.cpu_seconds for result in results) / max(1, len(results))
    return (name, str(len(results)), *codes, *faulty, f"{cpu_ms:.0f}", f"{max(seconds):.1f}", f"{memory / 2**20:.0f}")


def list_faults(results: Iterable[Result], seed: int) -> list[str]:
    """A line a faulty input: what is wrong, and how it is run again."""
    faulty = [result for result in results if result.faults]
    lines = [
        f"{replay_command(seed, result.kind, result.index)}  # "
        + "; ".join(f"{fault.check}: {ascii(fault.detail)[:300]}" for fault in result.faults)
        for result in faulty[:_MOST_LISTED]
    ]
    return [*lines, *([f"… and {len(faulty) - _MOST_LISTED} more"] if len(faulty) > _MOST_LISTED else [])]
