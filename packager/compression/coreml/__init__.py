"""Core ML precisions, as coremltools' converter makes them."""

from __future__ import annotations

from typing import Any

from packager.compression.precision import Precision
from packager.errors import PackagingError
from packager.mlpackage import import_coremltools

PRECISIONS = {
    "float32": Precision(60.0, "the same arithmetic in another order"),
    "float16": Precision(30.0, "11 bits for weights and activations; less where numbers leave float16's range"),
}
MODEL_FILE = "Model.mlpackage"


def converter_options(precision: str, minimum_deployment_target: str) -> dict[str, Any]:
    """Coremltools' arguments for a precision and a deployment target.

    Raises:
        PackagingError: Either is unknown.
    """
    ct = import_coremltools()
    if precision not in PRECISIONS:
        raise PackagingError(f"unknown Core ML precision {precision!r}; known: {', '.join(PRECISIONS)}")
    target = getattr(ct.target, minimum_deployment_target, None)
    if target is None:
        known = ", ".join(name for name in dir(ct.target) if name.startswith("iOS"))
        raise PackagingError(f"unknown deployment target {minimum_deployment_target!r}; known: {known}")
    return {"compute_precision": getattr(ct.precision, precision.upper()), "minimum_deployment_target": target}
