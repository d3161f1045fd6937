"""A run of the history: one line of `history.jsonl`, which holds an evaluation's numbers without its clips.

A line is small (7 kB of seven bundles, each on two phones), says all that is needed to read it, and does not depend on
the lines around it, so that two files are merged by taking the lines of both (`history.jsonl merge=union` for git).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pydantic

from device_profiles.record import Record, dump_json, validate_json
from device_profiles.text import shorten
from evaluators.evaluation import PARITY_NUMBERS, TIMINGS, Evaluation, VariantResult
from evaluators.identity import Identity, shorten_commit
from evaluators.score import Basis, Direction, Score
from packager.bounds import Digest
from packager.storage import digest_bytes
from reports.errors import ReportError
from reports.judging.metrics import find_score, list_metrics

SCHEMA_VERSION: Literal[1] = 1
_DIGITS = 9
_MOST_NAMES = 4096

Numbers = Annotated[tuple[float, ...], pydantic.Field(min_length=1, max_length=3)]
"""the value alone, or value, low and high end of its interval"""
Named = Annotated[dict[str, Numbers], pydantic.Field(max_length=_MOST_NAMES)]


class MetricLine(Record):
    """How a metric's numbers in the line are to be read."""

    unit: Annotated[str, pydantic.Field(max_length=100)]
    direction: Direction
    basis: Basis
    confidence: Annotated[float, pydantic.Field(gt=0, lt=1)] | None = None
    """of the intervals"""
    machine_bound: bool = False
    """whether another machine gives another number"""


class BundleLine(Record):
    """A bundle's numbers."""

    scores: Named = {}
    """by metric: the task's, sizes, the worst output's parity, times on the host"""
    phones: Annotated[dict[str, Named], pydantic.Field(max_length=_MOST_NAMES)] = {}
    """by phone and metric"""

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> BundleLine:
        for named in (self.scores, *self.phones.values()):
            for metric, numbers in named.items():
                if len(numbers) == 2 or (len(numbers) == 3 and numbers[1] > numbers[2]):
                    raise ValueError(f"{metric[:100]!r} has a value, or a value, a low and a high end")
        return self


class Run(Record):
    """One evaluation, as the history keeps it."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: Digest
    """over the evaluation: the same one is one run however often it is added"""
    model: str
    model_version: str
    created: str
    """when it was evaluated, ISO 8601; without a zone it is UTC"""
    identity: Identity | None = None
    testpress_version: str
    dataset_sha256: str
    machine: str
    """the processor that evaluated"""
    metrics: Annotated[dict[str, MetricLine], pydantic.Field(max_length=_MOST_NAMES)]
    phones: Annotated[dict[str, str], pydantic.Field(max_length=_MOST_NAMES)] = {}
    """profile identifier → the phone's name"""
    source: BundleLine
    """the source model on the same clips"""
    bundles: Annotated[dict[str, BundleLine], pydantic.Field(max_length=_MOST_NAMES)]

    @pydantic.model_validator(mode="after")
    def _coherent(self) -> Run:
        _read_time(self.created)
        for line in (self.source, *self.bundles.values()):
            for named in (line.scores, *line.phones.values()):
                strange = next((metric for metric in named if metric not in self.metrics), None)
                if strange is not None:
                    raise ValueError(f"nothing says how to read the metric {strange[:100]!r}")
        return self

    @property
    def time(self) -> dt.datetime:
        """When its commit was made, else when it was evaluated: what the history is in the order of."""
        committed = None if self.identity is None else self.identity.committed
        return _read_time(committed or self.created)

    @property
    def made(self) -> dt.datetime:
        """When it was evaluated."""
        return _read_time(self.created)

    @property
    def order(self) -> tuple[dt.datetime, dt.datetime, str]:
        """By time, and runs of one commit by when they were made; never by the line they stand on."""
        return self.time, self.made, self.run

    @property
    def words(self) -> str:
        """Its commit and branch, or when it was made."""
        return (self.identity.words if self.identity else "") or f"made {shorten(self.created, 40)}"

    @property
    def commit(self) -> str | None:
        """The commit's first digits."""
        found = None if self.identity is None else self.identity.commit
        return None if found is None else shorten_commit(found)


