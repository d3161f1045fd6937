"""A room: what the microphone hears some metres away from the source."""

from __future__ import annotations

import functools
import math
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pydantic
from scipy.signal import lfilter, oaconvolve

from device_profiles.record import Record
from evaluators.condition import Condition, Surroundings, Wide, mean_power
from evaluators.errors import EvaluationError

_SOUND_M_S = 343.0
_PLACES = 8
"""of source and microphone that clips are drawn from: a response takes long to compute"""
_WALL_M = 0.3
"""nearest that source and microphone come to a wall"""
_HIGH_PASS_HZ = 100.0
_MOMENT_S = 0.0005
"""how finely the decay is looked at while the walls are sought"""


_Side = Annotated[float, pydantic.Field(ge=2, le=15)]


class RoomParameters(Record):
    """A room of six walls, all alike."""

    t60_s: Annotated[float, pydantic.Field(ge=0.1, le=1.0)] = 0.5
    """how long sound takes to become 60 dB quieter, taken from the decay between -5 and -35 dB"""
    distance_m: Annotated[float, pydantic.Field(ge=0.2, le=10)] = 2.0
    """from the source to the microphone"""
    size_m: Annotated[tuple[_Side, _Side, _Side], pydantic.Field(validate_default=True)] = (6.0, 4.5, 2.7)
    """length, width, height"""

    @pydantic.field_validator("size_m")
    @classmethod
    def _possible(cls, size_m: tuple[float, ...], info: pydantic.ValidationInfo) -> tuple[float, ...]:
        most = 0.8 * math.hypot(*(side - 2 * _WALL_M for side in size_m[:2]))
        if info.data.get("distance_m", 0.0) > most:
            raise ValueError(f"is too small for distance_m {info.data['distance_m']:g}; right is at most {most:.2g}")
        return size_m


class Room(Condition):
    """The clip through a room's impulse response, its direct sound at the clip's own time and its level kept.

    The response is that of the image-source method, each reflection at its nearest sample, through the method's own
    high-pass filter at 100 Hz. The walls' reflection is not taken from a formula, which for this method is some 20 %
    off, but found so that the response itself has the asked reverberation time by Schroeder's integral. Where source
    and microphone stand is drawn from eight places, height aside at random; all channels hear one microphone.

    Source: J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65
    (1979), 943-950. M. R. Schroeder, "New method of measuring reverberation time", JASA 37 (1965), 409-412.
    """

    Parameters = RoomParameters
    libraries = ("scipy",)

    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """See `Condition.apply`."""
        place = int(surroundings.random.integers(_PLACES))
        response = make_response(self.parameters, place, surroundings.sample_rate_hz)
        wet: Wide = oaconvolve(samples, response[None], axes=1)[:, : samples.shape[1]]
        power = mean_power(wet)
        return wet if power == 0 else wet * np.sqrt(mean_power(samples) / power)


@functools.lru_cache(maxsize=2 * _PLACES)
def make_response(parameters: RoomParameters, place: int, sample_rate_hz: int) -> Wide:
    """The impulse response, `(samples,)`, the direct sound first and of height 1 before the high-pass filter.

    Args:
        parameters: The room.
        place: Which of the places of source and microphone.
        sample_rate_hz: Of the response.

    Raises:
        EvaluationError: No walls give this room the asked time.
    """
    source, microphone = _draw_places(parameters, place)
    distances_m, reflections = _list_images(parameters, source, microphone)
    reflection = _find_reflection(parameters.t60_s, distances_m, reflections)
    direct_m = distances_m[0]
    heights = reflection**reflections * (direct_m / distances_m)
    delays = np.rint((distances_m - direct_m) / _SOUND_M_S * sample_rate_hz).astype(np.int64)
    response = np.bincount(delays, heights)
    radius = np.exp(-2 * np.pi * _HIGH_PASS_HZ / sample_rate_hz)
    turn = np.cos(2 * np.pi * _HIGH_PASS_HZ / sample_rate_hz)
    filtered: Wide = lfilter([1.0, -(1 + radius), radius], [1.0, -2 * radius * turn, radius**2], response)
    return filtered


