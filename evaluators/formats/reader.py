"""What a format is to the evaluators: `ModelReader`, which each folder here describes itself by.

A descriptor imports no framework: what needs one is a function that imports when it is called. What a format does not
offer is left out, and whoever asks is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from device_profiles.profile import DeviceProfile, Runtime
from device_profiles.record import Record
from evaluators.costs.graph import Graph, Op
from evaluators.costs.placement import Placement, PlacementRequest
from evaluators.drift_records import Drift
from evaluators.emulators import Emulator
from evaluators.emulators.coreml.observations import Comparison, OpRange
from evaluators.formats.metadata import ModelMetadata
from evaluators.formats.signatures import Signature
from packager.bundle import Floor
from packager.compression.model_runner import MixedProgram
from packager.proving.trials import Tensors

Origin = Literal["builtin", "runtime", "custom", "flex"]
"""builtin · runtime: a custom op that the runtime brings · custom: one that the app brings · flex: TensorFlow's own"""
Inputs = Iterable[Mapping[str, npt.NDArray[Any]]]
Place = Callable[[Graph, str, DeviceProfile, Runtime, PlacementRequest], Placement]


@dataclass(frozen=True)
class Watching:
    """How a model of a format is watched at work, op by op.

    Attributes:
        observe: Model file, its emulator, inputs → the range of each op, and how many ops hold others.
        compare: Model file held to be right, model file, the latter's emulator, inputs → where the two part, and how
            many ops hold others.
        show: Model file, one call, a function → the function is shown the real values that each op makes, in order.
        find_break: Exact model file, candidate, calls → the op most to blame for a departure, in words.
        open_mixed: Exact model file, candidate in float16, calls → a mixture of the two that can be run without
            converting it; None where there is none.
    """

    observe: Callable[[Path, Emulator, Inputs], tuple[tuple[OpRange, ...], int]]
    compare: Callable[[Path, Path, Emulator, Inputs], tuple[Comparison, int]]
    show: Callable[[Path, Tensors, Callable[[npt.NDArray[Any]], None]], None]
    find_break: Callable[[Path, Path, Sequence[Tensors]], str | None]
    open_mixed: Callable[[Path, Path, Sequence[Tensors]], MixedProgram] | None = None


class OtherKind(Record):
    """A model of which only the interface can be read."""

    kind: str
    """as the file spells it"""
    signature: Signature
    floor: Floor
    metadata: ModelMetadata
    is_run: bool
    """whether it is run all the same"""
    refusal: str
    """why its ops are not counted"""


def _none(_: Path) -> None:
    return None


def _no_text(_: Path) -> ModelMetadata:
    return ModelMetadata()


def _has_no_magic(_: bytes) -> bool:
    return False


def _by_its_type(op: Op) -> str:
    return op.dtype


def _is_builtin(_kind: str, _dtype: str) -> Origin:
    return "builtin"


@dataclass(frozen=True)
class ModelReader:
    """A format of model files, as evaluating sees it.

    Attributes:
        name: As `packager.formats` knows it.
        read_signatures: All ways to call a file, in its order.
        read_floor: The oldest runtime or system that runs it.
        folders: Those of the format's suffixes that folders have.
        recognises: Whether a file's first bytes say that it is one of the format.
        read_metadata: What a file says of itself.
        read_graph: `(path, entry, window)` → its ops; None where nothing here counts them.
        list_entries: Names of its signatures or functions; with `read_graph`.
        name_op: The precision that one op computes in, in the words of precisions.
        place: Where a graph would run on a phone; None where no rule is known.
        watching: How it is watched; None where it cannot be.
        read_other_kind: The interface of a file whose ops cannot be read; None of one whose ops can.
        interface_suffix: Of files of which only the interface can be read, whatever they hold; empty where there is
            none.
        describe_appended: Where another model begins behind the first, in words.
        read_scales: Its tensors that are integers with scales.
        name_origin: Where the kernel of an op comes from, by its kind and type.
        locate_drift: Exact model file, candidate, calls → where they part; None where that is not looked for.
        drift_reference: The precision of the exact file that drift is located beside.
    """

    name: str
    read_signatures: Callable[[Path], tuple[Signature, ...]]
    read_floor: Callable[[Path], Floor]
    folders: frozenset[str] = frozenset()
    recognises: Callable[[bytes], bool] = _has_no_magic
    read_metadata: Callable[[Path], ModelMetadata] = _no_text
    read_graph: Callable[[Path, str | None, int | None], Graph] | None = None
    list_entries: Callable[[Path], list[str]] | None = None
    name_op: Callable[[Op], str] = _by_its_type
    place: Place | None = None
    watching: Watching | None = None
    read_other_kind: Callable[[Path], OtherKind | None] = _none
    interface_suffix: str = ""
    describe_appended: Callable[[Path], str | None] = _none
    read_scales: Callable[[Path], tuple[Any, ...]] = lambda _: ()
    name_origin: Callable[[str, str], Origin] = _is_builtin
    locate_drift: Callable[[Path, Path, Sequence[Tensors]], Drift] | None = None
    drift_reference: str = "float32"
