"""What the gate against a baseline misses, and how often it cries wolf.

    python -m benchmarks.regression_gate --runs 200
    python -m benchmarks.regression_gate examples/basic_pitch/testpress-out/evaluation.json

Planted: every kind of regression on each bundle in turn; each must be caught. Unchanged: the clips are drawn anew with
replacement, and each bundle's scores on them are the source's plus that bundle's own departures from it, with signs by
chance on either side, so that clips differ as they do between two equally good models and nothing is worse. A run with
any verdict against it is a false alarm. Without a file, the example evaluation of the tests is used.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from evaluators.comparing.statistics import aggregate
from evaluators.evaluation import ClipScores, Evaluation, VariantResult
from evaluators.score import Score
from reports.judging.comparison import compare, load_evaluation

Bend = Callable[[VariantResult], VariantResult | None]

DROP, SIZE, LATENCY, WIDER = 0.02, 1.05, 1.5, 3.0


def main(arguments: list[str]) -> int:
    """Print both rates; the exit code is 1 when a regression is missed or over 5 % of the runs are false alarms."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regression_gate", description=__doc__)
    parser.add_argument("evaluation", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args(arguments)
    evaluation = _sound(_load(options.evaluation))
    caught, planted = 0, 0
    for name, now in _plant(evaluation):
        found = _is_alarm(now, evaluation)
        planted, caught = planted + 1, caught + found
        if not found:
            print(f"missed: {name}")
    print(f"planted regressions caught: {caught} of {planted}")
    alarms = sum(_is_alarm(*_redraw(evaluation, seed)) for seed in range(options.runs))
    print(f"false alarms: {alarms} of {options.runs} unchanged runs ({alarms / options.runs:.1%})")
    return int(caught < planted or alarms > 0.05 * options.runs)


def _load(path: Path | None) -> Evaluation:
    if path is not None:
        return load_evaluation(path)
    from tests.reports.example_evaluation import make_evaluation

    return make_evaluation()


def _sound(evaluation: Evaluation) -> Evaluation:
    variants = tuple(one for one in evaluation.variants if one.failure is None)
    return evaluation.model_copy(update={"variants": variants})


def _is_alarm(now: Evaluation, before: Evaluation) -> bool:
    verdicts = compare(now, before, budgets=()).verdicts
    return any(verdict.blocks and "baseline" in verdict.rule for verdict in verdicts)


def _plant(evaluation: Evaluation) -> Iterator[tuple[str, Evaluation]]:
    bends: dict[str, Bend] = {
        "accuracy": lambda variant: _map_clips(variant, _worsen),
        "size": lambda variant: _map_scores(variant, "size_bytes", SIZE),
        "latency": _slow_down,
        "a bundle is missing": lambda _: None,
        "the interval is wider": _widen,
    }
    for variant in evaluation.variants:
        for name, bend in bends.items():
            bent = (bend(one) if one is variant else one for one in evaluation.variants)
            variants = tuple(one for one in bent if one is not None)
            yield f"{name}: {variant.variant}", evaluation.model_copy(update={"variants": variants})


def _worsen(score: Score) -> Score:
    return _shift(score, -DROP if score.direction == "higher" else DROP)


def _shift(score: Score, by: float) -> Score:
    return score if score.value is None else score.model_copy(update={"value": score.value + by})


def _map_clips(variant: VariantResult, change: Callable[[Score], Score]) -> VariantResult:
    clips = tuple(
        clip.model_copy(update={"scores": {metric: change(score) for metric, score in clip.scores.items()}})
        for clip in variant.clips
    )
    return _aggregate(variant, clips)


def _aggregate(variant: VariantResult, clips: tuple[ClipScores, ...]) -> VariantResult:
    means = {m: aggregate([clip.scores[m] for clip in clips]) for m in clips[0].scores if m in variant.scores}
    return variant.model_copy(update={"clips": clips, "scores": {**variant.scores, **means}})


def _map_scores(variant: VariantResult, metric: str, factor: float) -> VariantResult:
    score = variant.scores[metric]
    score = score.model_copy(update={"value": (score.value or 0) * factor})
    return variant.model_copy(update={"scores": {**variant.scores, metric: score}})


def _slow_down(variant: VariantResult) -> VariantResult:
    devices = []
    for device in variant.devices:
        score = device.scores["latency_ms"]
        ends = {end: getattr(score, end) * LATENCY for end in ("value", "low", "high")}
        devices.append(
            device.model_copy(update={"scores": {**device.scores, "latency_ms": score.model_copy(update=ends)}})
        )
    return variant.model_copy(update={"devices": tuple(devices)})


def _widen(variant: VariantResult) -> VariantResult:
    scores = dict(variant.scores)
    for metric, score in scores.items():
        if score.value is not None and score.low is not None and score.high is not None:
            ends = {end: score.value + WIDER * (getattr(score, end) - score.value) for end in ("low", "high")}
            scores[metric] = score.model_copy(update=ends)
    return variant.model_copy(update={"scores": scores})


def _redraw(evaluation: Evaluation, seed: int) -> tuple[Evaluation, Evaluation]:
    """Two evaluations of the same drawn clips in which nothing is worse than in the other."""
    source = random.Random(seed)
    drawn = [source.randrange(len(evaluation.source.clips)) for _ in evaluation.source.clips]
    pairs = [_redraw_variant(evaluation, variant, drawn, source) for variant in evaluation.variants]
    before, now = (evaluation.model_copy(update={"variants": tuple(side)}) for side in zip(*pairs, strict=True))
    return now, before


def _redraw_variant(
    evaluation: Evaluation, variant: VariantResult, drawn: list[int], source: random.Random
) -> tuple[VariantResult, VariantResult]:
    sides: tuple[list[ClipScores], list[ClipScores]] = ([], [])
    for place, index in enumerate(drawn):
        reference, own = evaluation.source.clips[index], variant.clips[index]
        for side in sides:
            scores = {}
            for metric, base in reference.scores.items():
                score = own.scores[metric]
                departure = 0.0 if score.value is None or base.value is None else score.value - base.value
                scores[metric] = _shift(base, source.choice((-1, 1)) * departure)
            side.append(own.model_copy(update={"clip": f"{place}", "scores": scores}))
    before, now = (_aggregate(variant, tuple(side)) for side in sides)
    return before, now


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
