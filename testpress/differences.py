"""What two evaluations, or two bundles, differ in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from device_profiles.record import Record
from device_profiles.text import shorten
from packager.bundle import MANIFEST_NAME, read_bundle
from reports.errors import ReportError
from reports.judging.baseline import Change, find_changes
from reports.judging.comparison import load_evaluation
from reports.notation import format_number, format_score
from testpress.inspection.manifest_facts import SIZE, Value, list_facts
from testpress.table import align
from testpress.work import EVALUATION_NAME

_DIGEST = re.compile("[0-9a-f]{64}")
_DIGITS = 12
"""of a digest, which is enough to tell two apart"""
_WIDTH = 60
_ORDER = ("worse", "better", "gone", "new", "not comparable", "same")


class Fact(Record):
    """One thing that a manifest says, in both bundles."""

    fact: str
    """what it is of, for example "size of model.tflite\""""
    before: Value
    """none where the bundle has it not"""
    after: Value


class Differences(Record):
    """What was compared and what came of it."""

    kind: Literal["evaluations", "bundles"]
    before: str
    after: str
    changes: tuple[Change, ...] = ()
    """of evaluations: every number, also those that are the same"""
    names: dict[str, str] = {}
    """of evaluations: phone → its name"""
    facts: tuple[Fact, ...] = ()
    """of bundles: what differs"""


def compare_paths(before: Path, after: Path) -> Differences:
    """Compare two evaluations (a file, or an output folder with one) or two bundles (a folder with a manifest).

    Raises:
        TestpressError: One cannot be read, they are of two kinds, or evaluations of two models.
    """
    kinds = {path: _is_bundle(path) for path in (before, after)}
    if kinds[before] != kinds[after]:
        words = {True: "a bundle", False: "an evaluation"}
        raise ReportError(f"{before} is {words[kinds[before]]} and {after} {words[kinds[after]]}; name two of a kind")
    if kinds[before]:
        return _compare_bundles(before, after)
    first, second = (load_evaluation(_evaluation_file(path)) for path in (before, after))
    return Differences(
        kind="evaluations",
        before=str(before),
        after=str(after),
        changes=find_changes(first, second),
        names={**first.device_names, **second.device_names},
    )


def as_text(found: Differences, *, show_all: bool = False) -> str:
    """One row a difference, as a terminal shows it."""
    return _bundles_text(found) if found.kind == "bundles" else _evaluations_text(found, show_all)


def _is_bundle(path: Path) -> bool:
    return (path / MANIFEST_NAME).is_file()


def _evaluation_file(path: Path) -> Path:
    return path / EVALUATION_NAME if path.is_dir() else path


def _compare_bundles(before: Path, after: Path) -> Differences:
    first, second = (list_facts(read_bundle(path).manifest) for path in (before, after))
    facts = tuple(
        Fact(fact=name, before=first.get(name), after=second.get(name))
        for name in dict.fromkeys((*first, *second))
        if first.get(name) != second.get(name)
    )
    return Differences(kind="bundles", before=str(before), after=str(after), facts=facts)


def _bundles_text(found: Differences) -> str:
    if not found.facts:
        return "the manifests say the same"
    rows = [("", "A", "B")]
    rows += [
        (shorten(each.fact, _WIDTH), _write(each.fact, each.before), _write(each.fact, each.after))
        for each in found.facts
    ]
    return align(rows)


def _write(fact: str, value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and fact.startswith(SIZE):
        return f"{format_number(value, 'bytes')} ({value})"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text[:_DIGITS] if _DIGEST.fullmatch(text) else shorten(text, _WIDTH)


def _evaluations_text(found: Differences, show_all: bool) -> str:
    shown = [change for change in found.changes if show_all or change.state != "same"]
    same = sum(change.state == "same" for change in found.changes)
    rest = (
        ""
        if show_all or not same
        else f"{same} {'number' if same == 1 else 'numbers'} did not change; --all lists them"
    )
    if not shown:
        return rest or "there is nothing to compare"
    rows: list[tuple[str, ...]] = [("", "bundle", "phone", "number", "A", "B", "")]
    rows += [_change_row(change, found.names) for change in sorted(shown, key=_rank)]
    return "\n".join([align(rows, right=(4, 5)), *([f"\n{rest}"] if rest else [])])


def _rank(change: Change) -> int:
    return _ORDER.index(change.state) if change.state in _ORDER else len(_ORDER)


def _change_row(change: Change, names: dict[str, str]) -> tuple[str, ...]:
    phone = shorten(names.get(change.device, change.device), _WIDTH) if change.device else ""
    scores = ("–" if score is None else shorten(format_score(score), _WIDTH) for score in (change.before, change.after))
    told = change.metric is not None and change.state in ("worse", "better", "same", "new", "gone")
    why = "" if told else shorten(change.reason, _WIDTH * 2)
    return change.state, shorten(change.variant, _WIDTH), phone, shorten(change.metric or "", _WIDTH), *scores, why
