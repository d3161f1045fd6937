"""`report.md`: the verdict, the budgets and the matrix, for a CI job's summary page."""

from __future__ import annotations

from collections.abc import Sequence

from evaluators.evaluation import DeviceResult, VariantResult
from evaluators.score import Score
from reports.judging.baseline import Change
from reports.judging.comparison import Comparison, Row, describe_subject
from reports.judging.conditions import Cell, describe_worst, format_p_value, tabulate
from reports.judging.long_runs import (
    describe_decisions,
    describe_growth,
    describe_heard,
    describe_repeats,
    describe_silence,
    find_run,
    list_runs,
    pick_output,
    summarize,
)
from reports.judging.metrics import worst_parity
from reports.judging.verdicts import SEVERITY, Verdict
from reports.notation import BASIS_WORDS, describe_place, format_interval, format_score
from reports.renderers.gfm import bullet, code, cut, escape, fit, row, table
from reports.renderers.shipping import ShipLine, format_share, format_speed, list_ship_lines
from reports.renderers.summary import (
    OUTCOME_STATUS,
    STATUS_MARKS,
    STATUS_WORDS,
    describe_baseline,
    describe_counts,
    describe_outcome,
    find_main_metric,
)

FILE_NAME = "report.md"
MAX_BYTES = 1024 * 1024
"""what GitHub takes as a job summary; source: GitHub docs, "Workflow commands", adding a job summary"""

BUDGET_HEAD = ("", "budget", "bundle", "found")
CHANGE_HEAD = ("", "bundle", "number", "before and now")
_CHANGE_MARKS = {"gone": "▼ gone", "worse": "▼ worse", "better": "▲ better"}


def render(report: Comparison, *, max_bytes: int = MAX_BYTES) -> str:
    """The comparison as GitHub-flavoured Markdown.

    Args:
        report: What to show.
        max_bytes: Rows are left out, with a note, until the text fits: first of the matrix, last of the reasons.
    """
    groups = [
        reason_rows(report),
        ship_rows(report),
        budget_rows(report),
        change_rows(report),
        condition_rows(report),
        long_run_rows(report),
        matrix_rows(report),
    ]
    text = _assemble(report, groups, [len(lines) for lines in groups])
    if len(text.encode()) <= max_bytes:
        return text
    frame = _assemble(report, groups, [0] * len(groups))
    return _assemble(report, groups, fit(groups, max_bytes - len(frame.encode())))


def title(report: Comparison) -> str:
    """The verdict in a word or three, with its sign."""
    outcome = report.outcome
    return f"{STATUS_MARKS[OUTCOME_STATUS[outcome.status]]} {describe_outcome(outcome)}"


def subject(report: Comparison) -> str:
    """What was judged, and the counts."""
    model = report.evaluation.model
    counts = describe_counts(report.outcome)
    return f"{escape(model.name)} {escape(model.version)}: {counts}. {escape(describe_baseline(report), 300)}"


def reason_rows(report: Comparison) -> list[str]:
    """What speaks against a release, what was accepted, and which accepted changes can be removed."""
    return [bullet(text) for text in (*report.outcome.reasons, *report.accepted, *report.removable)]


def describe_dataset(report: Comparison) -> str:
    """What was listened to, who made it and under which licence, and what is to be known of it."""
    dataset = report.evaluation.dataset
    makers = f"; {escape(dataset.attribution, 2000)}" if dataset.attribution else ""
    noted = f". Noted of it: {escape('; '.join(dataset.notices), 1000)}" if dataset.notices else ""
    return f"Dataset: {escape(dataset.name)}, {len(dataset.clips)} clips{makers}{noted}."


def origin(report: Comparison) -> str:
    """When and by which command the evaluation was made."""
    evaluation = report.evaluation
    identity = evaluation.identity
    state = f" of {escape(identity.words)}" if identity is not None and identity.words else ""
    made = f"Made {escape(evaluation.created)} by testpress {escape(evaluation.testpress_version)}{state}:"
    return f"{made}\n\n{code(evaluation.command)}"


def ship_head(report: Comparison) -> list[str]:
    """The names of the columns of `ship_rows`."""
    main = escape(find_main_metric(report) or "task")
    return ["phone", "ship", main, "clips no worse", "faster than real time", "size", "memory"]


