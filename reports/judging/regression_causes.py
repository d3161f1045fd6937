"""What became worse than the baseline, one cause a line: a bundle that is gone, a phone that is gone, a bundle's cost.

Where a bundle departs from its source, `shipping.find_causes` tells it together with what the baseline says of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluators.evaluation import Evaluation
from evaluators.score import Scope
from reports.judging.metrics import list_metrics
from reports.judging.regressions import RULE
from reports.judging.shipping import ACCURACY, Cause
from reports.judging.verdicts import Verdict

_MOST_NUMBERS = 3


def find_regression_causes(evaluation: Evaluation, verdicts: Sequence[Verdict]) -> tuple[Cause, ...]:
    """What speaks against a release since the baseline, in the verdicts' order.

    A bundle's sizes and memory are one cause, its times another. What is gone is told once for a phone, whatever the
    number of bundles, and once for a reason.

    Args:
        evaluation: What was found.
        verdicts: What came of its budgets and of the baseline.
    """
    scopes = {name: metric.scope for name, metric in list_metrics(evaluation).items()}
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if is_regression(verdict, scopes):
            groups.setdefault(_find_group(verdict), []).append(verdict)
    found: dict[tuple[str, str | None], list[tuple[str, str | None]]] = {}
    for group in groups.values():
        subjects = dict.fromkeys((verdict.variant or "", verdict.device) for verdict in group)
        phone = group[0].device if group[0].metric is None else None
        found.setdefault((_describe(group), phone), []).extend(subjects)
    return tuple(
        Cause(subjects=tuple(subjects), reason=reason, remedy="", is_departure=False)
        for (reason, _), subjects in found.items()
    )


def is_regression(verdict: Verdict, scopes: Mapping[str, Scope]) -> bool:
    """Whether a verdict blocks because of the baseline alone, and is not of how right a bundle is."""
    if verdict.rule != RULE or not verdict.blocks or verdict.variant is None:
        return False
    return verdict.metric is None or scopes.get(verdict.metric) not in ACCURACY


def _find_group(verdict: Verdict) -> tuple[str, str]:
    if verdict.metric is None:
        return "", f"{verdict.device}: {verdict.reason}"
    kind = "size" if "bytes" in verdict.metric else "time" if "latency" in verdict.metric else verdict.metric
    return verdict.variant or "", kind


def _describe(group: Sequence[Verdict]) -> str:
    """The worst number, since the verdicts stand in that order, and how many more there are."""
    first = group[0]
    more = len(group) - 1
    if first.metric is None or not more:
        return f"{RULE}: {first.reason}"
    others = list(dict.fromkeys(one.metric for one in group[1:] if one.metric not in (None, first.metric)))
    named = f" ({', '.join(map(str, others[:_MOST_NUMBERS]))}{', …' if len(others) > _MOST_NUMBERS else ''})"
    return f"{RULE}: {first.reason}, and {more} more {'number' if more == 1 else 'numbers'}{named if others else ''}"
