"""What is known of all options, and what the judge would choose if all that is not known yet turned out well.

There is one judge, `reports.judging`. Here it is asked three times over: of what was played on all clips, as it stands;
of what was not played, as if each number that is still missing held its budget; and of what was played on some clips,
with each interval's favourable end, so that what fails there could not have held on all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from evaluators.condition_records import CLEAN
from evaluators.evaluation import DeviceResult, Evaluation, VariantResult
from evaluators.score import Score
from packager.bundle import Format
from packager.formats.format import Arithmetic
from reports.judging.budgets import recipe_budgets
from reports.judging.comparison import build_rows
from reports.judging.metrics import list_metrics
from reports.judging.shipping import Choice, choose, find_objective
from reports.judging.verdicts import Status, Verdict, judge
from reports.notation import format_number
from testpress.searching.space import Option

_OF_THE_FILE = ("size_bytes", "compressed_bytes")
"""what is known of a bundle without playing it, beside what is predicted for phones"""

Place = tuple[str, Format]
"""a phone and a format that it plays"""


class Board:
    """What is known of every option.

    Attributes:
        base: The evaluation with the source model's own numbers and no bundle.
        judged: Rows of what was played on all clips, by name.
        screened: Rows of what was made and not played, by name.
        dropped: The same of what cannot hold.
    """

    def __init__(self, base: Evaluation, options: Sequence[Option]) -> None:
        self.base = base
        self.judged: dict[str, VariantResult] = {}
        self.screened: dict[str, VariantResult] = {}
        self.dropped: dict[str, VariantResult] = {}
        self._options = {option.name: option for option in options}
        self._budgets = recipe_budgets(base)
        self._waiting = set(self._options)
        """what may still be made"""

    def drop(self, name: str) -> None:
        """Nothing is hoped of an option any more; what its siblings are likened to is kept."""
        self._waiting.discard(name)
        row = self.screened.pop(name, None)
        if row is not None:
            self.dropped[name] = row

    def screen(self, row: VariantResult) -> None:
        """An option was made."""
        self._waiting.discard(row.variant)
        self.screened[row.variant] = row

    def judge(self, row: VariantResult) -> None:
        """An option was played on all clips."""
        self.drop(row.variant)
        self.dropped.pop(row.variant, None)
        self.judged[row.variant] = row

    def choose_hopefully(self) -> tuple[Choice, ...]:
        """What would be shipped if all that is not known held every budget."""
        imagined = {name: row for name in sorted(self._waiting) if (row := self._imagine(self._options[name]))}
        hoped = {**imagined, **self.screened}
        evaluation = self._with((*self.judged.values(), *hoped.values()))
        told = self._told(evaluation)
        verdicts = tuple(_hope(one) if _is_open(one, hoped, told) else one for one in self._judge(evaluation))
        return self._choose(evaluation, verdicts)

    def choose(self) -> tuple[Choice, ...]:
        """What is shipped of all that was judged."""
        evaluation = self._with(self.judged.values())
        return self._choose(evaluation, self._judge(evaluation))

    def judge_rows(self, rows: Iterable[VariantResult]) -> tuple[Verdict, ...]:
        """The verdicts on rows as they stand."""
        return self._judge(self._with(rows))

    def list_hopeful(self) -> tuple[str, ...]:
        """What must be made or played next: the hopeful choice of each place that was not judged yet, each once.

        An option that cannot be likened to any that was made could be anything, and is hoped for.
        """
        if find_objective(self.base).name not in self._told(self.base):
            return tuple(name for name in self._options if name in self._waiting or name in self.screened)
        chosen = (one.variant for one in self.choose_hopefully())
        strange = [name for name in self._options if name in self._waiting and not self._imagine(self._options[name])]
        return tuple(dict.fromkeys([*(name for name in chosen if name and name not in self.judged), *strange]))

    def find_sure_fault(self, part: Evaluation, name: str) -> str | None:
        """Why an option that was played on some clips cannot hold on all; None where it may.

        Args:
            part: The evaluation of those clips.
            name: The option's.
        """
        metrics = list_metrics(part)
        rows = tuple(_favour(row) for row in part.variants if row.variant == name)
        clean = tuple(budget for budget in self._budgets if budget.condition in (None, CLEAN))
        judged = judge(part.model_copy(update={"variants": rows}), clean)
        for verdict in judged:
            if not verdict.blocks or verdict.variant != name or verdict.metric is None or verdict.margin is None:
                continue
            metric = metrics[verdict.metric]
            of_task = metric.scope in ("clip", "dataset")
            grows = verdict.metric == "max_abs_error"
            is_wide = metric.scope == "output" and -verdict.margin > metric.tolerance > 0
            if (of_task and verdict.score is not None and verdict.score.low is not None) or grows or is_wide:
                return _tell_best(verdict)
        return None

    def _imagine(self, option: Option) -> VariantResult | None:
        """An option that was not made: as fast as the fastest of its kind, as small as its weights' bits allow.

        None where nothing of its kind was made. One of which no time is known is like any other of its format, but that
        it has no time.
        """
        made = self._list_made(option.variant.format)
        priced, bits = option.arithmetic.is_priced, option.arithmetic.weight_bits
        kin = [row for row in made if not priced or self._arithmetic(row).kind == option.arithmetic.kind]
        if not kin:
            return None
        nearest = min(kin, key=lambda row: abs(self._arithmetic(row).weight_bits - bits))
        share = min(1.0, bits / self._arithmetic(nearest).weight_bits)
        fastest = {device: _take_best(device, kin) for device in option.devices}
        if not priced:
            fastest = {device: result and _forget_times(result) for device, result in fastest.items()}
        devices = tuple(one.model_copy(update={"runs": True}) for one in fastest.values() if one is not None)
        scores = {name: _scale(nearest.scores[name], share) for name in _OF_THE_FILE if name in nearest.scores}
        return nearest.model_copy(
            update={
                "variant": option.name,
                "precision": option.variant.precision,
                "broken": None,
                "devices": devices,
                "scores": scores,
            }
        )

    def _told(self, evaluation: Evaluation) -> set[str]:
        """The metrics that are known of a bundle that was not played."""
        metrics = list_metrics(evaluation)
        return {name for name, metric in metrics.items() if metric.scope == "phone"}.union(_OF_THE_FILE)

    def _list_made(self, format_: Format) -> list[VariantResult]:
        rows = {**self.judged, **self.screened, **self.dropped}
        return [row for row in rows.values() if row.format == format_ and row.devices]

    def _arithmetic(self, row: VariantResult) -> Arithmetic:
        return self._options[row.variant].arithmetic

    def _with(self, rows: Iterable[VariantResult]) -> Evaluation:
        return self.base.model_copy(update={"variants": tuple(rows)})

    def _judge(self, evaluation: Evaluation) -> tuple[Verdict, ...]:
        return tuple(one for one in judge(evaluation, self._budgets) if one.variant is not None)

    def _choose(self, evaluation: Evaluation, verdicts: tuple[Verdict, ...]) -> tuple[Choice, ...]:
        statuses: Mapping[tuple[str, str | None], Status | None] = {
            (row.variant, row.device): row.status for row in build_rows(evaluation, verdicts)
        }
        return choose(evaluation, verdicts, statuses)


def _tell_best(verdict: Verdict) -> str:
    """A broken budget in words, of a number that is the best that may be."""
    if verdict.value is None or verdict.limit is None or verdict.score is None:
        return f"{verdict.rule}: {verdict.reason}"
    signed, unit = verdict.limit < 0, verdict.score.unit
    best, limit = (format_number(number, unit, signed=signed) for number in (verdict.value, verdict.limit))
    return f"{verdict.rule}: {best} at best, where the limit is {limit}"


def _take_best(device: str, rows: Sequence[VariantResult]) -> DeviceResult | None:
    """A phone's result with, of each number, the least of several rows."""
    found = [result for row in rows for result in row.devices if result.device == device]
    if not found:
        return None
    names = dict.fromkeys(name for result in found for name in result.scores)
    scores = {name: min((r.scores[name] for r in found if name in r.scores), key=_order) for name in names}
    return found[0].model_copy(update={"scores": scores})


