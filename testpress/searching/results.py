"""From what was tried to what a search says: how far each option came, what to ship, and what it cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import testpress
from device_profiles.text import shorten
from evaluators.evaluation import MAX_ABS_ERROR, VariantResult
from evaluators.score import Score
from packager.bundle import Format
from packager.package import Packaged
from reports.judging.metrics import find_score, worst_parity
from reports.judging.shipping import Choice, Objective, find_objective
from reports.judging.verdicts import Verdict
from reports.notation import format_score
from testpress.searching.board import Board, Place
from testpress.searching.placements import Places
from testpress.searching.records import Cost, Margin, Recommendation, SearchResult, State, Tried
from testpress.searching.space import Option
from testpress.searching.stages import Clock, Stages
from testpress.work import Work

_SIZE = "size_bytes"
_REASON_LIMIT = 700


@dataclass
class Trace:
    """How far one option came.

    Attributes:
        option: Which.
        packaged: Its bundle, or why there is none.
        row: What is known of it: its predictions, or all.
        part: What it gave on some clips, where it was dropped after them.
        state: How far it came; none where it was left where it was.
        reason: Why it came no further.
        clips: Clips that it was played on.
    """

    option: Option
    packaged: Packaged | None = None
    row: VariantResult | None = None
    part: VariantResult | None = None
    state: State | None = None
    reason: str = ""
    clips: int = 0


@dataclass(frozen=True)
class Facts:
    """What a result says of the search itself."""

    key: str
    command: str
    clock: Clock
    formats: tuple[Format, ...]
    is_complete: bool
    places: Places


def build_result(board: Board, traces: Mapping[str, Trace], work: Work, stages: Stages, facts: Facts) -> SearchResult:
    """All that `search.json` holds.

    Args:
        board: What is known.
        traces: How far each option came, by name.
        work: The recipe.
        stages: What was played.
        facts: Of the search itself.
    """
    objective = find_objective(board.base)
    verdicts = board.judge_rows(board.judged.values())
    choices = {(choice.device, choice.format): choice for choice in board.choose()}
    metric, judged = board.base.leading_metric, _Judged(board, traces, objective, verdicts)
    options = tuple(_tell(trace, board, objective, verdicts, facts) for trace in traces.values())
    able = [trace for trace in traces.values() if trace.option.devices]
    return SearchResult(
        testpress_version=testpress.__version__,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=facts.command,
        key=facts.key,
        minimise=objective.name,
        minutes=facts.clock.minutes,
        is_complete=facts.is_complete,
        metric=metric,
        formats=facts.formats,
        options=options,
        recommendations=tuple(
            _recommend((profile.id, format_), choices.get((profile.id, format_)), judged, facts)
            for profile in work.recipe.profiles
            for format_ in facts.formats
            if any(profile.id in trace.option.devices and trace.option.variant.format == format_ for trace in able)
        ),
        cost=Cost(
            seconds=round(facts.clock.elapsed_s, 1),
            options=len(traces),
            made=sum(trace.packaged is not None and trace.packaged.bundle is not None for trace in able),
            clips=sum(trace.clips for trace in able),
            all_clips=len(able) * stages.clips,
        ),
    )


def _tell(trace: Trace, board: Board, objective: Objective, verdicts: Sequence[Verdict], facts: Facts) -> Tried:
    option, row = trace.option, trace.row
    name, metric = option.name, board.base.leading_metric
    state, reason = _end(trace, board, verdicts, facts)
    judged = row if name in board.judged else None
    packaged = trace.packaged
    return Tried(
        variant=name,
        format=option.variant.format,
        precision=option.variant.precision,
        devices=option.devices,
        state=state,
        reason=reason,
        known=_describe(trace.part or judged, packaged),
        size=None if row is None else row.scores.get(_SIZE),
        objective=_read_objectives(row, objective, option) if row is not None else {},
        score=judged.scores.get(metric) if judged is not None and metric else None,
        difference=judged.differences.get(metric) if judged is not None and metric else None,
        clips=trace.clips,
        seconds=None if packaged is None or packaged.reused else packaged.seconds,
    )


def _end(trace: Trace, board: Board, verdicts: Sequence[Verdict], facts: Facts) -> tuple[State, str]:
    name = trace.option.name
    if name in board.judged:
        blocking = [one for one in verdicts if one.variant == name and one.blocks]
        worst = min(blocking, key=lambda one: one.urgency, default=None)
        return "judged", "" if worst is None else shorten(f"{worst.rule}: {worst.reason}", _REASON_LIMIT)
    if trace.state is not None:
        return trace.state, trace.reason
    hoped = name in board.list_hopeful()
    if hoped and not facts.is_complete:
        return "not_tried", "the time ended before"
    against = board.judge_rows([trace.row]) if trace.row is not None else ()
    told = [one for one in against if one.blocks and one.margin is not None and one.margin < 0]
    if told:
        return "screened", shorten(f"{told[0].rule}: {told[0].reason}", _REASON_LIMIT)
    if trace.row is not None and trace.row.broken is not None:
        return "screened", shorten(f"BROKEN: {trace.row.broken}", _REASON_LIMIT)
    if trace.row is not None:
        return "screened", "would not be chosen if it held every budget"
    return "not_needed", "likened to its kind it would not be chosen if it held every budget"


def _describe(row: VariantResult | None, packaged: Packaged | None) -> str:
    """What was learnt: the ops that it keeps in float32, and how far its outputs depart from the source model's."""
    bundle = None if packaged is None else packaged.bundle
    kept = () if bundle is None else bundle.manifest.kept_float32
    parts = [f"keeps {len(kept)} {'op' if len(kept) == 1 else 'ops'} in float32"] if kept else []
    if row is not None and row.parity:
        worst = worst_parity(row, MAX_ABS_ERROR)
        found = "" if worst.score is None else f"departs by at most {format_score(worst.score)}"
        parts.append(" in ".join(part for part in (found, worst.detail or worst.problem) if part))
    return " and ".join(parts)


