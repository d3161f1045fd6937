"""TFLite models in a process of their own, called as every emulator is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from evaluators.emulators import Tensor
from evaluators.emulators.guest.process import MOST_SECONDS, Answer, GuestProcess
from evaluators.errors import EvaluationError


class GuestEmulator:
    """A .tflite file, loaded once in another process and called window by window.

    Attributes:
        runtime: Name and version of what executes it.
        inputs: By signature name, without a signature by tensor name; open dimensions are fixed to 1.
        outputs: As `inputs`.
        states: None: variable tensors cannot be told by name.
    """

    def __init__(
        self,
        path: Path,
        runtime: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path,
        asked: Mapping[str, Any],
    ) -> None:
        """Load a model.

        Args:
            path: The file.
            runtime: See the attribute.
            command: What runs the program.
            environment: All that it sees of the environment.
            folder: Where it runs.
            asked: What the first question says beside the model: `site`, `module`, `threads`, `signature`.

        Raises:
            EvaluationError: The process cannot be started, or the runtime in it cannot load the file.
        """
        self.runtime = runtime
        self.states: dict[str, Tensor] = {}
        title = f"{path.name} on {runtime}"
        self._guest = GuestProcess(command, environment, title=title, folder=folder, patience_s=MOST_SECONDS)
        try:
            described = self._guest.ask("load", {}, model=str(path.resolve()), **asked)
            self.inputs, self.outputs = _read_tensors(described, "inputs"), _read_tensors(described, "outputs")
        except EvaluationError as fault:
            self.close()
            raise EvaluationError(f"{path}: {self.runtime} cannot load it: {fault}") from None

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once.

        Args:
            inputs: By name, in the shapes and dtypes of `inputs`.

        Raises:
            EvaluationError: The runtime refuses the call, or the process died or hangs.
        """
        return self._ask("run", inputs).arrays

    def reset(self) -> None:
        """Set variable tensors, where there are any, to what they were after loading."""
        self._ask("reset", {})

    def close(self) -> None:
        """End the process."""
        self._guest.close()

    def read_state(self, name: str) -> npt.NDArray[Any]:
        """Refuse: see `states`."""
        raise EvaluationError(f"there is no state {name!r}: {self.runtime} does not name what a model keeps")

    def write_state(self, name: str, _: npt.NDArray[Any]) -> None:
        """Refuse: see `states`."""
        raise EvaluationError(f"there is no state {name!r}: {self.runtime} does not name what a model keeps")

    def _ask(self, what: str, inputs: Mapping[str, npt.NDArray[Any]]) -> Answer:
        try:
            return self._guest.ask(what, inputs)
        except EvaluationError as fault:
            raise EvaluationError(f"{self.runtime} refused the call: {fault}") from None


def _read_tensors(answer: Answer, role: str) -> dict[str, Tensor]:
    try:
        return {one["name"]: _read_tensor(one) for one in answer.head[role]}
    except (KeyError, TypeError, ValueError) as fault:
        raise EvaluationError(f"what it says of its {role} cannot be read ({type(fault).__name__})") from None


def _read_tensor(one: Mapping[str, Any]) -> Tensor:
    asked = [int(size) for size in one["shape"]]
    return Tensor(
        shape=tuple(1 if size < 0 else size for size in asked),
        dtype=str(one["dtype"]),
        open_axes=tuple(axis for axis, size in enumerate(asked) if size < 0),
        scale=float(one["scale"]) or None,
        zero_point=int(one["zero_point"]),
    )
