"""A number as an evaluation holds it, and how each metric's numbers are to be read."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from device_profiles.record import Record
from evaluators.picture_records import NotNegative

Basis = Literal["measured_host", "emulated", "predicted", "measured_device"]
"""measured_host: timed or weighed on the machine that evaluated · emulated: computed by running the bundle as the phone
would · predicted: from a cost model · measured_device: on a physical phone"""

Direction = Literal["higher", "lower"]

Scope = Literal["clip", "dataset", "output", "bundle", "host", "phone"]
"""what one number is of: clip: a mean over clips · dataset: of all clips at once · output: the worst of the model's
outputs counts · bundle: of the file · host: of calls timed on the machine that evaluated · phone: one for each phone"""


class MetricInfo(Record):
    """How the numbers of one metric are to be read, and when a change of them counts."""

    unit: Annotated[str, pydantic.Field(max_length=100)]
    direction: Direction
    scope: Scope
    description: Annotated[str, pydantic.Field(max_length=1000)] = ""
    """one sentence for the reviewer, with the definition's tolerances"""
    tolerance: NotNegative = 0.0
    """how far it may go for the worse, in its unit, before that counts"""
    relative_tolerance: NotNegative = 0.0
    """the same as a share of the number before"""
    machine_bound: bool = False
    """whether another machine gives another number"""
    only_told: bool = False
    """whether a change for the worse warns, and blocks no release by itself"""
    with_source: bool = False
    """whether it holds a bundle against the source model, which has no such number itself"""
    repeats: str | None = None
    """another metric that says the same in other words, and stands for both where changes are counted"""


class Score(Record):
    """One number, with all that is needed to read it."""

    value: float | None
    unit: str
    """ratio, ms, bytes, db, dimensionless …"""
    direction: Direction
    basis: Basis
    low: float | None = None
    """lower end of the interval"""
    high: float | None = None
    confidence: Annotated[float, pydantic.Field(gt=0, lt=1)] | None = None
    """the interval's coverage, for example 0.95"""
    reason: str | None = None
    """why there is no value"""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Score:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a score has either a value or the reason why it has none")
        if len({self.low is None, self.high is None, self.confidence is None}) != 1:
            raise ValueError("an interval has low, high and confidence, or none of them")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"an interval's low end {self.low:g} is above its high end {self.high:g}")
        return self

    @property
    def goodness(self) -> float | None:
        """The value with its sign turned where lower is better, so that more is better."""
        return self.value if self.value is None or self.direction == "higher" else -self.value
