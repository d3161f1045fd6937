"""Trends and steps in words, as terminal and page say them."""

from __future__ import annotations

from device_profiles.text import shorten
from evaluators.evaluation import PARITY_NUMBERS
from reports.history.trends import SOURCE, History, Step, Trend
from reports.notation import BASIS_WORDS, format_number


def describe_place(trend: Trend) -> str:
    """Which number a trend is of, for example "tflite-float16 on Pixel 8: latency_ms (predicted)"."""
    phone = f" on {shorten(trend.phone_name)}" if trend.phone_name else ""
    machine = f", timed on {shorten(trend.machine)}" if trend.machine else ""
    basis = "" if trend.bundle == SOURCE or trend.metric in PARITY_NUMBERS else f" ({BASIS_WORDS[trend.basis]})"
    return f"{shorten(trend.bundle)}{phone}: {shorten(trend.metric)}{basis}{machine}"


def format_change(step: Step, trend: Trend) -> str:
    """How far it went: per cent of the level before, or the number's own unit where that was 0."""
    if step.change is None:
        return format_number(step.after - step.before, trend.unit, signed=True)
    return f"{step.change * 100:+.1f} %".replace("-", "−")


def describe_step(history: History, trend: Trend, step: Step) -> str:
    """A step in a sentence: from what to what, since which commit, how sure, and what else changed there."""
    before, after = (format_number(value, trend.unit) for value in (step.before, step.after))
    first, last = history.runs[step.at], history.runs[step.after_run]
    since = f"run {step.at + 1}, {first.words}, {first.time:%Y-%m-%d}"
    parts = [f"{step.state}: {before} → {after} ({format_change(step, trend)}) since {since}"]
    if first.commit and last.commit and first.commit != last.commit:
        parts.append(f"between {last.commit} and {first.commit}")
    parts.append("the number repeats from run to run" if step.p_value is None else f"p = {step.p_value:.2g}")
    if step.within_intervals:
        parts.append("within the runs' own intervals")
    if step.changed_too:
        parts.append("changed there too: " + ", ".join(shorten(one) for one in step.changed_too))
    if first.identity is not None and first.identity.run_url:
        parts.append(first.identity.run_url)
    return "; ".join(parts)
