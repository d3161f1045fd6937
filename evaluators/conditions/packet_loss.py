"""Packets that a network loses, and what a receiver plays in their place."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pydantic

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide


class PacketLossParameters(Record):
    """How much is lost, and how it is concealed."""

    burst: Annotated[float, pydantic.Field(ge=1, le=100)] = 1.5
    """how many packets are lost in a row, on average"""
    loss: Annotated[float, pydantic.Field(ge=0, le=0.9, validate_default=True)] = 0.05
    """share of packets, on average"""
    packet_ms: Annotated[float, pydantic.Field(ge=1, le=1000)] = 20.0
    concealment: Literal["zero", "repeat"] = "repeat"
    """zero: silence · repeat: the last packet that came, again and again; silence before the first"""

    @pydantic.field_validator("loss")
    @classmethod
    def _possible(cls, loss: float, info: pydantic.ValidationInfo) -> float:
        burst = info.data.get("burst", 100.0)
        if loss > burst / (burst + 1):
            raise ValueError(
                f"cannot come in bursts of {burst:g} packets with one between any two at least; right is at most "
                f"{burst / (burst + 1):.3g}, or longer bursts"
            )
        return loss


class PacketLoss(Condition):
    """Whole packets of all channels are lost, by a chain of two states: received and lost.

    Source: E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39 (1960), 1253-1265.
    """

    Parameters = PacketLossParameters

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        size = max(1, round(self.parameters.packet_ms / 1000 * surroundings.sample_rate_hz))
        lost = draw_losses(-(-samples.shape[1] // size), self.parameters, surroundings.random)
        heard = samples.copy()
        for index in np.flatnonzero(lost):
            start, end = index * size, min((index + 1) * size, samples.shape[1])
            if self.parameters.concealment == "zero" or index == 0:
                heard[:, start:end] = 0.0
            else:
                heard[:, start:end] = heard[:, start - size : end - size]
        return heard


def draw_losses(
    n_packets: int, parameters: PacketLossParameters, random: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which packets are lost, `(packets,)`."""
    recovers = 1 / parameters.burst
    fails = recovers * parameters.loss / (1 - parameters.loss)
    lost, now = np.zeros(n_packets, np.bool_), bool(random.random() < parameters.loss)
    for index, drawn in enumerate(random.random(n_packets)):
        lost[index] = now
        now = bool(drawn >= recovers) if now else bool(drawn < fails)
    return lost


CONDITION = PacketLoss
