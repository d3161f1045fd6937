"""`metrics.txt`: every number of the evaluation in the OpenMetrics text format, which GitLab compares between branches.

A metric is a gauge named `testpress_<metric>_<unit>` in base units (seconds, bytes). What has no value is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from device_profiles.naming import number_repeats
from device_profiles.text import clean_text
from evaluators.evaluation import VariantResult
from evaluators.metrics import BUILT_IN
from evaluators.score import Score
from reports.judging.comparison import Comparison
from reports.judging.metrics import find_score

FILE_NAME = "metrics.txt"

# a score's unit → OpenMetrics' name of the base unit, and how many of it one is; others stand as they are
_UNITS = {
    "count": ("", 1.0),  # what is counted needs no unit, and a suffix of that name is a histogram's
    "ns": ("seconds", 1e-9),
    "us": ("seconds", 1e-6),
    "ms": ("seconds", 1e-3),
    "s": ("seconds", 1.0),
    "bytes": ("bytes", 1.0),
    "db": ("decibels", 1.0),
    "ratio": ("ratio", 1.0),
    "dimensionless": ("", 1.0),
}
_UNFIT = re.compile(r"[^a-zA-Z0-9_]+")


@dataclass(frozen=True)
class _Sample:
    """One number and where it was found."""

    metric: str
    score: Score
    variant: VariantResult
    phone: str | None = None


def render(report: Comparison) -> str:
    """The evaluation's numbers, one family a metric, labelled with model, bundle, phone, precision and basis."""
    variants = report.evaluation.variants
    bundles = number_repeats(_label(variant.variant) for variant in variants)
    families: dict[tuple[str, str], list[tuple[str, _Sample]]] = {}
    for bundle, variant in zip(bundles, variants, strict=True):
        for sample in _samples(variant):
            families.setdefault(_family(sample), []).append((bundle, sample))
    lines: list[str] = []
    taken: set[str] = set()
    for (plain, unit), members in sorted(families.items()):
        name = _find_free(plain, unit, taken)
        taken.add(name)
        metrics = dict.fromkeys(sample.metric for _, sample in members)
        lines += _describe(name, unit, f"{', '.join(metrics)}; {members[0][1].score.direction} is better")
        model, several = report.evaluation.model.name, len(metrics) > 1
        texts = {_labels(bundle, sample, model, say=several): _value(sample.score) for bundle, sample in members}
        lines += [f"{name}{{{labels}}} {value}" for labels, value in texts.items()]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _samples(variant: VariantResult) -> Iterator[_Sample]:
    found = dict(variant.scores)
    found |= {f"{metric}_difference": score for metric, score in variant.differences.items()}
    for metric, info in BUILT_IN.items():
        score = find_score(variant, metric, info.scope).score if info.scope in ("output", "host") else None
        if score is not None:
            found.setdefault(metric, score)
    yield from (_Sample(metric, score, variant) for metric, score in found.items() if score.value is not None)
    for result in variant.devices:
        for metric, score in result.scores.items():
            if score.value is not None:
                yield _Sample(metric, score, variant, result.device)


def _family(sample: _Sample) -> tuple[str, str]:
    """Name and unit; the unit is said once, for "latency_ms" is latency in seconds here."""
    written = sample.score.unit
    unit = _UNITS.get(written, (_UNFIT.sub("_", written).strip("_"), 1.0))[0]
    stem = _UNFIT.sub("_", sample.metric).removesuffix(f"_{written}").removesuffix(f"_{unit}") or "metric"
    return f"testpress_{stem}_{unit}" if unit else f"testpress_{stem}", unit


def _find_free(name: str, unit: str, taken: set[str]) -> str:
    """A name that no other family has, for a ratio "a" and a bare "a_ratio" are two; a unit stays at the end."""
    suffix = f"_{unit}" if unit else ""
    stem, unique, count = name.removesuffix(suffix), name, 1
    while unique in taken:
        count += 1
        unique = f"{stem}_{count}{suffix}"
    return unique


def _describe(name: str, unit: str, text: str) -> list[str]:
    units = [f"# UNIT {name} {unit}"] if unit else []
    return [f"# TYPE {name} gauge", *units, f"# HELP {name} {_escape(clean_text(text))}"]


def _labels(bundle: str, sample: _Sample, model: str, *, say: bool) -> str:
    """The labels of a sample; `say` adds the metric, where several have become one family."""
    pairs = {
        "model": _label(model),
        "bundle": bundle,
        "phone": None if sample.phone is None else _label(sample.phone),
        "precision": _label(sample.variant.precision),
        "basis": sample.score.basis,
        "metric": _label(sample.metric) if say else None,
    }
    return ",".join(f'{name}="{_escape(value)}"' for name, value in pairs.items() if value is not None)


def _label(text: str) -> str:
    """GitLab cuts every line at its first `#`, label or not, and then refuses the whole file for an open quote."""
    return clean_text(text).replace("#", "_")


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _value(score: Score) -> str:
    assert score.value is not None
    return f"{score.value * _UNITS.get(score.unit, ('', 1.0))[1]:.12g}"