def summarize_run(evaluation: Evaluation) -> Run:
    """What the history keeps of an evaluation.

    Raises:
        ReportError: Its `created` is no time.
    """
    known = list_metrics(evaluation)
    metrics: dict[str, MetricLine] = {}

    def take(scores: Iterator[tuple[str, Score]]) -> Named:
        named: Named = {}
        for metric, score in scores:
            numbers = _number(score)
            if numbers is not None:
                bound = metric in known and known[metric].machine_bound
                metrics.setdefault(metric, _describe(score, bound))
                if metrics[metric].unit == score.unit:  # what one metric's name says must be one thing
                    named[metric] = numbers
        return dict(sorted(named.items()))

    source = BundleLine(scores=take(iter(evaluation.source.scores.items())))
    bundles = {
        variant.variant: BundleLine(
            scores=take(_list_scores(variant)),
            phones={result.device: take(iter(result.scores.items())) for result in variant.devices},
        )
        for variant in evaluation.variants
    }
    data = {
        "run": digest_bytes(dump_json(evaluation).encode()),
        "model": evaluation.model.name,
        "model_version": evaluation.model.version,
        "created": evaluation.created,
        "identity": None if evaluation.identity is None else evaluation.identity.model_dump(mode="json"),
        "testpress_version": evaluation.testpress_version,
        "dataset_sha256": evaluation.dataset.sha256,
        "machine": evaluation.environment.processor,
        "metrics": {name: line.model_dump(mode="json") for name, line in sorted(metrics.items())},
        "phones": dict(evaluation.device_names),
        "source": source.model_dump(mode="json"),
        "bundles": {name: line.model_dump(mode="json") for name, line in bundles.items()},
    }
    return validate_json(json.dumps(data), Run, where="the evaluation", error=ReportError)


def write_line(run: Run) -> str:
    """The run as one line of `history.jsonl`, with its end. The same run gives the same bytes."""
    data = _drop_defaults(run.model_dump(mode="json"))
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False) + "\n"


def _drop_defaults(data: dict[str, Any]) -> dict[str, Any]:
    identity = data["identity"]
    data["identity"] = identity and {key: value for key, value in identity.items() if value is not None}
    metrics = {
        name: {key: value for key, value in line.items() if value not in (None, False)}
        for name, line in data["metrics"].items()
    }
    return {**{key: value for key, value in data.items() if value is not None}, "metrics": metrics}


def _list_scores(variant: VariantResult) -> Iterator[tuple[str, Score]]:
    """A bundle's own numbers: what it was scored, the worst output's parity, times on the host."""
    found = dict(variant.scores)
    for metric, scope in (*((name, "output") for name in PARITY_NUMBERS), *((name, "host") for name in TIMINGS)):
        score = find_score(variant, metric, "output" if scope == "output" else "host").score
        if score is not None:
            found.setdefault(metric, score)
    yield from found.items()


def _describe(score: Score, machine_bound: bool) -> MetricLine:
    return MetricLine(
        unit=score.unit[:100],
        direction=score.direction,
        basis=score.basis,
        confidence=score.confidence,
        machine_bound=machine_bound,
    )


def _number(score: Score) -> Numbers | None:
    if score.value is None:
        return None
    ends = () if score.low is None or score.high is None else (score.low, score.high)
    return tuple(float(f"{number:.{_DIGITS}g}") for number in (score.value, *ends))


def _read_time(text: str) -> dt.datetime:
    """A time in UTC.

    Raises:
        ValueError: It is none. (Pydantic makes it a ReportError with the place.)
    """
    try:
        time = dt.datetime.fromisoformat(text)
        return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
    except (OverflowError, ValueError):
        raise ValueError(f"created: {text[:60]!r} is no time of ISO 8601, such as 2026-11-30T02:15:41+00:00") from None
