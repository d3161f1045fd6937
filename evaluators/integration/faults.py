"""Which of the known faults of an integration explains what an app wrote: each is committed here, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from evaluators.integration.app import App, BundleModel, Habits, Made, read_values
from evaluators.integration.checking import ValueCheck, find_tolerance
from evaluators.integration.tolerances import distance, margin_db
from packager.bundle import Bundle
from packager.frontend_spec import PythonSpec
from packager.frontends.opening import Frontend, FrontendSource, open_frontend
from packager.vector_records import GoldenVector

Written = Mapping[str, Mapping[str, npt.NDArray[Any]]]
"""vector → name → what an app wrote"""
_FULL_SCALE = 32768.0
_OTHER = {"periodic": "symmetric", "symmetric": "periodic"}


@dataclass(frozen=True)
class KnownFault:
    """One.

    Attributes:
        words: What the app did.
        habits: The same, as our own app does it.
        flips_window: Whether the front end's window function is of the other symmetry.
        is_one_session: Whether it goes through all vectors without a new start.
    """

    words: str
    habits: Habits = field(default_factory=Habits)
    flips_window: bool = False
    is_one_session: bool = False


KNOWN = (
    KnownFault("samples were halved (gain 0.5)", Habits(gain=0.5)),
    KnownFault("samples were doubled (gain 2)", Habits(gain=2.0)),
    KnownFault("samples were left in 16-bit units (gain 32768)", Habits(gain=_FULL_SCALE)),
    KnownFault("samples were scaled down twice (gain 1/32768)", Habits(gain=1 / _FULL_SCALE)),
    KnownFault("the hop is one sample too long", Habits(hop_offset=1)),
    KnownFault("the hop is one sample too short", Habits(hop_offset=-1)),
    KnownFault("the front end's window function is {other}, not {said}", flips_window=True),
    KnownFault("states were not reset where a clip begins", Habits(resets=False)),
    KnownFault("states were never reset, not even between vectors", Habits(resets=False), is_one_session=True),
    KnownFault("states were not carried from call to call", Habits(carries=False)),
    KnownFault("another resampler: linear interpolation", Habits(resampler="linear")),
    KnownFault("another resampler: samples were picked, without a filter", Habits(resampler="nearest")),
)


def find_faults(
    bundle: Bundle, frontend: Frontend | None, emulator: Emulator, written: Written, broken: Sequence[ValueCheck]
) -> tuple[str, ...]:
    """The known faults that explain all that is broken in at least one vector, each in words; none where none does.

    Args:
        bundle: The bundle.
        frontend: What computes features of audio, where the model takes them.
        emulator: The bundle's model.
        written: What the app wrote.
        broken: What is not as it should be.
    """
    runtime = ""
    vectors = {one.name: one for one in bundle.manifest.vectors}
    names = dict.fromkeys(check.vector for check in broken)
    swaps = tuple(dict.fromkeys(_find_swaps(bundle, [vectors[name] for name in names], written)))
    if swaps:
        return swaps
    found = []
    for fault in KNOWN:
        opened = _flip(frontend) if fault.flips_window else frontend
        if fault.flips_window and opened is None:
            continue
        shown = [one for one in vectors.values() if fault.is_one_session or one.name in names]
        for name, made in _commit(fault, bundle, opened, emulator, shown):
            wrong = [check.name for check in broken if check.vector == name and check.name in written.get(name, {})]
            if wrong and all(_is_same(vectors[name], one, made, written[name], runtime) for one in wrong):
                found.append(fault.words.format(**_words(frontend)))
                break
    return tuple(dict.fromkeys(found))


def _commit(
    fault: KnownFault, bundle: Bundle, frontend: Frontend | None, emulator: Emulator, vectors: Sequence[GoldenVector]
) -> Iterator[tuple[str, Made]]:
    """What an app with a fault makes of each vector; nothing of one that it cannot play."""
    app = App(BundleModel(emulator, bundle.manifest), bundle, frontend, fault.habits)
    for vector in vectors:
        if not fault.is_one_session:
            app = App(BundleModel(emulator, bundle.manifest), bundle, frontend, fault.habits)
        try:
            with np.errstate(all="ignore"):
                made = app.play(vector)
        except EvaluationError:
            continue
        yield vector.name, made


def _is_same(
    vector: GoldenVector, name: str, made: Made, written: Mapping[str, npt.NDArray[Any]], runtime: str
) -> bool:
    values, tolerance = made.get(name), find_tolerance(vector.made[name], runtime)
    if values is None or values.shape != written[name].shape:
        return False
    margin = margin_db(tolerance, *distance(values, written[name]))
    return margin is None or margin >= 0


def _find_swaps(bundle: Bundle, vectors: Sequence[GoldenVector], written: Written) -> Iterator[str]:
    """Pairs of outputs of which each holds what belongs into the other."""
    for vector in vectors:
        for one, other in combinations(vector.outputs, 2):
            if all(_holds_other(bundle, vector, *pair, written) for pair in ((one, other), (other, one))):
                yield f"the outputs {one} and {other} are swapped"


def _holds_other(bundle: Bundle, vector: GoldenVector, name: str, other: str, written: Written) -> bool:
    values, tensor = written.get(vector.name, {}).get(name), vector.outputs[other]
    if values is None or values.size != np.prod(tensor.shape) or not tensor.tolerances:
        return False
    own = vector.outputs[name]
    expected = read_values(bundle.path / tensor.file, tensor)
    if expected.shape == tuple(own.shape) and np.array_equal(expected, read_values(bundle.path / own.file, own)):
        return False  # the two are the same: nothing can tell them apart
    margin = margin_db(tensor.tolerances[0], *distance(expected, values.reshape(tensor.shape)))
    return margin is None or margin >= 0


def _flip(frontend: Frontend | None) -> Frontend | None:
    """The same front end with the other symmetry of its window function; none of one that has none."""
    if frontend is None or isinstance(frontend.spec, PythonSpec) or frontend.spec.inside:
        return None
    spec = frontend.spec.model_copy(update={"window_symmetry": _OTHER[frontend.spec.window_symmetry]})
    return open_frontend(FrontendSource(spec=spec), frontend.audio)


def _words(frontend: Frontend | None) -> dict[str, str]:
    if frontend is None or isinstance(frontend.spec, PythonSpec):
        return {"said": "", "other": ""}
    said = frontend.spec.window_symmetry
    return {"said": said, "other": _OTHER[said]}
