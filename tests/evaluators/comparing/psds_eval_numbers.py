"""What psds_eval says of drawn datasets, printed as `PSDS_EVAL` in test_psds.py holds it.

pip install psds-eval==0.5.3 "pandas<3" "numpy<2.4"
python -W ignore -m tests.evaluators.comparing.psds_eval_numbers
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

POINTS = 50
RULES: dict[str, dict[str, float]] = {
    "dcase_scenario1": {"dtc": 0.7, "gtc": 0.7, "cttc": 0.3, "alpha_ct": 0, "alpha_st": 1, "max_efpr": 100},
    "dcase_scenario2": {"dtc": 0.1, "gtc": 0.1, "cttc": 0.3, "alpha_ct": 0.5, "alpha_st": 1, "max_efpr": 100},
    "short curve": {"dtc": 0.3, "gtc": 0.6, "cttc": 0.2, "alpha_ct": 1, "alpha_st": 0, "max_efpr": 2000},
}
SEEDS = (1, 2, 3)
Rows = list[tuple[float, float, int]]
"""start, end, class"""


@dataclass(frozen=True)
class Dataset:
    """Clips with their events, and what a detector that errs finds at each of its operating points."""

    classes: int
    durations_s: list[float]
    labels: list[Rows]
    """of each clip"""
    points: list[list[Rows]]
    """of each operating point, each clip"""


def draw_dataset(seed: int) -> Dataset:
    """Events are found late, in pieces, or as another class; fewer at higher thresholds. None is of class 4."""
    chance = random.Random(seed)
    durations_s = [chance.uniform(4, 12) for _ in range(6)]
    labels = [_draw_events(chance, duration_s) for duration_s in durations_s]
    scored = [_err(chance, rows, duration_s) for rows, duration_s in zip(labels, durations_s, strict=True)]
    points = [
        [_drop_overlaps([row for level, row in clip if level > (point + 0.5) / POINTS]) for clip in scored]
        for point in range(POINTS)
    ]
    return Dataset(5, durations_s, labels, points)


def _draw_events(chance: random.Random, duration_s: float) -> Rows:
    rows = []
    for column in range(4):
        edges = sorted(chance.uniform(0, duration_s) for _ in range(2 * chance.randrange(3)))
        rows += [(start, end, column) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return rows


def _err(chance: random.Random, rows: Rows, duration_s: float) -> list[tuple[float, tuple[float, float, int]]]:
    found = []
    for start, end, column in rows:
        length = end - start
        early, late = (chance.gauss(0, 0.15 * length) for _ in range(2))
        piece = (max(start + early, 0), min(end + late, duration_s), column)
        other = (start + 0.2 * length, end, chance.randrange(5))
        found += [(chance.betavariate(3, 1.5), piece), (chance.betavariate(1.5, 3), other)]
    for _ in range(3):
        start = chance.uniform(0, duration_s - 1)
        found.append((chance.betavariate(1, 3), (start, start + chance.uniform(0.1, 1), chance.randrange(5))))
    return found


def _drop_overlaps(rows: Rows) -> Rows:
    kept: Rows = []
    for row in rows:
        if row[0] < row[1] and not any(row[2] == one[2] and row[0] < one[1] and one[0] < row[1] for one in kept):
            kept.append(row)
    return kept


def _tabulate(clips: list[Rows]) -> Any:
    import pandas as pd

    rows = [(f"{clip}.wav", start, end, str(column)) for clip, rows in enumerate(clips) for start, end, column in rows]
    return pd.DataFrame(rows, columns=["filename", "onset", "offset", "event_label"])


def ask_psds_eval(dataset: Dataset, rules: dict[str, float]) -> float:
    """The package's own number."""
    import pandas as pd
    from psds_eval import PSDSEval

    lengths = [(f"{clip}.wav", duration_s) for clip, duration_s in enumerate(dataset.durations_s)]
    judge = PSDSEval(
        rules["dtc"],
        rules["gtc"],
        rules["cttc"],
        ground_truth=_tabulate(dataset.labels),
        metadata=pd.DataFrame(lengths, columns=["filename", "duration"]),
    )
    for clips in dataset.points:
        judge.add_operating_point(_tabulate(clips))
    return float(judge.psds(rules["alpha_ct"], rules["alpha_st"], rules["max_efpr"]).value)


if __name__ == "__main__":
    for seed in SEEDS:
        for name, rules in RULES.items():
            print(f"    ({seed}, {name!r}): {ask_psds_eval(draw_dataset(seed), rules)!r},")  # noqa: T201
