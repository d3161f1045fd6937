"""What a user lets workers use: the recipe's [limits] section, and --jobs, --limit-time and --limit-memory."""

from __future__ import annotations

from typing import Annotated

import pydantic

from device_profiles.record import Record
from packager.jobs.workers import Limits
from reports.judging.quantities import parse_quantity

_LEAST_BYTES = 64 * 2**20
"""the interpreter alone takes half of it"""


class LimitsSpec(Record):
    """What one worker may use before it is ended, and how many there are; what is not said has the stage's default."""

    time_s: Annotated[float, pydantic.Field(gt=0, le=30 * 24 * 3600)] | None = None
    """seconds, for example 900"""
    memory: str | None = None
    """of the worker and its children together, for example "8GiB\""""
    jobs: Annotated[int, pydantic.Field(ge=1, le=1024)] | None = None
    """how many workers at once; default: as many as there are cores"""

    @pydantic.field_validator("memory")
    @classmethod
    def _size(cls, memory: str | None) -> str | None:
        if memory is not None:
            quantity = parse_quantity(memory)
            if quantity.kind != "bytes" or not _LEAST_BYTES <= quantity.value < 2**63:
                raise ValueError("write a size of at least 64MiB, for example 8GiB")
        return memory

    def over(self, default: Limits) -> Limits:
        """The default with what is said here in its place."""
        memory = default.memory_bytes if self.memory is None else int(parse_quantity(self.memory).value)
        return Limits(default.time_s if self.time_s is None else self.time_s, memory)

    def or_else(self, other: LimitsSpec) -> LimitsSpec:
        """What is said here, and where nothing is said what the other says."""
        return LimitsSpec(
            time_s=other.time_s if self.time_s is None else self.time_s,
            memory=other.memory if self.memory is None else self.memory,
            jobs=other.jobs if self.jobs is None else self.jobs,
        )
