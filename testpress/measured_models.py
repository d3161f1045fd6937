"""Measured times and the models they are of: what reports call them, found here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device_profiles.errors import TestpressError
from device_profiles.files import find_kind
from device_profiles.profile import ComputeUnitKind, DeviceProfile
from device_profiles.text import shorten
from evaluators.errors import EvaluationError
from evaluators.measurements import read_measurements
from evaluators.measurements.measured_row import MeasuredRow
from testpress.model_file import ModelFile, locate_model

_MAKERS = re.compile(r"^(apple|google|htc|huawei|motorola|oneplus|oppo|samsung|sony|vivo|xiaomi)\s+")
_ASIDE = re.compile(r"\([^)]*\)")
_MOST_NAMED = 8
"""of other phones or models, in a message"""


@dataclass(frozen=True)
class Measurements:
    """What was measured, where.

    Attributes:
        files: As `read_measurements` takes them.
        models: Model files, for reports that name a path on a phone or none.
        unit: Where they ran, for reports that do not say.
        threads: In how many, for reports that do not say.
    """

    files: tuple[Path, ...]
    models: tuple[str, ...] = ()
    unit: ComputeUnitKind | None = None
    threads: int | None = None


def find_models(
    measured: Measurements, profile: DeviceProfile, faults: list[str]
) -> list[tuple[MeasuredRow, ModelFile]]:
    """The measured times of a phone, each with its model.

    Of a report on many phones or many models those count that are asked for.

    Args:
        measured: Files and models.
        profile: The phone.
        faults: Gets a line for each row whose model is not found.

    Raises:
        EvaluationError: A file is missing or faulty, or is of other phones.
    """
    found: list[tuple[MeasuredRow, ModelFile]] = []
    for path in measured.files:
        rows = _of_phone(read_measurements(path), profile, str(path))
        given = len(found) + len(faults)
        missing: list[str] = []
        for row in rows:
            try:
                model = _find_model(row, path, measured.models, alone=len(rows) == 1)
                found.append((_complete(row, measured), model))
            except TestpressError as fault:
                (missing if row.of_many else faults).extend(f"{row.source}: {line}" for line in str(fault).split("\n"))
        if missing and len(found) + len(faults) == given:
            names = ", ".join(list(dict.fromkeys(row.file or "" for row in rows))[:_MOST_NAMED])
            faults.append(f"{path}: is of {names}; give one of these files with --model")
    return found


def _of_phone(rows: Sequence[MeasuredRow], profile: DeviceProfile, where: str) -> list[MeasuredRow]:
    kept = [row for row in rows if row.device is None or _simplify(row.device) == _simplify(profile.name)]
    if not kept:
        others = list(dict.fromkeys(row.device or "" for row in rows))
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        named = ", ".join(shorten(name) for name in others[:_MOST_NAMED])
        raise EvaluationError(f"{where}: is of {named}{more}; --device {profile.id} is {profile.name}")
    return kept


def _simplify(name: str) -> str:
    """A phone's name without its maker, what stands in brackets, and signs that are written or left out."""
    plain = _MAKERS.sub("", _ASIDE.sub("", name).casefold().strip())
    return " ".join(re.sub(r"[^a-z0-9+]+", " ", plain).removesuffix(" 5g").split())


def _find_model(row: MeasuredRow, report: Path, models: Sequence[str], *, alone: bool) -> ModelFile:
    """One given whose name is the row's; else as the row says, or its name alone, from the report's folder."""
    name = (row.file or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    given = next((model for model in models if name and Path(model).name == name), None)
    if given is None and len(models) == 1 and (row.file is None or alone):
        given = models[0]
    if given is not None:
        return locate_model(given)
    if row.file is None:
        raise EvaluationError("names no model; say which it was with --model")
    if row.file.startswith("pkg://"):
        return locate_model(row.file)
    places = [report.parent / row.file, report.parent / name]
    return locate_model(str(next((place for place in places if find_kind(place) != "missing"), places[0])))


def _complete(row: MeasuredRow, measured: Measurements) -> MeasuredRow:
    unit, threads = row.unit or measured.unit, row.threads or measured.threads
    if unit is None:
        raise EvaluationError("does not say on which unit it ran; say it with --unit")
    return row.model_copy(update={"unit": unit, "threads": threads})
