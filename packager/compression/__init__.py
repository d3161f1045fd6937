"""What precisions there are: one folder a format, each with `PRECISIONS` and `MODEL_FILE`; it imports no framework."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from device_profiles.record import suggest
from packager.compression.calibration import Calibration
from packager.compression.numerics import Numerics
from packager.compression.precision import Precision
from packager.errors import PackagingError
from packager.lengths import FlexibleInput, LengthTrial


@dataclass(frozen=True)
class Context:
    """What a conversion may use besides the source.

    Attributes:
        minimum_deployment_target: coremltools' word for the oldest system to run on, for example `iOS15`. A precision
            that needs a later one raises it.
        calibration: Inputs by name, one mapping a call: what searches compare on.
        numerics: Runs model files, where something can; searches and the calibration of Core ML need it.
        references: What the source gives for each call of `calibration`, by output name.
        lengths: Inputs of which one axis may have several sizes, by name.
        other_lengths: Calls with other sizes than by default, and what the source makes of them.
        clip: More calls, where a model with states has heard a long clip.
    """

    minimum_deployment_target: str = "iOS15"
    calibration: Calibration = ()
    numerics: Numerics | None = None
    references: Calibration = ()
    lengths: Mapping[str, FlexibleInput] = field(default_factory=dict)
    other_lengths: Sequence[LengthTrial] = ()
    clip: Calibration = ()

    @property
    def heard(self) -> Calibration:
        """All calls: what activations are calibrated on."""
        return [*self.calibration, *self.clip]


def formats() -> tuple[str, ...]:
    """The formats, by the names of this folder's folders."""
    return tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("[a-z]*/__init__.py")))


def _known(format_: str) -> Mapping[str, Precision]:
    found: Mapping[str, Precision] = importlib.import_module(f"packager.compression.{format_}").PRECISIONS
    return found


def precisions(format_: str) -> tuple[str, ...]:
    """The precisions a format can be packaged in."""
    return tuple(_known(format_))


def tolerance(format_: str, precision: str) -> float:
    """The least signal-to-noise ratio, in dB, that a precision promises on every output beside the source model.

    10 log10(sum source² / sum difference²), over all that was compared. A bundle below it is marked, not withheld.

    Raises:
        PackagingError: The format or the precision is unknown.
    """
    check_precision(format_, precision, where="tolerance")
    return _known(format_)[precision].tolerance_db


def is_calibrated(precision: str) -> bool:
    """Whether a precision computes with integers, in ranges that calls of the model have set."""
    return precision.startswith("static_") or precision == "w8a8"


def model_file(format_: str) -> str:
    """The name of the model file (or folder) in a bundle of this format."""
    name: str = importlib.import_module(f"packager.compression.{format_}").MODEL_FILE
    return name


def check_precision(format_: str, precision: str, *, where: str) -> None:
    """Refuse a precision that the format cannot be packaged in.

    Raises:
        PackagingError: With what is known, and what may have been meant.
    """
    if format_ not in formats():
        raise PackagingError(f"{where}: unknown format {format_!r}{suggest(format_, formats())}")
    known = precisions(format_)
    if precision not in known:
        raise PackagingError(
            f"{where}: unknown precision {precision!r}{suggest(precision, known) or '; known: ' + ', '.join(known)}"
        )
