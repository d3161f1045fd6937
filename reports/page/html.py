"""`report.html`: one file that a reviewer opens anywhere.

It asks nothing of the network, reads well without its script and even without its style, and forbids by its own
Content-Security-Policy every script but the one it brings, by hash. Every text from outside is escaped by Jinja's
autoescape; nothing is marked safe but the style and the script of this package. Lists that could grow without bound are
cut, with a note, so that the page stays below 1.5 MB besides what can be heard.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from device_profiles.text import clean_text, shorten
from packager.formats import format_names, get_format
from reports.judging.comparison import Comparison, describe_subject
from reports.judging.conditions import describe_worst, format_p_value, tabulate
from reports.judging.metrics import worst_parity
from reports.notation import (
    BASIS_MARKS,
    BASIS_MEANINGS,
    BASIS_WORDS,
    DIRECTION_WORDS,
    format_exact,
    format_interval,
    format_number,
    format_score,
)
from reports.page import cores
from reports.page.agreement import list_agreement
from reports.page.changes import list_changes
from reports.page.charts import format_rate, list_charts
from reports.page.clips import list_clips
from reports.page.cores import list_cores
from reports.page.figures import (
    activity_strips,
    budget_bar,
    call_times,
    change_bar,
    confusion_matrix,
    drift_curve,
    error_over_time,
    frontier,
    output_curve,
    pitch_curve,
    pitch_lanes,
    rate_curves,
    span_lanes,
    spectrogram,
    waveform,
)
from reports.page.listening import MOST_PLAYED_S
from reports.page.long_runs import list_long_runs
from reports.page.matrix import list_bundles, list_matrix, list_placements
from reports.page.sections import (
    draw_frontiers,
    group_budgets,
    list_drifts,
    list_long_names,
    list_scores,
    list_timings,
    make_keys,
)
from reports.page.targets import MOST_LINES, list_targets
from reports.page.templating import make_environment, read_template
from reports.page.word_alignment import MOST_WORDS
from reports.renderers.shipping import format_share, format_speed, list_ship_lines
from reports.renderers.summary import (
    OUTCOME_STATUS,
    STATUS_MARKS,
    STATUS_WORDS,
    describe_baseline,
    describe_counts,
    describe_outcome,
    find_main_metric,
)

FILE_NAME = "report.html"

_MOST_CONDITION_CELLS = 800
_MOST_REASONS = 12
_MOST_RECIPE = 20_000
_MOST_NAME = 4_096
_MOST_OUTPUTS = 12


def render(report: Comparison, *, folder: Path | None = None, earlier: Path | None = None) -> str:
    """The comparison as one self-contained page.

    Args:
        report: What to show.
        folder: Where evaluation.json and the previews beside it stand; without it no clip can be heard.
        earlier: The same of the baseline.
    """
    evaluation = report.evaluation
    style = read_template("report.css") + read_template("listening.css")
    script = read_template("report.js") + read_template("listening.js")
    page = (
        _environment()
        .get_template("report.html")
        .render(
            **_collect(report, folder, earlier),
            report=report,
            evaluation=evaluation,
            main=find_main_metric(report),
            outcome=report.outcome,
            outcome_status=OUTCOME_STATUS[report.outcome.status],
            outcome_words=describe_outcome(report.outcome),
            counts=describe_counts(report.outcome),
            reasons=report.outcome.reasons[:_MOST_REASONS],
            reasons_left=report.outcome.reasons[_MOST_REASONS:],
            failed=[variant for variant in evaluation.variants if variant.failure is not None],
            against=describe_baseline(report),
            changes=list_changes(report),
            recipe=json.dumps(evaluation.recipe, indent=2, ensure_ascii=False)[:_MOST_RECIPE],
            long_names=[name[:_MOST_NAME] for name in list_long_names(evaluation)],
            style=Markup(style),  # noqa: S704  a file of this package
            script=Markup(script),  # noqa: S704  a file of this package
            script_hash=hash_source(script),
        )
    )
    return clean_text(page)


def _collect(report: Comparison, folder: Path | None, earlier: Path | None) -> dict[str, Any]:
    """What each section shows."""
    evaluation = report.evaluation
    keys = make_keys(evaluation)
    bundles = list_bundles(report, keys)
    drifts, drifts_left = list_drifts(report, keys)
    timings, timing_ticks = list_timings(evaluation, keys)
    metrics, score_lines, metrics_left = list_scores(evaluation)
    return {
        "keys": keys,
        "ship": list_ship_lines(report),
        "budgets": group_budgets(report),
        "bundles": bundles,
        "matrix": list_matrix(report, bundles),
        "score_metrics": metrics,
        "score_lines": score_lines,
        "metrics_left": metrics_left,
        "placements": list_placements(evaluation, keys),
        "frontiers": draw_frontiers(report, keys),
        "drifts": drifts,
        "drifts_left": drifts_left,
        "timings": timings,
        "timing_ticks": timing_ticks,
        "charts": list_charts(report, keys),
        "clips": list_clips(report, keys, folder, earlier),
        "conditions": tabulate(evaluation, find_main_metric(report)),
        "conditions_worst": describe_worst(evaluation, find_main_metric(report)),
        "agreement": list_agreement(evaluation, keys, find_main_metric(report)),
        "long_runs": list_long_runs(evaluation, keys),
        "targets": list_targets(evaluation, keys, find_main_metric(report)),
        "cores": list_cores(evaluation, report.baseline, keys),
    }


def _name_format(name: str) -> str:
    """A format as its maker writes it; by its own name where it is one that is not installed here."""
    return get_format(name).title if name in format_names() else name


def hash_source(text: str) -> str:
    """The Content-Security-Policy source expression that allows an inline script: `sha256-<base64>`.

    Source: W3C, "Content Security Policy Level 3", hash-source.
    """
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@functools.cache
def _environment() -> jinja2.Environment:
    filters: dict[str, Callable[..., Any]] = {
        "exact": format_exact,
        "interval": format_interval,
        "number": format_number,
        "p_value": format_p_value,
        "rate": format_rate,
        "score": format_score,
        "share": format_share,
        "speed": format_speed,
        "short": shorten,
        "sortable": "{:.6g}".format,
        "format_title": _name_format,
    }
    shared: dict[str, Any] = {
        "BASIS_MARKS": BASIS_MARKS,
        "MOST_OUTPUTS": _MOST_OUTPUTS,
        "BASIS_MEANINGS": BASIS_MEANINGS,
        "BASIS_WORDS": BASIS_WORDS,
        "DIRECTION_WORDS": DIRECTION_WORDS,
        "STATUS_MARKS": STATUS_MARKS,
        "STATUS_WORDS": STATUS_WORDS,
        "describe_subject": describe_subject,
        "figures": {
            "bar": budget_bar,
            "calls": call_times,
            "change": change_bar,
            "confusion": confusion_matrix,
            "cores": cores,
            "curve": output_curve,
            "drift": drift_curve,
            "overtime": error_over_time,
            "frontier": frontier,
            "lanes": span_lanes,
            "rates": rate_curves,
            "pitch": pitch_curve,
            "lane": pitch_lanes,
            "spectrogram": spectrogram,
            "strips": activity_strips,
            "wave": waveform,
        },
        "worst_parity": worst_parity,
        "MOST_TARGETS": MOST_LINES,
        "MOST_PLAYED_S": MOST_PLAYED_S,
        "MOST_WORDS": MOST_WORDS,
        "MOST_CONDITION_CELLS": _MOST_CONDITION_CELLS,
    }
    return make_environment(filters, shared)
