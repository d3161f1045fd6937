"""What a worker does that packages many models of the corpus one after the other: converters are imported once."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).resolve().parent
MODEL_RUNNER = "evaluators.comparing.model_runner:EmulatorRunner"


def package_all(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Package models in one format.

    Args:
        request: `{"models": [name …], "format": …, "precisions": […], "out": folder}`.

    Yields:
        `{"model", "variant", "reason", "seconds", "proof", "size_bytes", "ops", "weight_bytes", "rewrites"}` for each
        bundle; `reason` is None where it was made, `proof` is as its manifest has it, `ops` are those in the file, and
        `weight_bytes` are the source's own, in float32.
    """
    from tests.corpus.catalog import CATALOG

    entries = {entry.name: entry for entry in CATALOG}
    for name in request["models"]:
        yield from _package(entries[name], request)


def _package(entry: Any, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    from packager.bundle import read_bundle
    from packager.conversion import convert_bundles
    from packager.jobs.results import Made
    from packager.model import ModelSpec, OutputSpec, find_source
    from packager.package import PackageRequest, Variant, folder, make_job

    spec = ModelSpec(
        name=entry.name,
        version="1",
        license="Apache-2.0",
        source=entry.source,
        framework=entry.framework,
        outputs={name: OutputSpec() for name in entry.outputs},
        state=entry.state,
    )
    variants = [Variant(request["format"], precision) for precision in request["precisions"]]
    order = PackageRequest(
        find_source(spec, CORPUS), None, variants, Path(request["out"]) / entry.name, runner=MODEL_RUNNER
    )
    waiting = {variant.name: variant for variant in variants}
    try:
        place = order.out / "bundles"
        place.mkdir(parents=True, exist_ok=True)  # the other format may have been first
        for made in convert_bundles(make_job(variants, order).request, place):
            if isinstance(made, Made):
                continue
            variant = waiting.pop(made.variant)
            facts = (
                {}
                if made.reason
                else _facts(read_bundle(folder(order, variant)), _weigh(entry.factory, entry.framework))
            )
            yield {"model": entry.name, **_FAILED, **made.model_dump(), **facts}
    except Exception as fault:  # noqa: BLE001  one model that fails leaves the others their turn
        for name in waiting:
            yield {"model": entry.name, "variant": name, **_FAILED, "reason": f"{type(fault).__name__}: {fault}"}


_FAILED: dict[str, Any] = {
    "reason": None,
    "proof": None,
    "seconds": None,
    "size_bytes": None,
    "ops": None,
    "weight_bytes": None,
    "rewrites": [],
}


def _facts(bundle: Any, weight_bytes: int) -> dict[str, Any]:
    from evaluators.formats import read_graph

    manifest = bundle.manifest
    inside = (one for name, one in manifest.files.items() if name.split("/")[0] == manifest.file)
    return {
        "proof": manifest.proof.model_dump(mode="json"),
        "size_bytes": sum(one.size_bytes for one in inside),
        "ops": len(read_graph(bundle.path / manifest.file).ops),
        "weight_bytes": weight_bytes,
        "rewrites": list(manifest.rewrites),
    }


@cache
def _weigh(factory: str, framework: str) -> int:
    """Bytes of what the source itself holds, each tensor once, with 4 bytes a float."""
    module, _, name = factory.partition(":")
    made = getattr(importlib.import_module(f"tests.corpus.{module}"), name)()
    made = made[0] if isinstance(made, tuple) else made
    if framework == "tensorflow":
        variables = made.weights if hasattr(made, "weights") else made.variables
        return sum(4 * math.prod(one.shape) for one in variables)
    held = {one.data_ptr(): one for one in (*made.parameters(), *made.buffers())}
    return sum(one.numel() * min(one.element_size(), 4) for one in held.values())
