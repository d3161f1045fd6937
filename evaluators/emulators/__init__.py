"""Running a bundle as the phone would: one file (or folder) a format, each with `open_model(path, threads=…)`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from device_profiles.files import is_file
from device_profiles.pointers import POINTER_BYTES
from evaluators.errors import EvaluationError
from packager.bundle import Format

SUFFIXES: dict[str, Format] = {".tflite": "tflite", ".mlpackage": "coreml", ".mlmodel": "coreml"}
TFLITE_IDENTIFIER = b"TFL3"
"""bytes 4 to 8 of every TFLite model"""


@dataclass(frozen=True)
class Tensor:
    """Shape (open dimensions fixed to 1) and dtype of an emulated model's input or output."""

    shape: tuple[int, ...]
    dtype: str
    open_axes: tuple[int, ...] = ()
    """dimensions whose size a caller may choose"""
    scale: float | None = None
    """of quantised values: value = scale × (integer − zero_point); none where they are what they are"""
    zero_point: int = 0
    absent: float | None = None
    """of an optional input: what fills it where it is not given; none where it must be given"""


class Emulator(Protocol):
    """A model file that can be called."""

    @property
    def runtime(self) -> str:
        """Name and version of what executes it."""

    @property
    def inputs(self) -> Mapping[str, Tensor]: ...

    @property
    def outputs(self) -> Mapping[str, Tensor]: ...

    @property
    def states(self) -> Mapping[str, Tensor]:
        """What the model itself keeps from call to call; none where an app hands its states in and out."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]: ...

    def reset(self) -> None:
        """Begin anew: whatever the model keeps is as it was after loading."""

    def read_state(self, name: str) -> npt.NDArray[Any]:
        """A copy of one of `states`."""

    def write_state(self, name: str, value: npt.NDArray[Any], /) -> None:
        """Set one of `states`."""


def format_of(path: Path) -> Format:
    """The format of a model file: by its suffix, and under another name by its first bytes.

    Raises:
        EvaluationError: It is none that can be emulated.
    """
    if path.suffix not in SUFFIXES and read_head(path)[4:8] == TFLITE_IDENTIFIER:
        return "tflite"
    if path.suffix not in SUFFIXES:
        raise EvaluationError(f"{path}: not a model that can be played; known: {', '.join(SUFFIXES)}")
    return SUFFIXES[path.suffix]


def read_head(path: Path) -> bytes:
    """The first bytes of a regular file, as many as tell what it is; none of what is no file."""
    if not is_file(path):
        return b""
    try:
        with path.open("rb") as file:
            return file.read(POINTER_BYTES)
    except OSError:
        return b""


def distinct_names(names: Sequence[str], role: str) -> tuple[str, ...]:
    """Names to bind by, of tensors that may have none or share one: those get their place, for example `input_0`."""
    return tuple(name if name and names.count(name) == 1 else f"{role}_{place}" for place, name in enumerate(names))


def open_model(path: Path, *, threads: int = 1, signature: str | None = None) -> Emulator:
    """Load a model file in the emulator of its format.

    Args:
        path: A .tflite file, an .mlpackage folder or an .mlmodel file.
        threads: How many threads its kernels may use.
        signature: Which signature (TFLite) or function (Core ML); else the only or the default one.

    Raises:
        EvaluationError: It is missing, damaged, of another format, or its runtime is not installed.
    """
    format_ = format_of(path)
    if not path.exists():
        raise EvaluationError(f"{path}: no such file or folder")
    emulator: Emulator = importlib.import_module(f"evaluators.emulators.{format_}").open_model(
        path, threads=threads, signature=signature
    )
    return emulator
