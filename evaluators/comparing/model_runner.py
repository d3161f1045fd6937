"""The emulators, as packaging asks for them: `packager.compression.model_runner.ModelRunner`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy.typing as npt

from evaluators import targets
from evaluators.comparing.proof import prove
from evaluators.errors import EvaluationError
from evaluators.formats import reader_of
from evaluators.formats.reader import Watching
from evaluators.integration.app import App, SourceModel
from evaluators.integration.recording import record_vectors
from evaluators.players import as_inputs
from evaluators.targets import open_model
from packager.bundle import Bundle, Proof
from packager.compression.model_runner import MixedProgram
from packager.frontends.opening import Frontend
from packager.proving.golden import Recorded
from packager.proving.trials import Tensors, Trials
from packager.sources import LoadedSource

_BLAMED_CALLS = 2
"""each costs dozens of runs, and where an op cannot hold its values most calls show it"""


def list_code(format_: str) -> tuple[str, ...]:
    """What a runner of a format's files loads by name, for `packager.jobs.code`."""
    return targets.list_code(format_)


class EmulatorRunner:
    """Runs model files in their emulators."""

    def prove(self, path: Path, trials: Trials, tolerance_db: float) -> Proof:
        """Run a model file on trials and compare it with the source's outputs; errors as `prove`'s."""
        return prove(path, trials, tolerance_db)

    def play_source(
        self, source: LoadedSource, state: Mapping[str, str], bundle: Bundle, frontend: Frontend | None
    ) -> dict[str, dict[str, npt.NDArray[Any]]]:
        """Play a bundle's golden vectors on its source: vector → output → values."""
        app = App(SourceModel(source, state), bundle, frontend)
        return {vector.name: app.play(vector) for vector in bundle.manifest.vectors}

    def record(self, bundle: Bundle, frontend: Frontend | None, roundoff: float) -> dict[str, dict[str, Recorded]]:
        """Play them on the bundle itself; errors as `record_vectors`'."""
        return record_vectors(bundle, frontend, roundoff)

    def find_break(self, exact: Path, candidate: Path, inputs: Sequence[Tensors]) -> str | None:
        """The op that is most to blame for a departure, and why, in words; None where none can be told."""
        watching = reader_of(candidate).watching
        if watching is None:
            return None
        with closing(open_model(candidate)) as emulator:
            calls = [as_inputs(emulator, call) for call in inputs[:_BLAMED_CALLS]]
        return watching.find_break(exact, candidate, calls)

    def watch(self, path: Path, call: Tensors, show: Callable[[npt.NDArray[Any]], None]) -> None:
        """Run a model file on a call and show the real values that each op makes, in order."""
        with closing(open_model(path)) as emulator:
            given = as_inputs(emulator, call)
        _watching(path).show(path, given, show)

    def run(self, path: Path, inputs: Sequence[Tensors]) -> list[dict[str, npt.NDArray[Any]]]:
        """A model file's outputs for each call."""
        with closing(open_model(path)) as emulator:
            return [emulator.run(as_inputs(emulator, call)) for call in inputs]

    def observe(self, path: Path, inputs: Sequence[Tensors]) -> Mapping[str, tuple[float, float]]:
        """The least and the greatest finite value of every op's output over all calls; ops without one are left out."""
        with closing(open_model(path)) as emulator:
            ranges, _ = _watching(path).observe(path, emulator, [as_inputs(emulator, call) for call in inputs])
        return {
            one.op: (one.minimum, one.maximum) for one in ranges if one.minimum is not None and one.maximum is not None
        }

    def open_mixed(self, exact: Path, candidate: Path, inputs: Sequence[Tensors]) -> MixedProgram:
        """A mixture of two precisions, run without converting it."""
        mix = _watching(exact).open_mixed
        if mix is None:
            raise EvaluationError(f"{exact}: models of this format are not run in a mixture of precisions")
        with closing(open_model(exact)) as emulator:
            calls = [as_inputs(emulator, call) for call in inputs]
        return mix(exact, candidate, calls)


def _watching(path: Path) -> Watching:
    found = reader_of(path).watching
    if found is None:
        raise EvaluationError(f"{path}: models of this format are not watched op by op")
    return found
