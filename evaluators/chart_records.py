"""What a report may draw of a whole dataset: curves of two rates, a confusion matrix, a table by class."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.score import Direction
from packager.bounds import Count, check_unique

Words = Annotated[str, pydantic.Field(min_length=1, max_length=300)]
NotNegative = Annotated[float, pydantic.Field(ge=0)]
Point = tuple[NotNegative, NotNegative]
"""across and upright"""

MAX_POINTS = 512
"""of a curve: more than any figure shows apart"""
MAX_CONFUSED = 41
"""classes of a matrix that can still be read: 40, and the others together"""
MAX_CLASSES = 1000
"""of a table"""


class Axis(Record):
    """One of a curve's two numbers."""

    name: Words
    direction: Direction = "lower"
    unit: Literal["ratio", "per hour"] = "ratio"
    scale: Literal["linear", "logarithmic", "probit"] = "linear"
    """probit: as many standard deviations of a normal distribution as leave that share below them"""


class Mark(Record):
    """A place on a curve that has a meaning."""

    name: Words
    """for example "threshold 0.5" """
    at: Point
    in_use: bool = False
    """whether it is where the product works"""


class RateCurve(Record):
    """Two rates at every threshold, joined in the order of the thresholds."""

    name: Words
    """curves of one name are drawn together: the source model's and the bundles'"""
    across: Axis
    upright: Axis
    points: Annotated[tuple[Point, ...], pydantic.Field(min_length=2, max_length=MAX_POINTS)]
    marks: Annotated[tuple[Mark, ...], pydantic.Field(max_length=4)] = ()
    note: Annotated[str, pydantic.Field(max_length=600)] = ""
    """how it was made, in a sentence or two for the reviewer"""

    @pydantic.model_validator(mode="after")
    def _shares(self) -> RateCurve:
        places = [*self.points, *(mark.at for mark in self.marks)]
        for axis, values in zip((self.across, self.upright), zip(*places, strict=True), strict=True):
            if axis.unit == "ratio" and max(values) > 1:
                raise ValueError(f"{axis.name[:100]} reaches {max(values):g}; right is a share, 0 to 1")
            if axis.unit != "ratio" and axis.scale == "probit":
                raise ValueError(f"{axis.name[:100]} is no share, which an axis by probit is for")
        return self


class ConfusionMatrix(Record):
    """How often what is labelled as one class was taken for another."""

    classes: Annotated[tuple[Words, ...], pydantic.Field(min_length=1, max_length=MAX_CONFUSED)]
    counts: tuple[tuple[Count, ...], ...]
    """a row a labelled class; its columns are the classes that it was taken for, in the same order"""
    gathered: Count = 0
    """how many classes the last one stands for, where it stands for many"""
    note: Annotated[str, pydantic.Field(max_length=600)] = ""

    @pydantic.model_validator(mode="after")
    def _square(self) -> ConfusionMatrix:
        size = len(self.classes)
        if len(self.counts) != size or any(len(row) != size for row in self.counts):
            raise ValueError(f"counts must be {size} rows of {size} numbers, as many as there are classes")
        return self


class ClassMeasure(Record):
    """One number of every class."""

    name: Words
    direction: Direction = "higher"
    values: tuple[float | None, ...]
    """none where there is nothing to count"""


class ClassTable(Record):
    """What is known of each class."""

    classes: Annotated[tuple[Words, ...], pydantic.Field(max_length=MAX_CLASSES)]
    clips: tuple[Count, ...]
    """how many are labelled with it"""
    measures: Annotated[tuple[ClassMeasure, ...], pydantic.Field(max_length=4)]
    """the first one says which class loses most"""
    left_out: Count = 0
    """classes that are not in the table, with the fewest clips"""

    @pydantic.model_validator(mode="after")
    def _even(self) -> ClassTable:
        sizes = {len(self.clips), *(len(measure.values) for measure in self.measures)}
        if sizes != {len(self.classes)}:
            raise ValueError(f"clips and every measure must hold {len(self.classes)} numbers, one a class")
        return self


class Charts(Record):
    """What a task wants drawn of all clips at once; all optional."""

    curves: Annotated[tuple[RateCurve, ...], pydantic.Field(max_length=4)] = ()
    confusion: ConfusionMatrix | None = None
    classes: ClassTable | None = None

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> Charts:
        check_unique((curve.name for curve in self.curves), "curve")
        return self


def name_class(name: str) -> str:
    """A class as charts name it: cleaned, on one line, never empty."""
    return shorten(name) or "(no name)"


def store_charts(charts: Charts) -> Charts | None:
    """What an evaluation holds of them: nothing where nothing is drawn."""
    return None if charts == Charts() else charts
