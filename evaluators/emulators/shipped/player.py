"""A shipped runtime as a target, and as what plays a model there."""

from __future__ import annotations

import sys
from pathlib import Path

from evaluators.emulators import Emulator
from evaluators.emulators.guest.emulator import GuestEmulator
from evaluators.emulators.guest.process import ENVIRONMENT, PROGRAM
from evaluators.emulators.shipped.environment import SITE, find_folder, is_there
from evaluators.emulators.shipped.versions import ShippedRuntime
from evaluators.errors import EvaluationError
from evaluators.formats.tflite.refusals import explain, tell_lowest
from evaluators.target_records import Target
from evaluators.targets.target import Player

_RANK = 50
"""behind what is installed beside testpress"""


class ShippedEmulator(GuestEmulator):
    """A .tflite file on a shipped runtime; see `GuestEmulator`."""

    def __init__(self, path: Path, runtime: ShippedRuntime, threads: int, signature: str | None) -> None:
        """Load a model.

        Raises:
            EvaluationError: The runtime is not there, or refuses the model; of an op that it does not know, with the
                lowest runtime that does.
        """
        if not is_there(runtime):
            raise EvaluationError(f"{runtime.title} is not there; `testpress run` fetches it")
        folder = find_folder(runtime)
        site = str(folder / SITE)
        asked = {"site": site, "module": runtime.library.module, "threads": threads, "signature": signature}
        # Without -S it would see the packages beside testpress.
        command = [sys.executable, "-sSEB", str(PROGRAM)]
        try:
            super().__init__(path, runtime.title, command, ENVIRONMENT, folder=folder, asked=asked)
        except EvaluationError as fault:
            raise EvaluationError("; ".join(filter(None, (str(fault), tell_lowest(str(fault)))))) from None


def make_player(runtime: ShippedRuntime) -> Player:
    """The player of a shipped runtime."""

    def find() -> Target:
        return Target(name=runtime.target, runtime=runtime.runtime, version=runtime.title)

    def open_file(path: Path, threads: int, signature: str | None) -> Emulator:
        return ShippedEmulator(path, runtime, threads, signature)

    return Player(
        runtime=runtime.runtime, format="tflite", rank=_RANK, find=find, open=open_file, explain=explain, times=False
    )
