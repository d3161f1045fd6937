"""`history.html`: every number of a history over its runs, in one file without a script or the network."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from device_profiles.text import clean_text, shorten
from reports.history.trends import SOURCE, History, Step, Trend
from reports.history.words import describe_place, describe_step, format_change
from reports.notation import BASIS_MARKS, BASIS_WORDS, DIRECTION_WORDS, format_number
from reports.page.figures import trend_line
from reports.page.templating import make_environment, read_template

FILE_NAME = "history.html"
_MOST_FIGURES = 600
"""a page of them is about 1.2 MB with 30 runs each"""
_MOST_STEPS = 200
_MOST_RUNS = 200


@dataclass(frozen=True)
class Panel:
    """One trend as the page shows it."""

    trend: Trend
    figure: trend_line.TrendLine
    name: str


@dataclass(frozen=True)
class Group:
    """The trends of one bundle, those of phones after its own."""

    model: str
    bundle: str
    panels: list[Panel]


def render(history: History) -> str:
    """The history as one self-contained page; the trends that step come first where not all can be drawn."""
    chosen = sorted(history.trends, key=lambda trend: not trend.steps)[:_MOST_FIGURES]
    drawn = {id(trend) for trend in chosen}
    shown = [trend for trend in history.trends if id(trend) in drawn]
    steps = history.found
    page = (
        _environment()
        .get_template("history.html")
        .render(
            history=history,
            models=sorted({run.model for run in history.runs}),
            steps=[_step_line(history, trend, step) for trend, step in steps[:_MOST_STEPS]],
            steps_left=max(0, len(steps) - _MOST_STEPS),
            groups=_group(shown, history),
            trends_left=len(history.trends) - len(shown),
            runs=list(enumerate(history.runs, 1))[::-1][:_MOST_RUNS],
            runs_left=max(0, len(history.runs) - _MOST_RUNS),
            style=Markup(read_template("report.css") + read_template("history.css")),  # noqa: S704  files of this package
        )
    )
    return clean_text(page)


def _step_line(history: History, trend: Trend, step: Step) -> dict[str, object]:
    return {
        "trend": trend,
        "step": step,
        "place": describe_place(trend),
        "words": describe_step(history, trend, step),
        "change": format_change(step, trend),
        "run": history.runs[step.at],
    }


def _group(trends: list[Trend], history: History) -> list[Group]:
    groups: dict[tuple[str, str], Group] = {}
    for trend in trends:
        group = groups.setdefault((trend.model, trend.bundle), Group(trend.model, trend.bundle, []))
        figure = trend_line.draw_trend_line(trend, history.runs)
        own = trend.bundle if trend.bundle == SOURCE else "the bundle itself"
        group.panels.append(Panel(trend, figure, shorten(trend.phone_name) if trend.phone_name else own))
    for group in groups.values():
        group.panels.sort(key=lambda panel: (panel.trend.phone or "", not panel.trend.steps, panel.trend.metric))
    return list(groups.values())


@functools.cache
def _environment() -> jinja2.Environment:
    return make_environment(
        {"number": format_number, "short": shorten},
        {
            "BASIS_MARKS": BASIS_MARKS,
            "BASIS_WORDS": BASIS_WORDS,
            "DIRECTION_WORDS": DIRECTION_WORDS,
            "figure": trend_line,
        },
    )
