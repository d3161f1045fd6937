"""TFLite files: read, counted, run and watched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from device_profiles.profile import DeviceProfile, Runtime
from evaluators.costs.graph import Graph
from evaluators.costs.placement import Placement, PlacementRequest
from evaluators.emulators import Emulator
from evaluators.emulators.coreml.observations import Comparison, OpRange
from evaluators.formats.metadata import ModelMetadata, with_rate
from evaluators.formats.reader import ModelReader, Origin, Watching
from evaluators.formats.signatures import Signature
from evaluators.formats.tflite.file import TFLITE_IDENTIFIER
from evaluators.formats.tflite.precision import name_op
from packager.bundle import Floor
from packager.proving.trials import Tensors

Calls = Iterable[Mapping[str, npt.NDArray[Any]]]

_HOLDING = ("WHILE", "IF", "CALL_ONCE")
"""ops that hold others"""


def _read_signatures(path: Path) -> tuple[Signature, ...]:
    from evaluators.formats.tflite.signatures import read_tflite_signatures

    return read_tflite_signatures(path)


def _read_metadata(path: Path) -> ModelMetadata:
    from evaluators.formats.tflite.metadata import read_tflite_metadata

    return with_rate(read_tflite_metadata(path))


def _read_floor(path: Path) -> Floor:
    from packager.formats.tflite.floor import tflite_floor

    return tflite_floor(path.read_bytes())


def _read_graph(path: Path, entry: str | None, window: int | None) -> Graph:
    from evaluators.formats.tflite.graph import read_tflite_graph

    return read_tflite_graph(path, entry, window)


def _list_entries(path: Path) -> list[str]:
    from evaluators.formats.tflite.graph import list_signatures

    return list_signatures(path)


def _place(
    graph: Graph, precision: str, profile: DeviceProfile, runtime: Runtime, asked: PlacementRequest
) -> Placement:
    from evaluators.formats.tflite.placement import place_tflite

    del runtime  # no rule of its own
    return place_tflite(graph, precision, profile, asked)


def _describe_appended(path: Path) -> str | None:
    from evaluators.formats.tflite.appended import describe_appended

    return describe_appended(path)


def _read_scales(path: Path) -> tuple[Any, ...]:
    from evaluators.formats.tflite.scales import read_scales

    return read_scales(path)


def _name_origin(kind: str, dtype: str) -> Origin:
    from packager.formats.tflite.op_versions import is_brought

    if not kind.startswith(("CUSTOM", "custom")):
        return "builtin"
    name = kind.removeprefix("CUSTOM ")
    if is_brought(name, dtype):
        return "runtime"
    return "flex" if name.startswith("Flex") else "custom"


def _recognises(head: bytes) -> bool:
    return head[4:8] == TFLITE_IDENTIFIER


def _open_watched(path: Path) -> tuple[Any, int]:
    from evaluators.formats.tflite.interpreter import WatchedModel

    model = WatchedModel(path)
    return model, sum(op.kind in _HOLDING for op in model.ops)


def _observe(path: Path, emulator: Emulator, calls: Calls) -> tuple[tuple[OpRange, ...], int]:
    from evaluators.formats.tflite.watching import observe_ranges

    del emulator
    model, nesting = _open_watched(path)
    return observe_ranges(model, calls), nesting


def _compare(right: Path, path: Path, emulator: Emulator, calls: Calls) -> tuple[Comparison, int]:
    from evaluators.formats.tflite.watching import compare

    del emulator
    model, nesting = _open_watched(path)
    return compare(_open_watched(right)[0], model, calls), nesting


def _show(path: Path, call: Tensors, show: Callable[[npt.NDArray[Any]], None]) -> None:
    for values in _open_watched(path)[0].run(call).values():
        if values.dtype.kind == "f":
            show(values)


def _find_break(exact: Path, candidate: Path, calls: Sequence[Tensors]) -> str | None:
    from evaluators.formats.tflite.breaks import find_break

    return find_break(exact, candidate, calls)


READER = ModelReader(
    name="tflite",
    read_signatures=_read_signatures,
    read_floor=_read_floor,
    recognises=_recognises,
    read_metadata=_read_metadata,
    read_graph=_read_graph,
    list_entries=_list_entries,
    name_op=name_op,
    place=_place,
    watching=Watching(_observe, _compare, _show, _find_break),
    describe_appended=_describe_appended,
    read_scales=_read_scales,
    name_origin=_name_origin,
)
