"""What a conversion may use besides the source, and what all formats' precisions share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from packager.compression.calibration import Calibration
from packager.compression.model_runner import ModelRunner
from packager.proving.lengths import FlexibleInput, LengthTrial


@dataclass(frozen=True)
class Context:
    """What a conversion may use besides the source.

    Attributes:
        minimum_deployment_target: coremltools' word for the oldest system to run on, for example `iOS15`. A precision
            that needs a later one raises it.
        calibration: Inputs by name, one mapping a call: what searches compare on.
        runner: Runs model files, where something can; searches and the calibration of Core ML need it.
        references: What the source gives for each call of `calibration`, by output name.
        lengths: Inputs of which one axis may have several sizes, by name.
        other_lengths: Calls with other sizes than by default, and what the source makes of them.
        clip: More calls, where a model with states has heard a long clip.
    """

    minimum_deployment_target: str = "iOS15"
    calibration: Calibration = ()
    runner: ModelRunner | None = None
    references: Calibration = ()
    lengths: Mapping[str, FlexibleInput] = field(default_factory=dict)
    other_lengths: Sequence[LengthTrial] = ()
    clip: Calibration = ()

    @property
    def heard(self) -> Calibration:
        """All calls: what activations are calibrated on."""
        return [*self.calibration, *self.clip]


def is_calibrated(precision: str) -> bool:
    """Whether a precision computes with integers, in ranges that calls of the model have set."""
    return precision.startswith("static_") or precision == "w8a8"
