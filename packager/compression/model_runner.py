"""What a conversion asks of whatever can run a model file: protocols, so that this package needs no emulator."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from packager.compression.calibration import Calibration

if TYPE_CHECKING:
    import numpy.typing as npt

    from packager.bundle import Bundle, Proof
    from packager.frontends.opening import Frontend
    from packager.proving.golden import Recorded
    from packager.proving.trials import Trials
    from packager.sources import LoadedSource

    Outputs = Mapping[str, npt.NDArray[Any]]
    """one call's outputs by name"""
else:
    Outputs = Mapping


@dataclass(frozen=True)
class MixedOp:
    """An op whose type a rehearsal can choose.

    Attributes:
        name: Its output's name in the float32 program.
        macs: Its multiply-accumulates.
        reads: Names of the rehearsed ops whose outputs it takes.
    """

    name: str
    macs: int
    reads: tuple[str, ...] = ()


class MixedProgram(Protocol):
    """A program in float16 whose ops can be put back into float32 one by one, without converting anything."""

    @property
    def ops(self) -> Sequence[MixedOp]:
        """In program order."""

    def run(self, call: int, kept: Collection[str]) -> Outputs:
        """A call's outputs when these ops compute in float32 and all others as float16 would have it."""


class ModelRunner(Protocol):
    """Runs model files on this machine.

    Its module has `list_code(format)`: the modules that it loads by name, for `packager.jobs.code`.
    """

    def run(self, path: Path, inputs: Calibration) -> list[dict[str, npt.NDArray[Any]]]:
        """A model's outputs by name, for each call."""

    def observe(self, path: Path, inputs: Calibration) -> Mapping[str, tuple[float, float]]:
        """The least and the greatest finite value of every op's output over all calls, by its name in the program."""

    def open_mixed(self, exact: Path, candidate: Path, inputs: Calibration) -> MixedProgram:
        """Ready to run mixtures of a float32 program and its float16 conversion on these calls."""

    def prove(self, path: Path, trials: Trials, tolerance_db: float) -> Proof:
        """Run a model file on all trials and say how far its outputs lie from the source's."""

    def play_source(
        self, source: LoadedSource, state: Mapping[str, str], bundle: Bundle, frontend: Frontend | None
    ) -> dict[str, dict[str, npt.NDArray[Any]]]:
        """Play a bundle's golden vectors on its source: vector → output → values."""

    def record(self, bundle: Bundle, frontend: Frontend | None, roundoff: float) -> dict[str, dict[str, Recorded]]:
        """Play them on the bundle itself: vector → what an app makes → values, and how near an app must come."""

    def find_break(self, exact: Path, candidate: Path, inputs: Calibration) -> str | None:
        """The op of `candidate` that is most to blame for its departure from the same model in float32.

        None where that cannot be told.
        """

    def watch(self, path: Path, call: Outputs, show: Callable[[npt.NDArray[Any]], None]) -> None:
        """Run a model on a call and show the real values that each op makes, in order."""
