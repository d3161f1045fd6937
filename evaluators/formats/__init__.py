"""What reads model files: one folder a format, whose `READER` says all that the evaluators must know of it.

A package of somebody else's adds one by an entry point of the group `testpress.readers`. Nothing outside a format's own
folder asks for its name.
"""

from __future__ import annotations

import functools
from pathlib import Path

from device_profiles.plugins import list_plugins
from device_profiles.pointers import read_head
from device_profiles.profile import DeviceProfile
from evaluators.costs.graph import Graph
from evaluators.costs.placement import NOTHING_ASKED, Placement, PlacementRequest, check_request
from evaluators.costs.precision import find_dominant
from evaluators.errors import EvaluationError
from evaluators.formats.metadata import ModelMetadata
from evaluators.formats.reader import ModelReader
from evaluators.formats.signatures import Signature
from packager import formats as packaging
from packager.bundle import Floor
from packager.floors import meets
from packager.formats import format_names, get_format
from packager.formats.phones import find_runtime


def list_code(*names: str) -> tuple[str, ...]:
    """What reads formats' files is loaded by, for `packager.jobs.code`; of the others only the descriptors are read."""
    found = list_plugins("readers", Path(__file__).parent, "READER", folders=True)
    readers = (plugin.module if name in names else f"~{plugin.module}" for name, plugin in found.items())
    return (*readers, *packaging.list_code())


@functools.cache
def get_reader(name: str) -> ModelReader:
    """The reader of a format.

    Raises:
        EvaluationError: The format can be packaged, but nothing here reads it.
    """
    found = list_plugins("readers", Path(__file__).parent, "READER", folders=True)
    if name not in format_names() or name not in found:
        raise EvaluationError(f"nothing here reads {name} models; known: {', '.join(map(str, format_names()))}")
    reader: ModelReader = found[name].load()
    return reader


def exact_variant(format_: str) -> str:
    """The bundle that drift of a format's others is located beside; empty where it is not located."""
    reader = get_reader(format_)
    return "" if reader.locate_drift is None else f"{format_}-{reader.drift_reference}"


def suffixes() -> dict[str, str]:
    """Suffix of model files → the format's name, of all formats."""
    return {suffix: name for name in format_names() for suffix in get_format(name).suffixes}


def recognise(head: bytes) -> str | None:
    """The format that a file's first bytes tell; None where none does."""
    return next((name for name in format_names() if get_reader(name).recognises(head)), None)


def format_of(path: Path) -> str:
    """The format of a model file: by its suffix, and under another name by its first bytes.

    Raises:
        EvaluationError: It is none that can be emulated.
    """
    known = suffixes()
    found = known.get(path.suffix) or recognise(read_head(path))
    if found is None:
        raise EvaluationError(f"{path}: not a model that can be played; known: {', '.join(known)}")
    return found


def reader_of(path: Path) -> ModelReader:
    """The reader of a model file's format; errors as `format_of`'s."""
    return get_reader(format_of(path))


def is_folder_suffix(suffix: str) -> bool:
    """Whether models with a suffix are folders."""
    return any(suffix in get_reader(name).folders for name in format_names())


def read_signatures(path: Path) -> tuple[Signature, ...]:
    """All signatures (TFLite) or functions (Core ML) of a model file, in the file's order.

    Raises:
        EvaluationError: The file is damaged, of another format, or takes what is no tensor, such as an image.
    """
    return reader_of(path).read_signatures(path)


def read_metadata(path: Path) -> ModelMetadata:
    """Read what a model file says of itself.

    Raises:
        EvaluationError: It is no model file. Damaged metadata is no fault of the model, and told in the record.
    """
    return reader_of(path).read_metadata(path)


def read_floor(path: Path) -> Floor:
    """The oldest runtime or system that can run a model file, ready-made ones included.

    Raises:
        TestpressError: The file is damaged or of an unknown version.
    """
    return reader_of(path).read_floor(path)


def runs_on(graph: Graph, floor: Floor, profile: DeviceProfile) -> tuple[bool, str]:
    """Whether a phone runs a model with what its runtime holds, and one sentence why or why not."""
    good, reason = meets(floor, profile, graph.format)
    if good and graph.needs:
        return False, f"only with {' and '.join(graph.needs)}, which neither phone nor runtime brings. {reason}"
    return good, reason


def read_graph(path: Path, entry: str | None = None, *, window: int | None = None) -> Graph:
    """Read the ops of a model file: multiply-adds, bytes moved and bytes held, an op at a time.

    Shapes the file leaves open are counted with 1 in their place and their ops marked dynamic. An op the counter does
    not know counts the bytes it moves. A loop's body counts as often as it runs, where that follows from numbers in the
    file; where it does not, once, and the loop says so.

    Args:
        path: The model file.
        entry: The signature (TFLite) or function (Core ML); else the only or the default one.
        window: The size of what a file leaves open beside its batch, in samples.

    Raises:
        EvaluationError: No such file, another format, the file is damaged, nothing here counts the format's ops, or
            there are several signatures and none is named; or with a window: nothing is open, too much is, or the file
            does not allow it.
    """
    if not path.exists():
        raise EvaluationError(f"{path}: no such file")
    if path.suffix not in suffixes() and recognise(read_head(path)) is None:
        *most, last = suffixes()
        raise EvaluationError(
            f"{path}: unknown kind of model file '{path.suffix}'; right is {', '.join(most)} or {last}"
        )
    reader = reader_of(path)
    if reader.read_graph is None:
        raise EvaluationError(f"{path}: the ops of {get_format(reader.name).title} models are not counted")
    return reader.read_graph(path, entry, window)


def list_entries(path: Path) -> list[str]:
    """The signatures (TFLite) or functions (Core ML) of a model file; empty where it names none.

    Raises:
        EvaluationError: The file is damaged.
    """
    listed = reader_of(path).list_entries
    return [] if listed is None else listed(path)


def name_precision(graph: Graph) -> str:
    """The precision of a ready-made file, in the words of testpress's own precisions.

    A model whose ops differ has the precision in which most of the multiply-adds of its weights are computed. Types
    that testpress does not package in follow the same grammar: `static_wu8_au8` is TFLite's older 8-bit scheme.
    """
    return find_dominant(graph, get_reader(graph.format).name_op)


def place(graph: Graph, precision: str, profile: DeviceProfile, asked: PlacementRequest = NOTHING_ASKED) -> Placement:
    """Infer where a graph would run on a phone, by the rules of the runtime that plays it there.

    Args:
        graph: The model's ops.
        precision: The bundle's precision, for example `float16`.
        profile: The phone.
        asked: What the app asks for instead of the default.

    Raises:
        EvaluationError: No runtime of the phone's apps plays the model, the phone has no such unit or fewer cores, or
            the runtime does not use the unit.
    """
    format_ = get_format(graph.format)
    runtime, rules = find_runtime(profile, graph.format), get_reader(graph.format).place
    if runtime is None:
        carried = " and ".join(one.name for one in profile.runtimes)
        raise EvaluationError(f"apps on {profile.id} carry {carried}, which do not play {format_.title} models")
    check_request(asked, profile, runtime)
    if rules is None:
        raise EvaluationError(f"where {runtime.name} would run a model on a phone is not known")
    return rules(graph, precision, profile, runtime, asked)
