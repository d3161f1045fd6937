"""What to ship on each phone, with the numbers that a reviewer asks for; every renderer opens with it."""

from __future__ import annotations

from dataclasses import dataclass

from device_profiles.text import shorten
from evaluators.evaluation import DeviceResult, VariantResult
from evaluators.metrics import CLIPS_NOT_WORSE
from evaluators.score import Score
from reports.judging.comparison import Comparison
from reports.judging.shipping import Choice
from reports.notation import format_score
from reports.renderers.summary import find_main_metric


@dataclass(frozen=True)
class ShipLine:
    """A phone, what to ship there, and its numbers; none of them where nothing can be named."""

    choice: Choice
    phone: str
    main: Score | None = None
    difference: Score | None = None
    """from the source model's"""
    clips_not_worse: Score | None = None
    real_time: Score | None = None
    """time of a call over the time of the audio that it moves on by"""
    size: Score | None = None
    memory: Score | None = None


def list_ship_lines(report: Comparison) -> tuple[ShipLine, ...]:
    """A line for each phone and format."""
    evaluation, main = report.evaluation, find_main_metric(report)
    variants = {variant.variant: variant for variant in evaluation.variants}
    lines = []
    for choice in report.choices:
        phone = shorten(evaluation.device_names.get(choice.device, choice.device))
        variant = variants.get(choice.variant) if choice.variant is not None else None
        lines.append(ShipLine(choice, phone) if variant is None else _fill(choice, phone, variant, main))
    return tuple(lines)


def _fill(choice: Choice, phone: str, variant: VariantResult, main: str | None) -> ShipLine:
    result: DeviceResult = next(one for one in variant.devices if one.device == choice.device)
    return ShipLine(
        choice=choice,
        phone=phone,
        main=variant.scores.get(main) if main else None,
        difference=variant.differences.get(main) if main else None,
        clips_not_worse=variant.scores.get(CLIPS_NOT_WORSE),
        real_time=result.scores.get("real_time_factor"),
        size=variant.scores.get("size_bytes"),
        memory=result.scores.get("memory_bytes"),
    )


def format_speed(real_time: Score | None) -> str:
    """How many times faster than the audio plays, for example "24 times"; empty where it is not known."""
    if real_time is None or not real_time.value:
        return ""
    times = 1 / real_time.value
    return f"{times:.3g} times" if times < 1000 else f"{times:,.0f} times".replace(",", "\u202f")


def format_share(score: Score | None) -> str:
    """A share of clips in per cent; why there is none; empty where it was not asked."""
    if score is None:
        return ""
    return format_score(score) if score.value is None else f"{score.value * 100:.3g} %"


def describe_line(line: ShipLine, main: str | None) -> str:
    """The choice in one line of words, without the phone."""
    if line.choice.variant is None:
        return f"nothing: {line.choice.reason}"
    parts = []
    if line.main is not None and main is not None:
        beside = "" if line.difference is None else f" ({_against(line.difference)})"
        parts.append(f"{shorten(main)} {format_score(line.main)}{beside}")
    if line.clips_not_worse is not None and line.clips_not_worse.value is not None:
        parts.append(f"{format_share(line.clips_not_worse)} of clips no worse")
    if speed := format_speed(line.real_time):
        parts.append(f"{speed} real time")
    parts += [format_score(score) for score in (line.size,) if score is not None]
    mark = " (with warnings)" if line.choice.status == "warned" else ""
    return f"{shorten(line.choice.variant)}{mark}: {', '.join(parts)}"


def _against(difference: Score) -> str:
    return "as the source" if difference.value == 0 else f"{format_score(difference, signed=True)} against the source"
