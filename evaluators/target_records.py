"""Where a bundle is played, how far it lies from what it is held against there, and why it has no result."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from device_profiles.profile import ComputeUnitKind
from device_profiles.record import Record
from evaluators.score import Score

Word = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


class Target(Record):
    """Where a bundle is played or priced."""

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    """as recipes and results call it"""
    runtime: Word
    """what executes the file there, as its maker writes it"""
    version: Word
    """of what executes it here, for example "LiteRT 2.3.0\""""
    unit: ComputeUnitKind = "cpu"
    core: Word | None = None
    """of a CPU: the type of core; none where it is the evaluating machine's own"""
    chip: Word | None = None
    """of an NPU: which"""


class OutputParity(Record):
    """How far one output of a variant lies from the source model's, over all windows of the dataset."""

    output: str
    snr_db: Score
    max_abs_error: Score
    cosine: Score


class Refusal(Record):
    """What a target cannot do."""

    op: str | None = None
    """the op it cannot do, as the file calls its kind; none where it is not one op's fault"""
    reason: Annotated[str, pydantic.Field(min_length=1)]
    """what the target says of it"""


class Failure(Record):
    """Why a variant has no result."""

    stage: Literal["package", "evaluate"]
    reason: str
    log: str | None = None
    """the log file, relative to the output folder"""
    refusal: Refusal | None = None
    """what a target cannot do, where that is why"""
