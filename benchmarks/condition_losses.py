"""How often "loses more than its source" is said of bundles that do not, and how often of one that does.

    python -m benchmarks.condition_losses --runs 200
    python -m benchmarks.condition_losses --runs 200 --clips 12 --bundles 6 --conditions 8
    python -m benchmarks.condition_losses EVALUATION.json --metric note_f1
    python -m benchmarks.condition_losses --planted-bundle --runs 200 --clips 80

Unchanged: each run draws a dataset whose clips lose much and differently under every condition, and bundles that
depart from their source by chance alone, as float16 does: nothing on most clips, something on a few, as often up as
down. A run with any bundle accused under any condition is a false alarm; over 5 % of the runs the exit code is 1. With
an evaluation the clips are its own, and the chance departures are those of its bundles, with signs drawn anew. Planted:
one of the bundles loses `--loss` more on average under one condition; how often that bundle is named is the power.

With `--planted-bundle` nothing is simulated: a small network is fitted; its first layer rounded to 3 bits makes the
planted bundle, and to 8 bits the unchanged one (`benchmarks/planted_bundle.py`). Each run draws new clips and plays all
three on them as they are, and in white noise of 30 and 10 dB. The planted bundle is to be named at 10 dB and not to be
told by its clean score.

A run takes about 20 ms for each bundle and condition: the default takes about a minute.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.planted_bundle import (
    BITS,
    UNCHANGED_BITS,
    add_noise,
    make_clips,
    round_first_layer,
    score,
    train,
)
from evaluators.comparing.condition_losses import SIGNIFICANCE, ClipPair, adjust_losses, compare_clips
from evaluators.comparing.statistics import paired_p_value
from evaluators.evaluation import ExtraLoss
from evaluators.score import MetricInfo, Score
from reports.judging.comparison import load_evaluation

Values = npt.NDArray[np.float64]
SNRS_DB = (30, 10)
METRIC = MetricInfo(unit="ratio", direction="higher", scope="clip")


def main(arguments: list[str]) -> int:
    """Print what was asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.condition_losses", description=__doc__)
    parser.add_argument("evaluation", nargs="?", type=Path)
    parser.add_argument("--metric", help="of the evaluation; default: its leading one")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--clips", type=int, default=28)
    parser.add_argument("--bundles", type=int, default=3)
    parser.add_argument("--conditions", type=int, default=4)
    parser.add_argument("--loss", type=float, default=0.02)
    parser.add_argument("--planted-bundle", action="store_true")
    options = parser.parse_args(arguments)
    return play_planted(options) if options.planted_bundle else simulate(options)


def play_planted(options: argparse.Namespace) -> int:
    """Print how often the planted bundle is named, by what, and how often the unchanged one."""
    source = train()
    bundles = {str(bits): round_first_layer(source, bits) for bits in (BITS, UNCHANGED_BITS)}
    planted, unchanged = bundles
    named_at = {snr_db: {planted: 0, unchanged: 0} for snr_db in SNRS_DB}
    clean_named, alarms, means = 0, 0, np.zeros((2, 2))
    for seed in range(options.runs):
        clips = make_clips(options.clips, np.random.default_rng([seed, 1]))
        clean = {name: score(network, clips) for name, network in {"source": source, **bundles}.items()}
        losses = {}
        for snr_db in SNRS_DB:
            noisy = add_noise(clips, snr_db)
            own = score(source, noisy)
            for name, network in bundles.items():
                here = score(network, noisy)
                losses[name, str(snr_db)] = compare_clips(_pair(clean["source"], clean[name]), _pair(own, here))
                if (name, snr_db) == (planted, min(SNRS_DB)):
                    means += [[clean["source"].mean(), clean[name].mean()], [own.mean(), here.mean()]]
        said = judge(losses, METRIC)
        for name, snr_db in said:
            named_at[int(snr_db)][name] += 1
        alarms += any(name == unchanged for name, _ in said)
        p_value = paired_p_value(clean["source"].tolist(), clean[planted].tolist())
        clean_named += bool(p_value is not None and p_value < SIGNIFICANCE)
    runs, worst = options.runs, min(SNRS_DB)
    (clean_own, clean_bundle), (noisy_own, noisy_bundle) = means / runs
    print(
        f"clean: source {clean_own:.4f}, planted bundle {clean_bundle:.4f}; told apart in {clean_named} of {runs} runs"
    )
    print(f"{worst} dB: source {noisy_own:.4f}, planted bundle {noisy_bundle:.4f}")
    for snr_db, counts in named_at.items():
        print(
            f"said to lose more at {snr_db} dB: planted {counts[planted]}, unchanged {counts[unchanged]} of {runs} runs"
        )
    print(f"false alarms: {alarms} of {runs} runs of the unchanged bundle ({alarms / runs:.1%})")
    return int(max(alarms, clean_named) > 0.05 * runs or named_at[worst][planted] < 0.8 * runs)