def _forget_times(result: DeviceResult) -> DeviceResult:
    reason = "nothing published tells how long it takes"
    bare = {"value": None, "low": None, "high": None, "confidence": None, "reason": reason}
    timed = {name for name, score in result.scores.items() if score.basis == "predicted" and name != "memory_bytes"}
    return result.model_copy(
        update={"scores": {n: s.model_copy(update=bare) if n in timed else s for n, s in result.scores.items()}}
    )


def _order(score: Score) -> tuple[bool, float]:
    return score.value is None, score.value or 0.0


def _scale(score: Score, share: float) -> Score:
    return score if score.value is None else score.model_copy(update={"value": score.value * share})


def _is_open(verdict: Verdict, hoped: Mapping[str, VariantResult], told: set[str]) -> bool:
    """Whether a verdict is on a number that is still missing."""
    return verdict.variant in hoped and verdict.metric is not None and verdict.metric not in told


def _hope(verdict: Verdict) -> Verdict:
    return verdict.model_copy(update={"status": "passed"})


def _favour(row: VariantResult) -> VariantResult:
    """The row with every interval shrunk to the end that is best for it."""
    return row.model_copy(
        update={
            "scores": {name: _favour_score(score) for name, score in row.scores.items()},
            "differences": {name: _favour_score(score) for name, score in row.differences.items()},
        }
    )


def _favour_score(score: Score) -> Score:
    end = score.high if score.direction == "higher" else score.low
    return score if end is None else score.model_copy(update={"value": end, "low": end, "high": end})
