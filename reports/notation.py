"""How numbers are written for readers: unit, direction, basis, interval. Every renderer uses these words."""

from __future__ import annotations

import math

from evaluators.evaluation import DeviceResult
from evaluators.score import Basis, Direction, Score

BASIS_WORDS: dict[Basis, str] = {
    "measured_host": "measured on this host",
    "emulated": "emulated",
    "predicted": "predicted",
    "measured_device": "measured on a phone",
}
BASIS_MARKS: dict[Basis, str] = {"measured_host": "●", "emulated": "◐", "predicted": "◇", "measured_device": "■"}
BASIS_MEANINGS: dict[Basis, str] = {
    "measured_host": "timed or weighed on the machine that evaluated, which is not a phone",
    "emulated": "computed by running the bundle as the phone would",
    "predicted": "from a cost model; the range is where the number is expected to fall",
    "measured_device": "measured on a physical phone",
}
DIRECTION_WORDS: dict[Direction, str] = {"higher": "↑ higher is better", "lower": "↓ lower is better"}
UNIT_WORDS = {"db": "dB", "ratio": "", "dimensionless": ""}

_BYTE_STEPS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_MAX_DIGITS = 12
_LONG = 10.0**_MAX_DIGITS
"""from here on numbers are written with a power of ten"""


def format_number(value: float, unit: str, *, digits: int = 3, signed: bool = False) -> str:
    """A number with its unit, for example "24.1 ms", "204 kB" or "0.812".

    Args:
        value: In `unit`.
        unit: A score's unit.
        digits: Significant digits; ratios get as many decimals instead.
        signed: Write a plus before what is above zero.
    """
    suffix = UNIT_WORDS.get(unit, unit)
    if unit == "bytes":
        value, suffix = _scale_bytes(value)
    elif unit == "count":
        value, suffix = _scale_count(value)
    if suffix == "bytes":
        text = f"{value:.0f}"
    else:
        plain = unit == "ratio" and abs(value) < _LONG
        text = f"{value:.{digits}f}" if plain else _significant(value, digits)
    if not text.strip("-0.") and text.startswith("-"):
        text = text[1:]
    sign = "+" if signed and value > 0 else ""
    return f"{sign}{text} {suffix}".rstrip().replace("-", "−", 1 if value < 0 else 0)


_COUNT_STEPS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand"))


def format_count(count: int) -> str:
    """A count that may be large, in words: "64", "27.1 thousand", "4.12 million"."""
    for size, word in _COUNT_STEPS:
        if count >= size:
            return f"{_significant(count / size, 3)} {word}"
    return str(count)


def format_apart(value: float, limit: float, unit: str) -> str:
    """`value`, with as many digits as it takes to tell it from `limit`, so that no text contradicts its verdict."""
    for digits in range(3, _MAX_DIGITS):
        text = format_number(value, unit, digits=digits)
        if value == limit or text != format_number(limit, unit, digits=digits):
            return text
    return f"{value!r} {UNIT_WORDS.get(unit, unit)}".rstrip()


def format_exact(value: float, unit: str) -> str:
    """A limit as it was meant, without digits that nobody wrote: "60 ms", "300 kB", "0.05"."""
    suffix = UNIT_WORDS.get(unit, unit)
    if unit == "bytes":
        value, suffix = _scale_bytes(value)
    text = f"{abs(value):.{_MAX_DIGITS}g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return f"{'−' if value < 0 else ''}{text} {suffix}".rstrip()


def format_interval(score: Score, *, signed: bool = False) -> str:
    """The interval in words, for example "80 %: 18.0 to 41.0 ms"; empty where there is none."""
    if score.low is None or score.high is None or score.confidence is None:
        return ""
    low, high = (format_number(end, score.unit, signed=signed) for end in (score.low, score.high))
    unit = low.partition(" ")[2]
    if " " in low and high.endswith(f" {unit}"):
        low = low.removesuffix(f" {unit}")
    return f"{score.confidence * 100:g} %: {low} to {high}"


def format_score(score: Score, *, signed: bool = False) -> str:
    """The value with its unit, or the reason why there is none."""
    if score.value is None:
        return f"none: {score.reason}"
    return format_number(score.value, score.unit, signed=signed)


def format_percent(share: float) -> str:
    """A change as a share of what was before, signed: "+21 %", "−3.5 %"."""
    text = f"{share * 100:+.2g}" if abs(share) < 1 else f"{share * 100:+.0f}" if abs(share) < 100 else ""
    return f"{text.replace('-', '−')} %" if text else f"{'×' if share > 0 else '−×'}{abs(share) + 1:.3g}"


def _scale_count(value: float) -> tuple[float, str]:
    return next(((value / size, word) for size, word in _COUNT_STEPS if abs(value) >= size), (value, ""))


def _scale_bytes(value: float) -> tuple[float, str]:
    for size, name in _BYTE_STEPS:
        if abs(value) >= size:
            return value / size, name
    return value, "bytes"


def _significant(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or abs(value) >= _LONG:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}"
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


_UNIT_WORDS = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}


def name_unit(unit: str) -> str:
    """A compute unit in words."""
    return _UNIT_WORDS.get(unit, unit)


def describe_place(result: DeviceResult) -> str:
    """Where a prediction is of: the compute unit, and of a CPU how many threads."""
    unit = name_unit(result.compute_unit)
    return unit if result.threads is None else f"{unit}, {format_threads(result.threads)}"


def format_threads(count: int) -> str:
    """How many threads, in words."""
    return f"{count} thread{'' if count == 1 else 's'}"