def simulate(options: argparse.Namespace) -> int:
    """Print both rates, of scores that are drawn."""
    real = None if options.evaluation is None else read_clips(options.evaluation, options.metric)
    alarms = caught = others = 0
    for seed in range(options.runs):
        random = np.random.default_rng(seed)
        source, departures = real if real is not None else (random.beta(8, 2, options.clips), None)
        alarms += bool(judge(draw(source, departures, options, random), METRIC))
        named = judge(draw(source, departures, options, random, planted=True), METRIC)
        caught += ("0", "0") in named
        others += bool(named - {("0", "0")})
    runs = options.runs
    print(f"false alarms: {alarms} of {runs} runs of unchanged bundles ({alarms / runs:.1%})")
    print(f"a planted loss of {options.loss:g} was named in {caught} of {runs} runs ({caught / runs:.1%})")
    print(f"another bundle or condition was named beside it in {others} of {runs} runs")
    return int(alarms > 0.05 * runs)


def read_clips(path: Path, metric: str | None) -> tuple[Values, Values]:
    """The source's scores of an evaluation's clips, and how its bundles depart from them, `(bundles, clips)`."""
    evaluation = load_evaluation(path)
    name = metric or evaluation.leading_metric or next(iter(evaluation.source.scores))
    rows = [evaluation.source, *(variant for variant in evaluation.variants if variant.clips)]
    scores = [[clip.scores[name].value for clip in row.clips] for row in rows]
    present = [column for column in zip(*scores, strict=True) if None not in column]
    table = np.array(present, np.float64).T
    return table[0], table[1:] - table[0]


def draw(
    source: Values,
    departures: Values | None,
    options: argparse.Namespace,
    random: np.random.Generator,
    planted: bool = False,
) -> dict[tuple[str, str], ExtraLoss]:
    """One evaluation's losses, before any adjustment."""
    losses = {}
    chosen = random.integers(0, len(source), len(source))
    clean = source[chosen]
    under = [clean - random.uniform(0, 0.4) * random.beta(2, 2, len(clean)) for _ in range(options.conditions)]
    for bundle in range(options.bundles):

        def depart(bundle: int = bundle) -> Values:
            if departures is None:
                return random.normal(0, 0.03, len(clean)) * (random.random(len(clean)) < 0.3)
            found = departures[bundle % len(departures)][chosen]
            return found * random.choice([-1.0, 1.0], len(found))

        before = _pair(clean, clean + depart())
        for number, here in enumerate(under):
            loss = random.uniform(0, 2 * options.loss, len(clean)) if planted and bundle == number == 0 else 0.0
            losses[str(bundle), str(number)] = compare_clips(before, _pair(here, here + depart() - loss))
    return losses


def judge(losses: dict[tuple[str, str], ExtraLoss], metric: MetricInfo) -> set[tuple[str, str]]:
    """Which bundles are said to lose more, under which condition."""
    judged = adjust_losses({key: {"score": loss} for key, loss in losses.items()}, {"score": metric})
    return {key for key, one in judged.items() if one["score"].loses_more}


def _pair(source: Values, bundle: Values) -> ClipPair:
    sides = (
        [Score(value=float(v), unit="ratio", direction="higher", basis="emulated") for v in side]
        for side in (source, bundle)
    )
    return ClipPair(*sides)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