def ship_rows(report: Comparison) -> list[str]:
    """One row a phone and format: what to ship there."""
    return [row([escape(line.phone), *_ship_cells(line)]) for line in list_ship_lines(report)]


def _ship_cells(line: ShipLine) -> list[str]:
    if line.choice.variant is None:
        return [f"nothing: {escape(line.choice.reason)}", *["–"] * 5]
    mark = f" {STATUS_MARKS['warned']}" if line.choice.status == "warned" else ""
    cells = (format_share(line.clips_not_worse), format_speed(line.real_time))
    return [
        f"**{escape(line.choice.variant)}**{mark}",
        _cell(line.main),
        *(escape(cell) or "–" for cell in cells),
        _cell(line.size),
        _cell(line.memory),
    ]


def budget_rows(report: Comparison) -> list[str]:
    """One row a verdict, what speaks against a release first."""
    verdicts = (v for v in report.verdicts if v.metric is not None or v.objects)
    return [_budget_row(report, verdict) for verdict in sorted(verdicts, key=lambda v: SEVERITY[v.status])]


def failed_rows(report: Comparison) -> list[str]:
    """As `budget_rows`, of what did not pass."""
    verdicts = (verdict for verdict in report.verdicts if verdict.objects)
    return [
        _budget_row(report, verdict) for verdict in sorted(verdicts, key=lambda v: (not v.blocks, SEVERITY[v.status]))
    ]


def change_rows(report: Comparison) -> list[str]:
    """One row a number that is gone or became worse, then better, than in the baseline; the largest changes first."""
    accepted = {(one.variant, one.device, one.metric) for one in report.verdicts if one.accepted is not None}
    return [
        row(
            [
                _mark_change(change, accepted),
                escape(describe_subject(report.evaluation, change.variant, change.device)),
                escape(change.metric or "–"),
                escape(change.reason, 400),
            ]
        )
        for change in sorted(report.changes, key=lambda change: change.urgency)
        if change.state in _CHANGE_MARKS
    ]


def _mark_change(change: Change, accepted: set[tuple[str | None, str | None, str | None]]) -> str:
    is_accepted = (change.variant, change.device, change.metric) in accepted
    return _CHANGE_MARKS[change.state] + (", accepted" if is_accepted else "")


def condition_rows(report: Comparison) -> list[str]:
    """One row a model: its main metric under every condition, and what it loses beyond its source."""
    found = tabulate(report.evaluation, find_main_metric(report))
    lines = () if found is None else found.lines
    return [row([escape(line.variant or "source model"), *map(_condition_cell, line.cells)]) for line in lines]


def _condition_cell(cell: Cell) -> str:
    if cell.score is None:
        return escape(cell.problem or "–", 160)
    text = format_score(cell.score)
    if cell.loss is None or cell.loss.change.value is None:
        return escape(text)
    p_value = "" if cell.loss.p_value is None else f", p {format_p_value(cell.loss.p_value)}"
    word = "▼ loses more" if cell.loss.loses_more else "beyond the source"
    return escape(f"{text} ({word}: {format_score(cell.loss.change, signed=True)}{p_value})", 200)


def _describe_conditions(report: Comparison, rows: Sequence[str], note: str) -> str:
    main = find_main_metric(report)
    found = tabulate(report.evaluation, main)
    assert found is not None
    worst = escape(describe_worst(report.evaluation, main), 1000)
    head = (escape(found.metric), *(escape(name, 60) for name in found.names))
    return f"## Under other conditions\n\n{worst}\n\n{table(head, rows)}{note}"


RUN_HEAD = ("bundle", "signal over error", "does the error grow", "after silence", "heard again", "decisions")


def long_run_rows(report: Comparison) -> list[str]:
    """One row a bundle that was played on minutes of audio."""
    rows = []
    for variant, run in list_runs(report.evaluation):
        output = pick_output(run)
        if run.problem is not None or output is None:
            cells = [f"no result: {run.problem or 'it has no output'}", *["–"] * 4]
        else:
            cells = [
                format_score(output.snr),
                describe_growth(output),
                describe_silence(run),
                describe_repeats(run),
                describe_decisions(run),
            ]
        rows.append(row([escape(variant.variant), *(escape(cell, 200) for cell in cells)]))
    return rows


