"""Measurements of the user's own phone: the calibration file that holds them, and where one is of a model itself.

`phone_model` moves predictions by what they say.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from device_profiles.profile import ComputeUnitKind, DeviceProfile
from device_profiles.record import Record, dump_json, read_json
from device_profiles.text import shorten
from evaluators.costs.graph import Graph
from evaluators.costs.placement import Compute, Placement
from evaluators.errors import EvaluationError
from evaluators.score import Score
from packager.bounds import Digest
from packager.storage import digest_bytes, digest_files, digest_listed

MEASURED = "measured_latency_ms"
"""the score of a call's measured time"""
MOST_ROWS = 200
"""of one calibration: factors are found again without each model"""
MOST_MS = 1e7
"""of one measured call: 2.8 hours"""

_AGAIN = "right is to make it again with testpress calibrate"
Milliseconds = Annotated[float, pydantic.Field(gt=0, le=MOST_MS)]
Label = Annotated[str, pydantic.Field(min_length=1, max_length=1000)]


class MeasuredCall(Record):
    """One measured time of one call of a model, and what was predicted of it."""

    file: Label
    """as the user named it"""
    sha256: Digest
    """of the model, as `digest_model` has it"""
    signature: Annotated[str, pydantic.Field(max_length=1000)] | None = None
    """which one was called; none where the file has one"""
    runtime: Label
    unit: ComputeUnitKind
    number: Label
    """the type it multiplies in there"""
    threads: Annotated[int, pydantic.Field(ge=1, le=64)]
    measured_ms: Milliseconds
    source: Label
    """where it was read"""
    parts: dict[str, Annotated[float, pydantic.Field(ge=0, le=MOST_MS)]] = {}
    """of the uncalibrated prediction, in ms; empty where nothing could be predicted"""
    kinds: dict[str, Annotated[float, pydantic.Field(ge=0, le=MOST_MS)]] = {}
    """of the same prediction, by kinds of ops"""
    reason: str | None = None
    """why nothing could be predicted"""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> MeasuredCall:
        if (sum(self.parts.values()) > 0) == (self.reason is not None):
            raise ValueError("a row has either parts that take time or the reason why it has none")
        return self

    @property
    def compute(self) -> Compute:
        """What computed it."""
        return Compute(self.runtime, self.unit, self.number)

    @property
    def before_ms(self) -> float:
        """The uncalibrated prediction."""
        return sum(self.parts.values())


class PhoneCalibration(Record):
    """A calibration file: measured rows of one phone."""

    version: Literal[1] = 1
    device: Label
    """the profile's identifier"""
    profile_sha256: Digest
    """of the profile's facts the predictions were made from"""
    cost_model_sha256: Digest
    """of the cost model the predictions were made with"""
    rows: Annotated[tuple[MeasuredCall, ...], pydantic.Field(max_length=MOST_ROWS)]

    @property
    def predicted(self) -> tuple[MeasuredCall, ...]:
        """The rows that something was predicted of."""
        return tuple(row for row in self.rows if row.parts)


NO_CALIBRATIONS: Mapping[str, PhoneCalibration] = {}
"""of no phone"""


def describe_profile(profile: DeviceProfile) -> str:
    """Digest of what predictions take from a profile; which runtimes an app carries is a choice of each command."""
    return digest_bytes(dump_json(profile.model_copy(update={"runtimes": ()})).encode())


@functools.cache
def describe_cost_model() -> str:
    """Digest of the cost model: the code of this folder and the published tables."""
    paths = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".py", ".csv"))
    return digest_bytes(b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in paths))


def read_calibrations(paths: Sequence[Path], profiles: Sequence[DeviceProfile]) -> dict[str, PhoneCalibration]:
    """Read calibration files; they are returned by the phone they are of.

    Args:
        paths: The files.
        profiles: The phones that are predicted.

    Raises:
        EvaluationError: One is missing or faulty, of none of the phones, made with another cost model or from other
            facts of its phone, or two are of one phone.
    """
    known = {profile.id: profile for profile in profiles}
    found: dict[str, PhoneCalibration] = {}
    for path in paths:
        calibration = read_json(path, PhoneCalibration, error=EvaluationError)
        device = calibration.device
        if device not in known:
            raise EvaluationError(f"{path}: is of {shorten(device)}; the phones asked for are {', '.join(known)}")
        if device in found:
            raise EvaluationError(f"{path}: is of {device}, as another file is; right is one a phone")
        if calibration.cost_model_sha256 != describe_cost_model():
            raise EvaluationError(f"{path}: made with another version of the cost model; {_AGAIN}")
        if calibration.profile_sha256 != describe_profile(known[device]):
            raise EvaluationError(f"{path}: made with other facts of {device} than its profile has now; {_AGAIN}")
        found[device] = calibration
    return found


def digest_model(path: Path) -> str:
    """What a model file is known by, whatever it is called: its contents, or a folder's files and their names."""
    files = digest_files(path)
    return files[path.name].sha256 if list(files) == [path.name] else digest_listed(files)


@dataclass(frozen=True)
class OwnMeasurements:
    """What is known of one model on one phone beside predictions.

    Attributes:
        calibration: Of the phone.
        sha256: Of the model.
    """

    calibration: PhoneCalibration
    sha256: str

    def find_scores(self, graph: Graph, placement: Placement) -> dict[str, Score]:
        """`measured_latency_ms`, where this very model was measured where it would run; else nothing."""
        where = (*placement.compute[:2], placement.threads)
        found = [
            row.measured_ms
            for row in self.calibration.rows
            if row.sha256 == self.sha256
            and (row.runtime, row.unit, row.threads) == where
            and row.signature in (None, graph.entry)
        ]
        if not found:
            return {}
        value = statistics.median(found)
        return {MEASURED: Score(value=value, unit="ms", direction="lower", basis="measured_device")}
