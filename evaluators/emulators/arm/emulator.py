"""TFLite models on an emulated Arm core: the phone's own build of the runtime, with the kernels it picks there."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from evaluators.emulators import Tensor
from evaluators.emulators.arm.core_types import get_core_type
from evaluators.emulators.arm.counts import COUNTS_VARIABLE, InstructionCounts, parse_counts
from evaluators.emulators.arm.installation import Installation, find_installation
from evaluators.emulators.guest import program
from evaluators.emulators.guest.process import MOST_SECONDS, Answer, GuestProcess
from evaluators.errors import EvaluationError

_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


class ArmEmulator:
    """A .tflite file, loaded once in an emulated process and called window by window.

    Attributes:
        runtime: Name and version of what executes it, and on what core.
        inputs: By signature name, without a signature by tensor name; open dimensions are fixed to 1.
        outputs: As `inputs`.
        states: None: variable tensors cannot be told by name.
    """

    def __init__(
        self, path: Path, core: str, *, threads: int = 1, signature: str | None = None, counts: bool = False
    ) -> None:
        """Load a model.

        Args:
            path: The file.
            core: A type of core, such as `cortex_a76`.
            threads: How many threads its kernels may use.
            signature: Which of several.
            counts: Whether `count` is to be asked; every call takes a little longer then.

        Raises:
            EvaluationError: The emulation is not there, or the runtime in it cannot load the file.
        """
        installation, kind = find_installation(), get_core_type(core)
        self.runtime = f"{installation.version}, {kind.title}"
        self.states: dict[str, Tensor] = {}
        self._folder = contextlib.ExitStack()
        self._counts: Path | None = None
        options, environment = (), dict(_ENVIRONMENT)
        if counts:
            options, environment = self._prepare_counting(installation, core)
        named = (Path(program.__file__), installation.folder / "site", path.resolve(), threads, signature or "")
        arguments = tuple(map(str, named))
        self._guest = GuestProcess(
            installation.command(core, arguments, plugin=options),
            environment,
            title=f"{path.name} on the emulated {kind.title}",
            folder=installation.folder,
            patience_s=MOST_SECONDS,
        )
        try:
            described = self._guest.hear()
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

    def count(self, inputs: Mapping[str, npt.NDArray[Any]]) -> InstructionCounts:
        """Run twice, and count the instructions of the second invocation.

        Raises:
            EvaluationError: As `run`'s, or nothing was counted.
        """
        assert self._counts is not None, "it was loaded to count"
        self._counts.write_bytes(b"")
        self._ask("count", inputs)
        found = parse_counts(self._counts.read_text("utf-8"))
        if len(found) != 1:
            raise EvaluationError(f"{self.runtime}: {len(found)} invocations were counted where one was made")
        return found[0]

    def reset(self) -> None:
        """Set variable tensors, where there are any, to what they were after loading."""
        self._ask("reset", {})

    def close(self) -> None:
        """End the process."""
        self._guest.close()
        self._folder.close()

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

    def _prepare_counting(self, installation: Installation, core: str) -> tuple[tuple[str, ...], dict[str, str]]:
        if installation.installed.counts:
            raise EvaluationError(f"instructions cannot be counted: {installation.installed.counts}")
        self._counts = Path(self._folder.enter_context(tempfile.TemporaryDirectory(prefix="testpress-"))) / "counts"
        kind = get_core_type(core)
        caches = ",".join(f"{name}={one.bytes}:{one.ways}" for name, one in (("l1d", kind.l1d), ("l2", kind.l2)))
        # A path in an option may hold no comma, so the plugin is named from the folder that QEMU runs in.
        options = ("-plugin", f"./{installation.plugin.name},{caches}")
        return options, {**_ENVIRONMENT, COUNTS_VARIABLE: str(self._counts)}


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