def _draw_places(parameters: RoomParameters, place: int) -> tuple[Wide, Wide]:
    """Where source and microphone stand, in metres from a corner."""
    random = np.random.default_rng([place, 1979])
    sides = np.array(parameters.size_m)
    while True:
        source = _WALL_M + random.random(3) * (sides - 2 * _WALL_M)
        angle, rise = random.random() * 2 * np.pi, (random.random() - 0.5) * 0.4
        toward = np.array([np.cos(angle) * np.cos(rise), np.sin(angle) * np.cos(rise), np.sin(rise)])
        microphone = source + parameters.distance_m * toward
        if (microphone >= _WALL_M).all() and (microphone <= sides - _WALL_M).all():
            return source, microphone


def _list_images(parameters: RoomParameters, source: Wide, microphone: Wide) -> tuple[Wide, npt.NDArray[np.float64]]:
    """Of each image heard within the reverberation time: its distance, rising, and how often it was reflected."""
    reach_m = parameters.distance_m + _SOUND_M_S * parameters.t60_s
    squares, counts = np.zeros(1), np.zeros(1)
    for side, here, there in zip(parameters.size_m, source, microphone, strict=True):
        orders = np.arange(-int(reach_m / (2 * side)) - 1, int(reach_m / (2 * side)) + 2)
        places = np.concatenate([2 * orders * side + here, 2 * orders * side - here]) - there
        times = np.concatenate([np.abs(2 * orders), np.abs(2 * orders - 1)])  # walls passed: as many as cells
        squares = (squares[:, None] + places**2).ravel()
        counts = (counts[:, None] + times).ravel()
        kept = squares <= reach_m**2
        squares, counts = squares[kept], counts[kept]
    order = np.argsort(squares, kind="stable")
    return np.sqrt(squares[order]), counts[order]


def _find_reflection(t60_s: float, distances_m: Wide, reflections: Wide) -> float:
    """The walls' reflection of pressure with which the images' energy decays in the asked time; by halving."""
    moments = (distances_m / _SOUND_M_S / _MOMENT_S).astype(np.int64)
    most = int(reflections.max()) + 1
    shape = int(moments.max()) + 1, most
    places = moments * most + reflections.astype(np.int64)
    energies = np.bincount(places, distances_m**-2.0, shape[0] * most).reshape(shape)
    times_s: Wide = np.arange(shape[0], dtype=np.float64) * _MOMENT_S
    counts = np.arange(most)
    low, high = 0.01, 0.9999
    for _ in range(24):
        middle = (low + high) / 2
        found = measure_decay(times_s, energies @ middle ** (2.0 * counts))
        low, high = (middle, high) if found < t60_s else (low, middle)
    found = measure_decay(times_s, energies @ low ** (2.0 * counts))
    if not 0.9 < found / t60_s < 1.1:
        raise EvaluationError(
            f"condition room: no walls give t60_s {t60_s:g} at this size and distance; the nearest is {found:.2g}"
        )
    return low


def measure_decay(times_s: Wide, energies: npt.NDArray[np.floating[Any]]) -> float:
    """The reverberation time in seconds by Schroeder's integral: of the line through its decay from -5 to -35 dB.

    Args:
        times_s: Rising, `(moments,)`.
        energies: At each, not below zero. Where less than 30 dB decay is in them, the time is what their last moment
            tells, and so too short.
    """
    left = np.cumsum(energies[::-1])[::-1]
    level_db = 10 * np.log10(np.maximum(left / max(left[0], 1e-300), 1e-30))
    start, end = int(np.argmax(level_db <= -5)), int(np.argmax(level_db <= -35)) or len(level_db) - 1
    if end <= start + 1 or times_s[end] == times_s[start]:
        return 0.0
    grid = np.linspace(times_s[start], times_s[end], 200)
    slope = np.polyfit(grid, np.interp(grid, times_s[start : end + 1], level_db[start : end + 1]), 1)[0]
    return float(-60 / slope) if slope < 0 else 0.0


CONDITION = Room
