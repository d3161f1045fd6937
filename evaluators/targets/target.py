"""What a target is: where a bundle is played or priced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from evaluators.target_records import Refusal, Target


class RefusedError(EvaluationError):
    """A target cannot do what is asked of it."""

    def __init__(self, message: str, refusal: Refusal) -> None:
        """Keep what was refused.

        Args:
            message: For people.
            refusal: The same as data.
        """
        super().__init__(message)
        self.refusal = refusal


@dataclass(frozen=True)
class Player:
    """A target that plays files on this machine: each file of `evaluators/targets` holds one, `PLAYER`.

    Attributes:
        runtime: The runtime of profiles that it stands for.
        format: What it plays.
        rank: Of several that play a format, the lowest that is there is the one for bulk numbers.
        find: The target as it is here.
        open: `(path, threads, signature)` → the emulator.
        kernels: Other kernels of the same runtime, by what they are, for what does not hang on speed.
        samples: Whether it is too slow to play whole datasets, so that a few windows are chosen.
        times: Whether the time of a call here is the runtime's own.
        explain: An emulator's fault as a refusal with its op, as far as its message tells it.

    `find` and `open` raise `EvaluationError` where the target is not there, or the file cannot be loaded.
    """

    runtime: str
    format: str
    rank: int
    find: Callable[[], Target]
    open: Callable[[Path, int, str | None], Emulator]
    explain: Callable[[str], Refusal | None] = lambda _: None
    samples: bool = False
    times: bool = True
    kernels: Mapping[str, Callable[[Path], Emulator]] = field(default_factory=dict)
