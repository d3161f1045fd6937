"""What one input is: the files that lie in its folder, and the command that is run there."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Stream = Literal["file", "closed", "full", "no reader"]
"""where a standard stream goes; "full" is a device without room, "no reader" a pipe that nobody reads"""

OUTPUTS = ("out", "testpress-out", "report")
"""what a command may write in its folder: what `-o` names, and what stands beside a recipe or evaluation by default"""


@dataclass(frozen=True)
class Place:
    """Where an input is made.

    Attributes:
        folder: The folder the command runs in; empty, to be filled.
        corpus: Good files, by kind; see `corpus.py`. Not to be changed.
        secret: A file outside the folder that no output may tell of.
        victim: A file outside the folder that must stay as it is.
    """

    folder: Path
    corpus: Path
    secret: Path
    victim: Path


@dataclass(frozen=True)
class Case:
    """A command to run in a place.

    Attributes:
        arguments: What follows `testpress`.
        writes: What may change in the folder, by first names; an empty name is all of it.
        environment: Variables beside the usual ones.
        stdin: "closed", or "file" for an empty one.
        stdout: Where standard output goes.
        stderr: Where standard error goes.
        encoding: Of the standard streams.
        call: What to call instead of the command; its result is the exit code.
    """

    arguments: tuple[str, ...]
    writes: tuple[str, ...] = OUTPUTS
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: Stream = "file"
    stdout: Stream = "file"
    stderr: Stream = "file"
    encoding: str = "utf-8"
    call: Callable[[], int] | None = None

    @property
    def wants_json(self) -> bool:
        return "--json" in self.arguments and not {"-h", "--help", "--version"} & {*self.arguments}


class Kind(Protocol):
    """A module of `tests.fuzz.kinds`; with a function `prepare`, where something must be made before any fork."""

    SHARE: int
    """how many of 1,000 inputs are of this kind"""
    SECONDS: float
    """of one core that an input takes, about"""

    def make_case(self, chance: random.Random, place: Place) -> Case:
        """Fill the place's folder; all that is random comes from `chance`."""
