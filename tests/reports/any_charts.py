"""Any charts that the schema takes."""

from __future__ import annotations

import functools

from hypothesis import strategies as st

from evaluators.chart_records import (
    Axis,
    Charts,
    ClassMeasure,
    ClassTable,
    ConfusionMatrix,
    Mark,
    Point,
    RateCurve,
)
from tests.reports.example_charts import make_charts

Draw = st.DrawFn

_HOSTILE_CLASSES = ("</script><script>alert(1)</script>", '" onload="alert(1)', "\u202eevil", "A" * 300)


@functools.cache
def _make_alike() -> tuple[Charts, ...]:
    """Charts that can be compared with each other."""
    return tuple(make_charts(noise, _HOSTILE_CLASSES) for noise in (0.4, 0.4, 0.9))


alike = st.deferred(lambda: st.sampled_from(_make_alike()))

_SHARES = st.one_of(st.sampled_from((0.0, 1.0, 0.5, 5e-324, 1 - 2**-53)), st.floats(0, 1))
_RATES = st.one_of(
    st.sampled_from((0.0, 5e-324, 1e-300, 1e300, 1.7976931348623157e308)),
    st.floats(0, allow_nan=False, allow_infinity=False),
)
_COUNTS = st.one_of(st.sampled_from((0, 1, 2**53 - 1)), st.integers(0, 1000))


@st.composite
def charts(draw: Draw, names: st.SearchStrategy[str]) -> Charts:
    """Curves on every kind of axis, a matrix, a table.

    Args:
        draw: Hypothesis'.
        names: Of all that has one; shortened to what the schema takes.
    """
    words = names.map(lambda name: name[:300] or "x")
    curve_names = draw(st.lists(words, max_size=2, unique=True))
    return Charts(
        curves=tuple(draw(_curves(name, words)) for name in curve_names),
        confusion=draw(st.one_of(st.none(), _matrices(words))),
        classes=draw(st.one_of(st.none(), _tables(words))),
    )


@st.composite
def _axes(draw: Draw, words: st.SearchStrategy[str]) -> Axis:
    unit = draw(st.sampled_from(("ratio", "per hour")))
    scales = ("linear", "logarithmic", "probit") if unit == "ratio" else ("linear", "logarithmic")
    return Axis(
        name=draw(words),
        unit=unit,
        scale=draw(st.sampled_from(scales)),
        direction=draw(st.sampled_from(("higher", "lower"))),
    )


@st.composite
def _curves(draw: Draw, name: str, words: st.SearchStrategy[str]) -> RateCurve:
    across, upright = draw(_axes(words)), draw(_axes(words))

    def point() -> Point:
        x, y = (draw(_SHARES if axis.unit == "ratio" else _RATES) for axis in (across, upright))
        return x, y

    marks = [Mark(name=draw(words), at=point(), in_use=draw(st.booleans())) for _ in range(draw(st.integers(0, 2)))]
    points = tuple(point() for _ in range(draw(st.integers(2, 5))))
    return RateCurve(name=name, across=across, upright=upright, points=points, marks=tuple(marks), note=draw(words))


@st.composite
def _matrices(draw: Draw, words: st.SearchStrategy[str]) -> ConfusionMatrix:
    size = draw(st.integers(1, 3))
    return ConfusionMatrix(
        classes=tuple(draw(words) for _ in range(size)),
        counts=tuple(tuple(draw(_COUNTS) for _ in range(size)) for _ in range(size)),
        gathered=draw(_COUNTS),
        note=draw(words),
    )


@st.composite
def _tables(draw: Draw, words: st.SearchStrategy[str]) -> ClassTable:
    size = draw(st.integers(0, 3))
    values = st.one_of(st.none(), _SHARES, _RATES.map(lambda value: -value))
    return ClassTable(
        classes=tuple(draw(words) for _ in range(size)),
        clips=tuple(draw(_COUNTS) for _ in range(size)),
        measures=tuple(
            ClassMeasure(
                name=draw(words),
                direction=draw(st.sampled_from(("higher", "lower"))),
                values=tuple(draw(values) for _ in range(size)),
            )
            for _ in range(draw(st.integers(0, 2)))
        ),
        left_out=draw(_COUNTS),
    )
