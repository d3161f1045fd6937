"""The file of accepted changes beside a recipe: where it is, and how `testpress accept` writes it."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device_profiles.files import is_file, read_text
from device_profiles.text import clean_text, shorten
from evaluators.evaluation import Evaluation
from packager.storage import write_text_atomically
from reports.errors import ReportError
from reports.judging.acceptance import Acceptance, Entry, list_removable, name_file, read_acceptance
from reports.judging.baseline import find_changes
from reports.judging.budgets import recipe_budgets
from reports.judging.comparison import load_evaluation
from reports.judging.proposals import Wish, propose
from reports.judging.regressions import NOTHING_ACCEPTED
from testpress.baselines import Baseline

_HEAD = """\
# What may be worse than the baseline, on purpose: who, by how much, why and until when. Reviewed like code; `testpress
# run`, `check` and `report` read it. An entry that matches nothing any more is told, and can be removed.
"""
_BLOCK = re.compile(r"(?m)^\[\[accept\]\][^\n]*\n")


def find_recipe(evaluation: Evaluation) -> Path | None:
    """The recipe that an evaluation's command names, where it is there."""
    try:
        words = shlex.split(evaluation.command)
    except ValueError:
        return None
    return next((Path(word) for word in words if word.endswith(".toml") and is_file(Path(word))), None)


def choose_file(evaluation: Evaluation, place: Path, recipe: Path | None = None) -> Path | None:
    """Where accepted changes stand: beside the recipe that is named, else that of the command, else the output folder.

    Of these the first that is there; where none is, where it goes, or nothing where no recipe is known.

    Args:
        evaluation: Its command names the recipe.
        place: The evaluation's file.
        recipe: The recipe, where it is known.
    """
    known = [name_file(one) for one in (recipe, find_recipe(evaluation)) if one is not None]
    beside = name_file(place.resolve().parent.parent / "testpress.toml")
    return next((path for path in (*known, beside) if is_file(path)), known[0] if known else None)


def open_acceptance(named: Path | None, otherwise: Path | None) -> Acceptance:
    """What was accepted: of the file that is named, which must be there, else of the other where it is.

    Raises:
        ReportError: A file cannot be read or is malformed.
    """
    if named is not None:
        return read_acceptance(named)
    return read_acceptance(otherwise) if otherwise is not None and is_file(otherwise) else NOTHING_ACCEPTED


@dataclass(frozen=True)
class Accepted:
    """What was written.

    Attributes:
        path: The file.
        entries: What was added to it.
        removable: Entries in it that match nothing any more.
    """

    path: Path
    entries: tuple[Entry, ...]
    removable: tuple[str, ...]

    def as_text(self) -> str:
        """What a terminal shows: the entries, and what is to be done with the file."""
        if not self.entries:
            lines = ["nothing is worse than the baseline that was not accepted already: nothing was written"]
        else:
            count = "1 change is" if len(self.entries) == 1 else f"{len(self.entries)} changes are"
            lines = [f"{count} accepted in {self.path}; have it reviewed, and commit it:"]
            lines += [f"  {entry.subject}: {_limit(entry)}" for entry in self.entries]
        return "\n".join([*lines, *self.removable])

    def as_data(self) -> dict[str, Any]:
        """What `testpress accept --json` writes."""
        entries = [entry.model_dump(mode="json", exclude_none=True) for entry in self.entries]
        return {"file": str(self.path), "accepted": entries, "removable": list(self.removable)}


def _limit(entry: Entry) -> str:
    if entry.replaced_by is not None:
        return f"gone, replaced by {shorten(entry.replaced_by)}"
    return "gone" if entry.is_loss else f"worse by at most {entry.by}"


def accept(place: Path, baseline: Baseline | None, wish: Wish, out: Path | None) -> Accepted:
    """Write down what is accepted of the changes since a baseline.

    Args:
        place: The evaluation's file.
        baseline: What it is compared with.
        wish: What is accepted, and why.
        out: The file; default: the one beside the recipe.

    Raises:
        ReportError: Nothing that was named broke, there is no baseline, or it is not known where the file goes.
    """
    if baseline is None or baseline.evaluation is None:
        raise ReportError(f"there is no baseline: {baseline.words if baseline else 'none was named'}")
    evaluation = load_evaluation(place)
    path = out or choose_file(evaluation, place)
    if path is None:
        raise ReportError("the recipe that the evaluation was made from is not here; say with -o where the file goes")
    known = open_acceptance(None, path)
    known = replace(known, name=path.name, today=known.today if known.entries else dt.datetime.now(dt.UTC).date())
    entries = propose(evaluation, baseline.evaluation, recipe_budgets(evaluation), wish, known)
    if entries:
        write_entries(path, entries)
        known = read_acceptance(path)
    return Accepted(path, entries, list_removable(known, find_changes(baseline.evaluation, evaluation)))


def write_entries(path: Path, entries: Sequence[Entry]) -> None:
    """Add entries to a file, in the place of those for the same bundle, metric and phone; the rest stays as it is.

    Args:
        path: The file; made where it is missing.
        entries: What is accepted.

    Raises:
        ReportError: The file cannot be read, is malformed or cannot be written.
    """
    text = read_text(path, error=ReportError) if is_file(path) else _HEAD
    known = list(read_acceptance(path).entries) if is_file(path) else []
    starts = [found.start() for found in _BLOCK.finditer(text)]
    if len(starts) != len(known):
        raise ReportError(f"{path}: entries are not written as [[accept]] tables; write them so, then add to them")
    ends = [*starts[1:], len(text)][: len(starts)]
    new = {entry.key: entry for entry in entries}
    parts = [text[: starts[0]] if starts else text]
    for entry, start, end in zip(known, starts, ends, strict=True):
        parts.append(_write(new.pop(entry.key)) if entry.key in new else text[start:end])
    parts += [_write(entry) for entry in new.values()]
    joined = "\n".join(part.rstrip("\n") + "\n" for part in parts)
    write_text_atomically(path, joined)
    read_acceptance(path)


def _write(entry: Entry) -> str:
    fields = entry.model_dump(exclude_none=True)
    lines = [f"{name} = {_quote(value)}" for name, value in fields.items()]
    return "\n".join(["[[accept]]", *lines]) + "\n"


def _quote(value: str | float) -> str:
    """As TOML has it: JSON's strings are its basic ones, once nothing in them acts."""
    return json.dumps(clean_text(value), ensure_ascii=False) if isinstance(value, str) else format(value, "g")
