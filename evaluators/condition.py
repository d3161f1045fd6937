"""What a condition is: what happens to audio between a performer's mouth and a model, made again by computation.

A condition is a subclass of `Condition`. Adding one to the tree is adding a file to `evaluators/conditions`: its name
is the condition's kind, and `CONDITION` in it is the class. An installed package offers one by an entry point of the
group `testpress.conditions`. See docs/adding/condition.md.
"""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from device_profiles.record import Record
from evaluators.errors import EvaluationError
from evaluators.windows import Samples

Wide = npt.NDArray[np.float64]
"""audio while it is computed with, `(channels, samples)`"""
Recordings = Mapping[str, Sequence[Callable[[], Samples]]]
"""by a recipe's name of a dataset or folder, what reads each of its audio files"""


@dataclass(frozen=True)
class Surroundings:
    """What a condition may know beside the clip's samples.

    Attributes:
        sample_rate_hz: Of the samples.
        random: Seeded by the condition's kind, its place among the steps and the clip's samples: the same clip is
            always treated in the same way, and noise of two levels differs in nothing but its level.
        others: The dataset's other clips, each read when it is called, `(channels, samples)` of the same channels.
        recordings: What the condition's `list_recordings` names, each read when it is called: `(1, samples)` at the
            clip's rate.
    """

    sample_rate_hz: int
    random: np.random.Generator
    others: Sequence[Callable[[], Samples]] = ()
    recordings: Recordings = field(default_factory=dict)


class Condition(abc.ABC):
    """One thing that happens to audio; it keeps the clip's length and leaves every event at its time."""

    Parameters: ClassVar[type[Record]] = Record
    """what it can be set to, each with its range; a record with defaults where there are some"""
    libraries: ClassVar[tuple[str, ...]] = ()
    """installed packages whose version decides what comes out, numpy aside"""
    extra: ClassVar[str | None] = None
    """testpress's extra that brings those of the libraries that testpress does without"""

    def __init__(self, parameters: Any) -> None:
        """Set it; `parameters` is a `Parameters`."""
        self.parameters = parameters

    def check_rate(self, sample_rate_hz: int) -> None:  # noqa: B027  most conditions can be of any
        """See that the condition can be of audio of this rate; by default of any.

        Raises:
            EvaluationError: It cannot, and why.
        """

    def list_recordings(self) -> tuple[str, ...]:
        """Recordings that it needs beside the clips: datasets, as "builtin:NAME", and folders, relative to the recipe.

        They are made or found before anything is played, and handed over in `Surroundings.recordings`. By default none.
        """
        return ()

    @abc.abstractmethod
    def apply(self, samples: Wide, surroundings: Surroundings) -> Wide:
        """Treat one clip.

        Args:
            samples: Finite, float64 `(channels, samples)`, full scale 1, at least one sample; not to be modified.
            surroundings: Its rate, random numbers, other clips.

        Returns:
            The same shape, on the same time line.
        """


def apply_condition(
    condition: Condition,
    samples: Samples,
    place: int,
    sample_rate_hz: int,
    others: Sequence[Callable[[], Samples]] = (),
    recordings: Recordings = MappingProxyType({}),
) -> Samples:
    """Treat a clip, and see that what comes out is still that clip.

    Args:
        condition: Opened, with its `kind`.
        samples: Finite float32 `(channels, samples)`. Not modified.
        place: The condition's place among the steps that the clip goes through, from 0.
        sample_rate_hz: Of the samples.
        others: See `Surroundings`.
        recordings: See `Surroundings`.

    Returns:
        float32 of the same shape. What float32 cannot hold is the largest number that it can.

    Raises:
        EvaluationError: The condition returns another shape, or a value that is no number.
    """
    kind = type(condition).__module__.rpartition(".")[2]
    given = np.ascontiguousarray(samples, np.float32)
    random = np.random.default_rng(_find_seed(kind, place, given))
    surroundings = Surroundings(sample_rate_hz, random, others, recordings)
    found = np.asarray(condition.apply(given.astype(np.float64), surroundings))
    if found.shape != samples.shape:
        raise EvaluationError(f"condition {kind}: returned shape {found.shape} for audio of shape {samples.shape}")
    if np.isnan(found).any():
        raise EvaluationError(f"condition {kind}: returned a value that is no number")
    most = np.finfo(np.float32).max
    treated: Samples = np.clip(found, -most, most).astype(np.float32)
    return treated


def _find_seed(kind: str, place: int, samples: Samples) -> int:
    digest = hashlib.sha256(f"{kind} {place} {samples.shape}".encode())
    digest.update(samples.astype("<f4").tobytes())
    return int.from_bytes(digest.digest()[:16], "big")


def mean_power(samples: npt.NDArray[Any]) -> float:
    """The mean of the squares over all channels and samples."""
    return float(np.mean(np.square(samples, dtype=np.float64)))


def fit_length(samples: Wide, n_samples: int) -> Wide:
    """The first `n_samples`, with silence at the end where there are fewer."""
    missing = n_samples - samples.shape[-1]
    return np.pad(samples, ((0, 0), (0, missing))) if missing > 0 else samples[:, :n_samples]
