"""Core ML files: read and counted. What runs them is `evaluators.emulators.coreml`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from device_profiles.profile import DeviceProfile, Runtime
from evaluators.costs.graph import Graph
from evaluators.costs.placement import Placement, PlacementRequest
from evaluators.drift_records import Drift
from evaluators.emulators import Emulator
from evaluators.emulators.coreml.observations import Comparison, OpRange
from evaluators.emulators.coreml.package import COMPILED, open_package
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.errors import EvaluationError
from evaluators.formats.coreml.precision import name_op
from evaluators.formats.metadata import ModelMetadata
from evaluators.formats.reader import ModelReader, OtherKind, Watching
from evaluators.formats.signatures import Signature
from packager.bundle import Floor
from packager.compression.model_runner import MixedProgram
from packager.proving.trials import Tensors

Calls = Iterable[Mapping[str, npt.NDArray[Any]]]


def _read_signatures(path: Path) -> tuple[Signature, ...]:
    from evaluators.formats.coreml.signatures import read_coreml_signatures

    return read_coreml_signatures(path)


def _read_metadata(path: Path) -> ModelMetadata:
    from evaluators.formats.coreml.metadata import read_coreml_metadata

    return read_coreml_metadata(path)


def _read_floor(path: Path) -> Floor:
    from packager.formats.coreml.floor import coreml_floor

    model = _parse(path)
    functions = model.mlProgram.functions
    opset = functions["main"].opset if "main" in functions else None
    return coreml_floor(model.specificationVersion, opset=opset)


def _parse(path: Path) -> Any:
    specification = open_package(path).specification
    return parse_model(specification.read_bytes(), str(specification))


def _read_graph(path: Path, entry: str | None, window: int | None) -> Graph:
    from evaluators.formats.coreml.graph import read_coreml_graph

    return read_coreml_graph(path, entry, window)


def _list_entries(path: Path) -> list[str]:
    from evaluators.formats.coreml.graph import list_functions

    return list_functions(_parse(path))


def _place(
    graph: Graph, precision: str, profile: DeviceProfile, runtime: Runtime, asked: PlacementRequest
) -> Placement:
    from evaluators.formats.coreml.placement import place_coreml

    del runtime
    return place_coreml(graph, precision, profile, asked)


def _read_other_kind(path: Path) -> OtherKind | None:
    from evaluators.formats.coreml.kinds import read_other_kind

    return read_other_kind(path)


def _open_watched(path: Path, emulator: Emulator) -> tuple[Any, int]:
    """The program that an emulator runs, and how many of its ops hold others."""
    from evaluators.emulators.coreml import CoreMLModel

    model = getattr(emulator, "model", None)
    if not isinstance(model, CoreMLModel):
        raise EvaluationError(f"{path}: is a pipeline; right is a single ML Program, whose ops are watched")
    return model, sum(bool(step.operation.blocks) for step in model.plan.steps)


def _observe(path: Path, emulator: Emulator, calls: Calls) -> tuple[tuple[OpRange, ...], int]:
    from evaluators.emulators.coreml import observe_ranges

    model, nesting = _open_watched(path, emulator)
    return observe_ranges(model, calls), nesting


def _compare(right: Path, path: Path, emulator: Emulator, calls: Calls) -> tuple[Comparison, int]:
    from evaluators.emulators.coreml import CoreMLModel, compare

    model, nesting = _open_watched(path, emulator)
    return compare(CoreMLModel(right, threads=1), model, calls), nesting


def _show(path: Path, call: Tensors, show: Callable[[npt.NDArray[Any]], None]) -> None:
    from evaluators.emulators.coreml import CoreMLModel

    def observe(op: Any, value: Any) -> None:
        del op
        if value.is_floating_point():
            show(value.numpy())

    CoreMLModel(path, threads=1).run(call, observe)


def _locate_drift(exact: Path, candidate: Path, calls: Sequence[Tensors]) -> Drift:
    from evaluators.formats.coreml.drift import locate_drift

    return locate_drift(exact, candidate, calls)


def _open_mixed(exact: Path, candidate: Path, calls: Sequence[Tensors]) -> MixedProgram:
    from evaluators.formats.coreml.mixed_program import MixedProgram

    return MixedProgram(exact, candidate, calls)


def _find_break(exact: Path, candidate: Path, calls: Sequence[Tensors]) -> str | None:
    drift = _locate_drift(exact, candidate, calls)
    return f"{drift.worst_op}: {drift.explanation}" if drift.worst_op else None


READER = ModelReader(
    name="coreml",
    read_signatures=_read_signatures,
    read_floor=_read_floor,
    folders=frozenset({".mlpackage", COMPILED}),
    read_metadata=_read_metadata,
    read_graph=_read_graph,
    list_entries=_list_entries,
    name_op=name_op,
    place=_place,
    watching=Watching(_observe, _compare, _show, _find_break, _open_mixed),
    read_other_kind=_read_other_kind,
    interface_suffix=COMPILED,
    locate_drift=_locate_drift,
)
