"""TFLite models on an emulated Arm core: the phone's own build of the runtime, with the kernels it picks there."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from evaluators.emulators.arm.core_types import get_core_type
from evaluators.emulators.arm.counts import COUNTS_VARIABLE, InstructionCounts, parse_counts
from evaluators.emulators.arm.installation import GUEST, Installation, find_installation
from evaluators.emulators.guest.emulator import GuestEmulator
from evaluators.emulators.guest.process import ENVIRONMENT
from evaluators.errors import EvaluationError
from evaluators.formats.tflite.interpreter import LITERT


class ArmEmulator(GuestEmulator):
    """A .tflite file on a type of core; see `GuestEmulator`."""

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
        self._folder = contextlib.ExitStack()
        self._counts: Path | None = None
        options: tuple[str, ...] = ()
        environment = dict(ENVIRONMENT)
        if counts:
            options, environment = self._prepare_counting(installation, core)
        asked = {"site": "site", "module": LITERT.module, "threads": threads, "signature": signature}
        super().__init__(
            path,
            f"{installation.version}, {kind.title}",
            installation.command(core, ("-B", GUEST), options=options),
            environment,
            folder=installation.folder,
            asked=asked,
        )

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

    def close(self) -> None:
        """End the process."""
        super().close()
        self._folder.close()

    def _prepare_counting(self, installation: Installation, core: str) -> tuple[tuple[str, ...], dict[str, str]]:
        if installation.installed.counts:
            raise EvaluationError(f"instructions cannot be counted: {installation.installed.counts}")
        self._counts = Path(self._folder.enter_context(tempfile.TemporaryDirectory(prefix="testpress-"))) / "counts"
        kind = get_core_type(core)
        caches = ",".join(f"{name}={one.bytes}:{one.ways}" for name, one in (("l1d", kind.l1d), ("l2", kind.l2)))
        # A path in an option may hold no comma, so the plugin is named from the folder that QEMU runs in.
        options = ("-U", COUNTS_VARIABLE, "-plugin", f"./{installation.plugin.name},{caches}")
        return options, {**ENVIRONMENT, COUNTS_VARIABLE: str(self._counts)}
