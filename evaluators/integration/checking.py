"""What an app made of a bundle's vectors, held against the vectors value by value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.record import Record, suggest
from evaluators.errors import EvaluationError
from evaluators.integration.app import read_values
from evaluators.integration.tolerances import distance, margin_db
from packager.bundle import Bundle
from packager.vector_records import VERIFY, GoldenVector, Tolerance, VectorTensor


class ValueCheck(Record):
    """One array that an app made of a vector, beside what the vector holds."""

    vector: str
    name: str
    """an output, or a stage before it: "recording/samples", "inputs/features\""""
    file: str
    """below `verify/`, and below the folder of an app"""
    snr_db: float | None = None
    """10 log10(sum expected² / sum difference²), higher is better; none where none is to be had"""
    max_abs_error: float | None = None
    least_snr_db: float | None = None
    """the tolerance"""
    largest_error: float | None = None
    """the tolerance"""
    margin_db: float | None = None
    """how much is left, by the nearer of both limits; below 0 it is broken; none where nothing differs"""
    asks_little: bool = False
    """whether zeros would pass: rounding alone changes as much as there is"""
    holds: bool
    reason: str | None = None
    """why there is no margin: "identical", or why nothing is comparable"""


def choose_runtime(bundle: Bundle, asked: str | None) -> str:
    """Whose tolerances count: as asked, else those of the runtime that the vectors were recorded on.

    Raises:
        EvaluationError: The vectors hold no outputs of the bundle, or no tolerance for that runtime.
    """
    names = list(
        dict.fromkeys(
            tolerance.runtime
            for vector in bundle.manifest.vectors
            for tensor in vector.outputs.values()
            for tolerance in tensor.tolerances
        )
    )
    if not names:
        raise EvaluationError(
            f"{bundle.path}: its vectors hold no outputs of the bundle itself, only of its source; package it anew"
        )
    if asked is not None and asked not in names:
        raise EvaluationError(
            f"{bundle.path}: no tolerance for {asked!r}{suggest(asked, names)}; there is: {'; '.join(names)}"
        )
    return asked or names[0]


def check_values(
    bundle: Bundle, vector: GoldenVector, made: Mapping[str, npt.NDArray[Any] | str], runtime: str
) -> tuple[ValueCheck, ...]:
    """Hold what an app made of a vector against it.

    Args:
        bundle: The bundle.
        vector: One of its vectors.
        made: Name → values, or why there are none. A stage may be left out, an output may not.
        runtime: Whose tolerances count; of what has none for it, the first.

    Raises:
        EvaluationError: A file of the bundle cannot be read.
    """
    checks = []
    for name, tensor in vector.made.items():
        given = made.get(name, "was not written")
        if isinstance(given, str):
            if name in made or name in vector.outputs:
                checks.append(_refuse(vector, name, tensor, given))
            continue
        checks.append(_check(bundle, vector, name, given, runtime))
    return tuple(checks)


def find_tolerance(tensor: VectorTensor, runtime: str) -> Tolerance:
    """The tolerance of a runtime, else the first: a stage is the app's own work, whatever plays the model."""
    return next((one for one in tensor.tolerances if one.runtime == runtime), tensor.tolerances[0])


def _check(bundle: Bundle, vector: GoldenVector, name: str, given: npt.NDArray[Any], runtime: str) -> ValueCheck:
    tensor = vector.made[name]
    if given.shape != tensor.shape:
        return _refuse(vector, name, tensor, f"has the shape {list(given.shape)}; right is {list(tensor.shape)}")
    if not tensor.tolerances:
        return _refuse(vector, name, tensor, "the manifest has no tolerance for it")
    tolerance = find_tolerance(tensor, runtime)
    expected = read_values(bundle.path / tensor.file, tensor)
    ratio, error = distance(expected, given)
    silence = margin_db(tolerance, *distance(expected, np.zeros_like(expected)))
    margin = margin_db(tolerance, ratio, error)
    if math.isinf(error):
        return _refuse(vector, name, tensor, "holds values that are not finite where the vector's are, or the reverse")
    return ValueCheck(
        vector=vector.name,
        name=name,
        file=_below(tensor),
        snr_db=ratio,
        max_abs_error=error,
        least_snr_db=tolerance.snr_db,
        largest_error=tolerance.max_abs_error,
        margin_db=margin if margin is None or math.isfinite(margin) else None,
        asks_little=bool(expected.any()) and silence is not None and silence >= 0,
        holds=margin is None or margin >= 0,
        reason="identical" if margin is None else None,
    )


def _refuse(vector: GoldenVector, name: str, tensor: VectorTensor, reason: str) -> ValueCheck:
    return ValueCheck(vector=vector.name, name=name, file=_below(tensor), holds=False, reason=reason)


def _below(tensor: VectorTensor) -> str:
    return tensor.file.removeprefix(f"{VERIFY}/")
