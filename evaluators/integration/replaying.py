"""A bundle's vectors replayed on its own emulator, or what an app wrote on a phone held against them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from device_profiles.files import is_file, is_folder, read_bytes
from device_profiles.record import Record
from evaluators.errors import EvaluationError
from evaluators.integration.app import MOST_BYTES, App, BundleModel, read_values
from evaluators.integration.checking import ValueCheck, check_values, choose_runtime
from evaluators.integration.faults import find_faults
from evaluators.integration.tolerances import worst_margin
from evaluators.targets import open_model
from packager.bundle import Bundle
from packager.frontends.opening import Frontend
from packager.vector_records import VERIFY, GoldenVector

OnStep = Callable[[int, int], None]


class Replay(Record):
    """What came of it."""

    made_by: Literal["emulator", "app"]
    runtime: str
    """what played the vectors here, or whose tolerances an app's outputs were held to"""
    tolerances_of: str
    checks: tuple[ValueCheck, ...]
    notices: tuple[str, ...] = ()
    """what was not looked at, and why"""
    suspects: tuple[str, ...] = ()
    """the known faults that explain what is broken"""

    @property
    def broken(self) -> tuple[ValueCheck, ...]:
        """What does not hold."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def holds(self) -> bool:
        """Whether all does, and there is any."""
        return bool(self.checks) and not self.broken

    @property
    def margin_db(self) -> float | None:
        """The least margin of what holds; none where all that holds is identical."""
        return worst_margin([check.margin_db for check in self.checks if check.holds])


def replay(bundle: Bundle, frontend: Frontend | None, on_step: OnStep = lambda *_: None) -> Replay:
    """Play a bundle's vectors on its own emulator and hold what comes out against them.

    Args:
        bundle: A bundle whose files hold.
        frontend: What computes features of audio; without it, vectors that need one are told of, and left out.
        on_step: Called with the number of vectors done and their total.

    Raises:
        EvaluationError: The model cannot be played, or its vectors hold no outputs of its own.
    """
    runtime = choose_runtime(bundle, None)
    vectors, notices = _playable(bundle, frontend)
    checks: list[ValueCheck] = []
    with closing(open_model(bundle.model_path)) as emulator:
        app = App(BundleModel(emulator, bundle.manifest), bundle, frontend)
        for index, vector in enumerate(vectors):
            on_step(index, len(vectors))
            checks += check_values(bundle, vector, app.play(vector), runtime)
        described = emulator.runtime
    on_step(len(vectors), len(vectors))
    return Replay(made_by="emulator", runtime=described, tolerances_of=runtime, checks=tuple(checks), notices=notices)


def check_app(bundle: Bundle, frontend: Frontend | None, folder: Path, runtime: str | None = None) -> Replay:
    """Hold what an app wrote against a bundle's vectors.

    Args:
        bundle: A bundle whose files hold.
        frontend: What computes features of audio, for the search for what went wrong.
        folder: The app's files, named as below the bundle's `verify/`.
        runtime: Whose tolerances count; by default those of the runtime that the vectors were recorded on.

    Raises:
        EvaluationError: There is no such folder, nothing of a vector in it, or no tolerance for that runtime.
    """
    runtime = choose_runtime(bundle, runtime)
    if not is_folder(folder):
        raise EvaluationError(f"{folder}: no such folder; right is one with the files that the app wrote")
    written = {vector.name: _read(folder, vector) for vector in bundle.manifest.vectors}
    if not any(written.values()):
        first = next(iter(bundle.manifest.vectors[0].outputs.values())).file.removeprefix(f"{VERIFY}/")
        raise EvaluationError(f"{folder}: holds nothing of the vectors; right is, for example, {folder / first}")
    checks = [
        check
        for vector in bundle.manifest.vectors
        for check in check_values(bundle, vector, written[vector.name], runtime)
    ]
    stages = [
        tensor.file.removeprefix(f"{VERIFY}/")
        for vector in bundle.manifest.vectors
        for name, tensor in vector.made.items()
        if name not in vector.outputs and name not in written[vector.name]
    ]
    notice = (
        f"not written, and so not looked at: {', '.join(stages)}; a fault smaller than the model's own rounding hides"
    )
    broken = [check for check in checks if not check.holds]
    suspects: tuple[str, ...] = ()
    if broken:
        values = {
            vector.name: {name: _flat(folder, vector, name, one) for name, one in written[vector.name].items()}
            for vector in bundle.manifest.vectors
        }
        with closing(open_model(bundle.model_path)) as emulator:
            suspects = find_faults(bundle, frontend, emulator, values, broken)
    return Replay(
        made_by="app",
        runtime=runtime,
        tolerances_of=runtime,
        checks=tuple(checks),
        notices=(notice,) if stages else (),
        suspects=suspects,
    )


def _playable(bundle: Bundle, frontend: Frontend | None) -> tuple[list[GoldenVector], tuple[str, ...]]:
    """The vectors that can be played here, and why others cannot."""
    said = bundle.manifest.frontend
    vectors = list(bundle.manifest.vectors)
    if said is None or said.spec.inside or frontend is not None:
        return vectors, ()
    left = [one.name for one in vectors if one.kind == "recording"]
    reason = f"its front end is code of its recipe, {said.spec.kind}, which is not in the bundle"
    notices = (f"not replayed: {', '.join(left)}: {reason}",) if left else ()
    return [one for one in vectors if one.kind != "recording"], notices


def _flat(folder: Path, vector: GoldenVector, name: str, found: npt.NDArray[Any] | str) -> npt.NDArray[Any]:
    """Values; of a file of another size all that it holds, since it may be another output's."""
    if not isinstance(found, str):
        return found
    tensor = vector.made[name]
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    data = read_bytes(folder / tensor.file.removeprefix(f"{VERIFY}/"), error=EvaluationError, most=MOST_BYTES)
    return np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype).astype(tensor.dtype)


def _read(folder: Path, vector: GoldenVector) -> dict[str, npt.NDArray[Any] | str]:
    """What there is of a vector, by name; of a file that cannot be read, why."""
    found: dict[str, npt.NDArray[Any] | str] = {}
    for name, tensor in vector.made.items():
        path = folder / tensor.file.removeprefix(f"{VERIFY}/")
        if is_file(path):
            try:
                found[name] = read_values(path, tensor)
            except EvaluationError as fault:
                found[name] = str(fault).removeprefix(f"{path}: ")
    return found
