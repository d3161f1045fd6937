"""Changes for the worse that were accepted on purpose: a small file beside the recipe, reviewed like code.

    [[accept]]
    bundle = "tflite-float16"
    metric = "size_bytes"
    by = "5%"
    why = "the new front end is in the model"
    until = "2027-03-31"

An entry says who may be worse than in the baseline (bundle, metric, phone), by how much, why and until when. Once the
baseline has moved on, it matches nothing any more and can be removed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic

from device_profiles.record import Record, read_toml
from device_profiles.text import clean_text, shorten
from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from reports.judging.arithmetic import saturate
from reports.judging.baseline import Change
from reports.judging.quantities import Quantity, parse_quantity
from reports.notation import format_number

GONE = "gone"
SUFFIX = ".accept.toml"
_ROUNDING = 1e-9
"""of the limit: numbers were written in decimal digits and read again"""

Name = Annotated[str, pydantic.Field(min_length=1, max_length=1000)]
Words = Annotated[str, pydantic.Field(min_length=1, max_length=1000)]


class Entry(Record):
    """One change that was accepted."""

    bundle: Name | None = None
    """the bundle that may be worse; left out for a phone that is gone from all of them"""
    metric: Name | None = None
    """what may be worse; left out where the whole bundle or phone is gone"""
    phone: Name | None = None
    """identifier of the phone on which it may be; default: on all"""
    by: float | str | None = None
    """by how much: 0.01 or "2dB" in the metric's unit, "5%" of the baseline's, or "gone" where there is no result"""
    replaced_by: Name | None = None
    """of a bundle that is gone: the bundle that took its place; in place of by"""
    why: Words
    """the reason, for whoever reviews it"""
    until: str | None = None
    """the last day on which it holds, for example "2027-03-31"; default: until it matches nothing any more"""
    who: Words | None = None
    """who accepted it"""

    @pydantic.model_validator(mode="after")
    def _coherent(self) -> Entry:
        if (self.by is None) == (self.replaced_by is None):
            raise ValueError('an entry has either by, for example "5%" or "gone", or replaced_by')
        if self.bundle is None and not (self.phone is not None and self.metric is None):
            raise ValueError("bundle is missing; only an entry for a phone that is gone may leave it out")
        if self.replaced_by is not None and (self.metric is not None or self.phone is not None):
            raise ValueError("replaced_by is of a whole bundle; leave metric and phone out")
        if not self.is_loss:
            if self.metric is None:
                raise ValueError(f'by = {self.by!r} needs a metric; a bundle or phone without a result is by = "gone"')
            if self.quantity.value < 0 or self.quantity.sign:
                raise ValueError(f"by = {self.by!r} says how much worse it may be; write it without its sign")
        if not clean_text(self.why).strip():
            raise ValueError("why is empty; say the reason to whoever reviews it")
        if self.until is not None:
            _parse_day(self.until)
        return self

    @property
    def is_loss(self) -> bool:
        """Whether it accepts that there is no result, or number, any more."""
        return self.replaced_by is not None or self.by == GONE

    @property
    def quantity(self) -> Quantity:
        """By how much it may be worse."""
        assert self.by is not None
        return parse_quantity(self.by)

    @property
    def key(self) -> tuple[str | None, str | None, str | None]:
        """Who may be worse."""
        return self.bundle, self.metric, self.phone

    @property
    def subject(self) -> str:
        """Who may be worse, in words."""
        words = [shorten(part) for part in (self.bundle, self.metric) if part is not None]
        return ", ".join(words + ([] if self.phone is None else [f"on {shorten(self.phone)}"]))

    @property
    def promise(self) -> str:
        """Why and until when: what stands beside a change that it accepts."""
        place = "" if self.replaced_by is None else f"{shorten(self.replaced_by)} takes its place; "
        return place + shorten(self.why, 300) + ("" if self.until is None else f", until {self.until}")

    def is_over(self, today: dt.date) -> bool:
        """Whether its last day has passed."""
        return self.until is not None and today > _parse_day(self.until)

    def matches(self, change: Change) -> bool:
        """Whether it is about a change for the worse, whatever its limit and its last day are."""
        if self.bundle not in (None, change.variant) or self.metric != change.metric or self.is_loss != change.is_loss:
            return False
        if self.metric is None:
            return self.phone == change.device
        return self.phone in (None, change.device)


MAX_ENTRIES = 1000


class _Entries(Record):
    accept: Annotated[tuple[Entry, ...], pydantic.Field(max_length=MAX_ENTRIES)] = ()


@dataclass(frozen=True)
class Acceptance:
    """All entries of a file.

    Attributes:
        entries: In the file's order.
        name: How messages call the file.
        today: The day on which they are held against a change.
    """

    entries: tuple[Entry, ...] = ()
    name: str = f"testpress{SUFFIX}"
    today: dt.date = dt.date.min

    def rule_on(self, change: Change, evaluation: Evaluation) -> tuple[Entry | None, str]:
        """The entry that accepts a change for the worse; without one, why those that are about it do not."""
        reasons = []
        for entry in self.entries:
            if not entry.matches(change):
                continue
            fault = self._find_fault(entry, change, evaluation)
            if fault is None:
                return entry, ""
            reasons.append(fault)
        return None, "; ".join(dict.fromkeys(reasons))

    def _find_fault(self, entry: Entry, change: Change, evaluation: Evaluation) -> str | None:
        if entry.is_over(self.today):
            return f"it was accepted until {entry.until} only ({shorten(entry.why, 200)})"
        if entry.replaced_by is not None:
            there = any(one.variant == entry.replaced_by and one.failure is None for one in evaluation.variants)
            return None if there else f"{shorten(entry.replaced_by)}, which was to take its place, has no result here"
        if entry.is_loss:
            return None
        worsening, allowed = change.worsening, _allow(entry, change)
        if worsening is None or allowed is None:
            return f"{entry.by} was accepted, and there is no number to hold against it"
        if worsening <= allowed + _ROUNDING * abs(allowed):
            return None
        unit = change.difference.unit if change.difference is not None else ""
        found = format_number(worsening, unit)
        return f"only {_describe_limit(entry, allowed, unit)} was accepted ({shorten(entry.why, 200)}), not {found}"


def _allow(entry: Entry, change: Change) -> float | None:
    """How much worse the number may be, in its unit."""
    quantity, difference = entry.quantity, change.difference
    if difference is None:
        return None
    if quantity.kind != "percent":
        return quantity.to_unit(difference.unit, where=f"accepted change of {entry.subject}: by = {entry.by!r}")
    if change.before is None or change.before.value is None:
        return None
    return saturate(quantity.value / 100 * abs(change.before.value))


def _describe_limit(entry: Entry, allowed: float, unit: str) -> str:
    return f"{entry.by} ({format_number(allowed, unit)})" if isinstance(entry.by, str) else format_number(allowed, unit)


def list_removable(acceptance: Acceptance, changes: Sequence[Change]) -> tuple[str, ...]:
    """One sentence for each entry that matches no change for the worse any more."""
    worse = [change for change in changes if change.state in ("worse", "gone")]
    return tuple(
        f"{acceptance.name}: the entry for {entry.subject} matches nothing any more and can be removed"
        for entry in acceptance.entries
        if not any(entry.matches(change) for change in worse)
    )


def read_acceptance(path: Path, *, today: dt.date | None = None) -> Acceptance:
    """Read a file of accepted changes.

    Args:
        path: The file.
        today: Default: the day it is, UTC.

    Raises:
        ReportError: It cannot be read or is malformed; one line a fault.
    """
    found = read_toml(path, _Entries, error=ReportError, migrate=_write_days)
    return Acceptance(found.accept, path.name, today or dt.datetime.now(dt.UTC).date())


def _write_days(data: Any) -> Any:
    """TOML's own dates as text, which is what JSON has for them."""
    entries = data.get("accept") if isinstance(data, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and type(entry.get("until")) is dt.date:
            entry["until"] = entry["until"].isoformat()
    return data


def _parse_day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'until = {text[:40]!r} is no day; right is for example "2027-03-31"') from None


def name_file(recipe: Path) -> Path:
    """Where a recipe's accepted changes stand: beside it, `testpress.accept.toml` for `testpress.toml`."""
    return recipe.with_name(recipe.name.removesuffix(".toml") + SUFFIX)