def _read_objectives(row: VariantResult, objective: Objective, option: Option) -> dict[str, Score]:
    found = {}
    for result in row.devices:
        on_phone = result if objective.metric.scope == "phone" else None
        score = find_score(row, objective.name, objective.metric.scope, on_phone).score
        if score is not None and result.device in option.devices:
            found[result.device] = score
    return found


@dataclass(frozen=True)
class _Judged:
    """What is told of, and what came of it."""

    board: Board
    traces: Mapping[str, Trace]
    objective: Objective
    verdicts: Sequence[Verdict]


def _recommend(place: Place, choice: Choice | None, judged: _Judged, facts: Facts) -> Recommendation:
    (device, format_), board, objective = place, judged.board, judged.objective
    name = board.base.device_names.get(device, device)
    bare = Recommendation(device=device, name=name, format=format_, variant=None, status=None, reason="")
    if choice is None or choice.variant is None:
        reason = "nothing was played on all clips" if choice is None else choice.reason
        nearest = _find_nearest(device, format_, judged.traces, board)
        return bare.model_copy(update={"reason": reason, "nearest": nearest})
    row, option = board.judged[choice.variant], judged.traces[choice.variant].option
    result = next(one for one in row.devices if one.device == device)
    return bare.model_copy(
        update={
            "variant": choice.variant,
            "status": choice.status,
            "reason": choice.reason,
            "objective": _read_objectives(row, objective, option).get(device),
            "compute_unit": result.compute_unit,
            "threads": result.threads,
            "margins": _list_margins(choice.variant, device, judged.verdicts),
            "placements": facts.places.get((choice.variant, device), ()),
            "frontier": _list_frontier(place, board, objective, judged.verdicts),
        }
    )


def _list_margins(variant: str, device: str, verdicts: Sequence[Verdict]) -> tuple[Margin, ...]:
    return tuple(
        Margin(
            rule=one.rule,
            status=one.status,
            value=one.value,
            limit=one.limit,
            margin=one.margin,
            unit=None if one.score is None else one.score.unit,
            reason=one.reason,
        )
        for one in verdicts
        if one.variant == variant and one.device in (device, None) and one.metric is not None
    )


def _list_frontier(place: Place, board: Board, objective: Objective, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Of what was judged and holds on a phone: that which nothing beats in objective, size and score at once."""
    device, format_ = place
    blocked = {(one.variant, one.device) for one in verdicts if one.blocks}
    found: dict[str, tuple[float, ...]] = {}
    for name, row in board.judged.items():
        result = next((one for one in row.devices if one.device == device), None)
        if row.format == format_ and result is not None and not blocked & {(name, device), (name, None)}:
            value, size = objective.read(row, result), row.scores[_SIZE].value
            score = row.scores.get(board.base.leading_metric or "")
            good = None if score is None else score.goodness
            found[name] = (_low(value), _low(size), 0.0 if good is None else -good)
    return tuple(
        name
        for name, costs in found.items()
        if not any(
            other != costs and all(a <= b for a, b in zip(other, costs, strict=True)) for other in found.values()
        )
    )


def _low(value: float | None) -> float:
    return float("inf") if value is None else value


def _find_nearest(device: str, format_: Format, traces: Mapping[str, Trace], board: Board) -> str | None:
    """Where nothing holds: what was played and breaks the fewest budgets there, by the least."""
    found: list[tuple[tuple[int, float], str]] = []
    for name, trace in traces.items():
        row = trace.row if name in board.judged else trace.part
        if row is None or trace.option.variant.format != format_ or device not in trace.option.devices:
            continue
        against = [one for one in board.judge_rows([row]) if one.blocks and one.device in (device, None)]
        miss = min((one.urgency[1] for one in against), default=0.0)
        found.append(((len(against), -miss), name))
    return min(found)[1] if found else None
