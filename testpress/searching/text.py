"""What a search found, as a terminal shows it."""

from __future__ import annotations

from pathlib import Path

from reports.notation import format_number, format_score
from testpress.searching.records import Margin, Placed, Recommendation, SearchResult, Tried
from testpress.table import align

_STATES = {
    "judged": "played on all clips",
    "dropped": "dropped",
    "screened": "made, not played",
    "failed": "failed",
    "cannot_run": "cannot run",
    "not_needed": "not made",
    "not_tried": "not tried",
}


def describe(result: SearchResult, path: Path) -> str:
    """How far each option came, what to ship on each phone with its margins, what it cost, and where it is written."""
    lines = [_list_options(result), "", *_list_recommendations(result), "", _tell_cost(result), f"result: {path}"]
    return "\n".join(lines)


def _list_options(result: SearchResult) -> str:
    head = ("option", "", "size", result.metric or "score", "what is known")
    return align([head, *(_row(one) for one in result.options)])


def _row(option: Tried) -> tuple[str, ...]:
    size = "" if option.size is None else format_score(option.size)
    score = "" if option.score is None else format_score(option.score)
    if option.difference is not None and option.difference.value is not None:
        score += f" ({format_score(option.difference, signed=True)})"
    told = "; ".join(part for part in (option.reason, option.known) if part)
    return option.variant, _STATES[option.state], size, score, told


def _list_recommendations(result: SearchResult) -> list[str]:
    lines = ["ship, of what holds every budget, that with the least " + result.minimise + ":"]
    for one in result.recommendations:
        lines += [f"  {one.name}: {_name(one)}", *(f"    {_describe_margin(margin)}" for margin in one.margins)]
        if one.placements:
            lines.append(f"    predicted by unit and threads: {', '.join(map(_describe_place, one.placements))}")
        if len(one.frontier) > 1:
            lines.append(f"    nothing beats in {result.minimise}, size and score at once: {', '.join(one.frontier)}")
    return lines


def _name(one: Recommendation) -> str:
    if one.variant is None:
        nearest = "" if one.nearest is None else f"; {one.nearest} comes nearest"
        return f"nothing ({one.format}): {one.reason}{nearest}"
    place = "" if one.compute_unit is None else f" on the {one.compute_unit.upper()}"
    threads = "" if one.threads is None else f" in {one.threads} {'thread' if one.threads == 1 else 'threads'}"
    value = "" if one.objective is None else f", {format_score(one.objective)}{place}{threads}"
    mark = " (with warnings)" if one.status == "warned" else ""
    return f"{one.variant}{mark}{value}; {one.reason}"


def _describe_margin(margin: Margin) -> str:
    if margin.margin is None or margin.unit is None:
        return f"{margin.rule}: {margin.status}, {margin.reason}"
    room = format_number(abs(margin.margin), margin.unit)
    return f"{margin.rule}: {room} {'left' if margin.margin >= 0 else 'over'}"


def _describe_place(placed: Placed) -> str:
    threads = "" if placed.threads is None else f" in {placed.threads} {'thread' if placed.threads == 1 else 'threads'}"
    return f"{placed.unit.upper()}{threads} {format_score(placed.objective)}"


def _tell_cost(result: SearchResult) -> str:
    cost = result.cost
    saved = cost.all_clips - cost.clips
    share = f", {saved / cost.all_clips:.0%} of them saved" if saved > 0 else ""
    ended = (
        "" if result.is_complete else "the time ended before all that could be better was tried: search again goes on\n"
    )
    return (
        f"{ended}cost: {cost.seconds:.0f} s, {cost.made} of {cost.options} options made, {cost.clips} of "
        f"{cost.all_clips} plays of clips that trying everything takes{share}"
    )