def _describe_runs(report: Comparison, rows: Sequence[str], note: str) -> str:
    found = find_run(report.evaluation)
    heard = "" if found is None else escape(describe_heard(found), 400)
    words = "\n\n".join(part for part in (escape(summarize(report.evaluation), 1000), heard) if part)
    return f"## Over a long run\n\n{words}\n\n{table(RUN_HEAD, rows)}{note}"


def matrix_head(report: Comparison) -> list[str]:
    """The names of the matrix's columns."""
    main = escape(find_main_metric(report) or "task")
    return ["", "bundle", "phone", main, "size", "latency", "memory", "largest error"]


def matrix_rows(report: Comparison) -> list[str]:
    """One row a bundle and phone."""
    variants = {variant.variant: variant for variant in report.evaluation.variants}
    main = find_main_metric(report)
    return [row(_matrix_cells(report, each, variants[each.variant], main)) for each in report.rows]


def _assemble(report: Comparison, groups: Sequence[Sequence[str]], kept: Sequence[int]) -> str:
    _, ship, budgets, changes, conditions, runs, matrix = groups
    shown, notes = cut(groups, kept)
    parts = [
        f"# {title(report)}",
        subject(report),
        "\n".join(shown[0]) + notes[0],
        f"## Ship this\n\n{table(ship_head(report), shown[1])}{notes[1]}" if ship else "",
        "## Budgets",
        (table(BUDGET_HEAD, shown[2]) if budgets else "(none)") + notes[2],
        f"## Since the baseline\n\n{table(CHANGE_HEAD, shown[3])}{notes[3]}" if changes else "",
        _describe_conditions(report, shown[4], notes[4]) if conditions else "",
        _describe_runs(report, shown[5], notes[5]) if runs else "",
        "## Bundles and phones",
        (table(matrix_head(report), shown[6]) if matrix else "(none)") + notes[6],
        describe_dataset(report),
        origin(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _budget_row(report: Comparison, verdict: Verdict) -> str:
    return row(
        [
            f"{STATUS_MARKS[verdict.status]} {STATUS_WORDS[verdict.status]}",
            escape(verdict.rule),
            escape(describe_subject(report.evaluation, verdict.variant, verdict.device)),
            escape(verdict.reason, 400),
        ]
    )


def _matrix_cells(report: Comparison, line: Row, variant: VariantResult, main: str | None) -> list[str]:
    phone = escape(report.evaluation.device_names.get(line.device, line.device)) if line.device else "–"
    mark = f"{STATUS_MARKS[line.status]} {STATUS_WORDS[line.status]}"
    if variant.failure is not None:
        return [mark, escape(variant.variant), phone, f"no result: {escape(variant.failure.reason, 200)}", *["–"] * 4]
    result = next((result for result in variant.devices if result.device == line.device), None)
    return [
        mark,
        escape(variant.variant),
        phone + _describe_absence(line, result),
        _cell(variant.scores.get(main) if main else None),
        _cell(variant.scores.get("size_bytes")),
        _latency_cell(result),
        _cell(_device_score(result, "memory_bytes")),
        _cell(worst_parity(variant, "max_abs_error").score),
    ]


def _describe_absence(line: Row, result: DeviceResult | None) -> str:
    if result is None or (result.runs and result.meant):
        return ""
    return " (not meant for it)" if line.status == "not_applicable" and not result.meant else " (cannot run it)"


def _device_score(result: DeviceResult | None, metric: str) -> Score | None:
    return result.scores.get(metric) if result is not None else None


def _latency_cell(result: DeviceResult | None) -> str:
    measured = _device_score(result, "measured_latency_ms")
    place = "" if result is None else f" on {describe_place(result)}"
    predicted = _cell(_device_score(result, "latency_ms"), place)
    return predicted if measured is None else f"{_cell(measured)}; {predicted}"


def _cell(score: Score | None, place: str = "") -> str:
    if score is None:
        return "–"
    if score.value is None:
        return escape(format_score(score))
    interval = format_interval(score)
    return escape(
        f"{format_score(score)}{f' ({interval})' if interval else ''}, {BASIS_WORDS[score.basis]}{place}", 200
    )
