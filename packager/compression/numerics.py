"""What a conversion asks of whatever can run a model file: a protocol, so that this package needs no emulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from packager.compression.calibration import Calibration

if TYPE_CHECKING:
    import numpy.typing as npt

    from packager.bundle import Proof
    from packager.trials import Trials


class Numerics(Protocol):
    """Runs model files on this machine."""

    def find_break(self, exact: Path, candidate: Path, inputs: Sequence[Tensors]) -> str | None:
        """The op of `candidate` that is most to blame for its departure from the same model in float32.

        None where that cannot be told.
        """

    def run(self, path: Path, inputs: Calibration) -> list[dict[str, npt.NDArray[Any]]]:
        """A model's outputs by name, for each call."""

    def observe(self, path: Path, inputs: Calibration) -> Mapping[str, tuple[float, float]]:
        """The least and the greatest finite value of every op's output over all calls, by its name in the program."""

    def blame(self, reference: Path, candidate: Path, inputs: Calibration) -> Sequence[str]:
        """Ops of `reference`, a program in float32, whose rounding in `candidate` harms the outputs most, worst first.

        Empty where the outputs are equal.
        """

    def prove(self, path: Path, trials: Trials, tolerance_db: float) -> Proof:
        """Run a model file on all trials and say how far its outputs lie from the source's."""
