"""`drift/<bundle>.json`: where a bundle departs from its reference, as node data for Google's Model Explorer.

The file is what Model Explorer documents as custom node data: by graph, then by the name of a node's output, a value,
and the gradient that colours it. A value is the error that putting the op right, and what stands between it and the
op listed before it, takes from the outputs; `evaluators/formats/coreml/drift.py` says how that is found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from device_profiles.naming import file_stem, number_repeats
from evaluators.drift_records import Drift
from reports.judging.comparison import Comparison

FOLDER = "drift"
_GRAPH = "main"
"""the name of an ML Program's function, and of a model's first graph in Model Explorer"""
_GRADIENT = (
    {"stop": 0, "bgColor": "#ffffff", "textColor": "#000000"},
    {"stop": 0.5, "bgColor": "#fdae61", "textColor": "#000000"},
    {"stop": 1, "bgColor": "#b2182b", "textColor": "#ffffff"},
)


def render(report: Comparison) -> Mapping[str, str]:
    """File name → text, for each bundle that has a drift; names are made fit for a file."""
    drifts = [(each.variant, each.drift) for each in report.evaluation.variants if each.drift and each.drift.steps]
    # file systems that know no difference between a and A must not lose one of two
    stems = number_repeats((file_stem(variant) for variant, _ in drifts), key=str.casefold)
    return {f"{stem}.json": _node_data(drift) for stem, (_, drift) in zip(stems, drifts, strict=True)}


def _node_data(drift: Drift) -> str:
    results: dict[str, dict[str, float]] = {}
    lowest = drift.output_error
    for step in drift.steps:
        results[step.op] = {"value": max(0.0, lowest - step.error_after)}
        lowest = min(lowest, step.error_after)
    data = {_GRAPH: {"results": results, "gradient": _GRADIENT}}
    return json.dumps(data, indent=2, allow_nan=False) + "\n"
