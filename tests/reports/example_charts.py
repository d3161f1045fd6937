"""The example evaluation with charts of a whole dataset, drawn by the tasks themselves of scores that are made up."""

from __future__ import annotations

import numpy as np

from evaluators.chart_records import Charts
from evaluators.evaluation import Evaluation
from evaluators.task import ClipContext
from evaluators.tasks.embedding import Embedding
from evaluators.tasks.keyword import Keyword, KeywordOptions
from evaluators.tasks.tagging import Tagging, TaggingOptions
from evaluators.windows import Stitched

CLIPS = 200
STEP_S = 0.1


def make_charts(noise: float, classes: tuple[str, ...], seed: int = 7) -> Charts:
    """ROC and DET curves of each kind of axis, a matrix and a table.

    Args:
        noise: How far scores lie from what is right.
        classes: Their names.
        seed: Of what is made up.
    """
    draws = np.random.default_rng(seed)
    labels = np.sort(draws.integers(0, len(classes), CLIPS))
    scores = np.eye(len(classes))[labels] + noise * draws.normal(size=(CLIPS, len(classes)))
    single = Tagging(TaggingOptions(classes=classes, single_label=True)).draw_dataset(
        [((int(label),), row) for label, row in zip(labels, scores, strict=True)]
    )
    several = Tagging(TaggingOptions(classes=classes)).draw_dataset(
        [((int(label),), row) for label, row in zip(labels, scores, strict=True)]
    )
    embeddings = Embedding().draw_dataset(
        [(classes[label], row / np.linalg.norm(row)) for label, row in zip(labels, scores, strict=True)]
    )
    curves = (*several.curves, *embeddings.curves, *_draw_keywords(noise, draws).curves)
    return Charts(curves=curves, confusion=single.confusion, classes=single.classes)


def _draw_keywords(noise: float, draws: np.random.Generator) -> Charts:
    task = Keyword(KeywordOptions())
    pairs = []
    for clip in range(20):
        said_s = [[6.0, 7.0]] if clip % 2 else []
        values = draws.random(100) ** 3 * (0.4 + noise)
        if said_s:
            values[65] = 1 - noise * draws.random()
        stitched = Stitched(values.clip(0, 1)[:, None], np.arange(100) * STEP_S, "frames")
        pairs.append(
            (task.parse_labels({"keywords": said_s}, ClipContext(10.0, "x:1")), task.decode({"keyword": stitched}))
        )
    return task.draw_dataset(pairs)


def add_charts(evaluation: Evaluation, classes: tuple[str, ...] = ("dog", "cat", "bell", "rain", "wind")) -> Evaluation:
    """Charts of the source model and of every bundle that has a result; the first two bundles' are the source's."""
    variants = []
    for number, variant in enumerate(evaluation.variants):
        noise = 0.4 if number < 2 else 0.4 + 0.05 * number
        charts = None if variant.failure is not None else make_charts(noise, classes)
        variants.append(variant.model_copy(update={"charts": charts}))
    source = evaluation.source.model_copy(update={"charts": make_charts(0.4, classes)})
    return evaluation.model_copy(update={"source": source, "variants": tuple(variants)})
