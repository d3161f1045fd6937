"""Which choice another front end made differently: told from the features it computed of known audio.

An app's own front end is seldom wrong everywhere. It has one or two choices that its library makes otherwise: a
symmetric window, mel after HTK, samples in 16 bits. Here the choices are tried, one after the other and together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from packager.errors import PackagingError
from packager.frontend_spec import BuiltIn, FrontendSpec
from packager.frontends.backends import NumpyBackend
from packager.frontends.computation import compute, count_bins, count_frames
from packager.snr import snr_db

SAME_DB = 60.0
"""below, features are not explained"""
CERTAIN_DB = 100.0
"""from here on nothing else is tried: the libraries' own float32 is nearer, and a window's symmetry changes more"""
_GAIN_DB = 12.0
"""a further change must bring so much to be believed"""
_MOST_CHANGES = 3
_BEAM = 6
"""combinations that are carried on from one number of changes to the next"""
_IMPLIED = frozenset({"padding", "floor", "floor_how", "dynamic_range"})
"""what goes without saying where another choice leaves no place for it"""
_NEAR_DB = 3.0
"""of the best, which cannot be told apart from it"""

Values = npt.NDArray[np.float64]
Changes = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Flavour:
    """One way to compute the features.

    Attributes:
        changes: Field → its value, where it is another than was said.
        snr_db: 10 log10(sum features² / sum difference²) of the features that were given; infinite where both are the
            same.
        frames: How many it makes.
        transposed: Whether the features that were given have frames and bins the other way round.
    """

    changes: Mapping[str, Any]
    snr_db: float
    frames: int
    transposed: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What came of trying.

    Attributes:
        said: The features as was said.
        likely: What explains the features that were given, nearest first; several where this audio does not tell them
            apart; empty where nothing does.
        nearest: The best there was.
        tried: How many were computed.
    """

    said: Flavour
    likely: tuple[Flavour, ...]
    nearest: Flavour
    tried: int


def find_flavour(
    spec: BuiltIn, samples: npt.NDArray[np.float32], rate_hz: int, features: npt.NDArray[Any]
) -> Diagnosis:
    """Tell which choices features were computed with.

    Args:
        spec: The choices that should have been made.
        samples: The audio that the features were computed of, `(channels, samples)`.
        rate_hz: Of the samples.
        features: As the other front end gave them; dimensions of 1 do not matter.

    Raises:
        PackagingError: The features have other dimensions, or are not finite.
    """
    trial = _Trial(spec, samples.astype(np.float64), rate_hz, _squeeze(features, samples.shape[0]))
    said = trial.measure(())
    if said is None:
        raise PackagingError(
            f"the audio of {samples.shape[1]} samples holds no frame; give audio of a window's length at least"
        )
    beam: list[Changes] = [()]
    best, equals = said, [said]
    for _ in range(_MOST_CHANGES):
        if best.snr_db >= CERTAIN_DB:
            break
        ranked = sorted(_widen(trial, beam), key=lambda one: -one[1].snr_db)
        if not ranked:
            break
        if ranked[0][1].snr_db > best.snr_db + _GAIN_DB:
            best, equals = ranked[0][1], [flavour for _, flavour in ranked]
        beam = [changes for changes, _ in ranked[:_BEAM]]
    near = min(best.snr_db, CERTAIN_DB + _NEAR_DB) - _NEAR_DB if best.snr_db >= SAME_DB else math.inf
    return Diagnosis(said, tuple(one for one in equals if one.snr_db >= near), best, trial.tried)


def _widen(trial: _Trial, beam: Sequence[Changes]) -> Iterator[tuple[Changes, Flavour]]:
    """All that differs in one choice more from what is in the beam."""
    seen: set[frozenset[str]] = set()
    for changes in beam:
        for more in trial.list_changes():
            if {name for name, _ in more} & {name for name, _ in changes}:
                continue
            wider = (*changes, *more)
            identity = frozenset(map(str, wider))
            if identity not in seen:
                seen.add(identity)
                found = trial.measure(wider)
                if found is not None:
                    yield wider, found


class _Trial:
    """Features of one recording, in whatever way."""

    def __init__(self, spec: BuiltIn, samples: Values, rate_hz: int, given: Values) -> None:
        self._spec, self._samples, self._rate_hz, self._given = spec, samples, rate_hz, given
        self._adapter: pydantic.TypeAdapter[BuiltIn] = pydantic.TypeAdapter(FrontendSpec)
        self._backend = NumpyBackend()
        self.tried = 0

    def list_changes(self) -> Iterator[Changes]:
        """One choice made otherwise each; several fields where one goes with another."""
        said = self._spec.model_dump()
        for name, values in _alternatives(said, self._rate_hz).items():
            for value in values:
                if name in said and value != said[name]:
                    yield _with_company(name, value, said)

    def measure(self, changes: Changes) -> Flavour | None:
        """How near a way comes; None where it is none, or makes features of other sizes."""
        try:
            spec = self._adapter.validate_python({**self._spec.model_dump(), **dict(changes)})
        except pydantic.ValidationError:
            return None
        n_samples, channels = self._samples.shape[1], self._samples.shape[0]
        frames, bins = count_frames(spec, n_samples), count_bins(spec)
        ways = [self._given.shape == (channels, *pair) for pair in ((frames, bins), (bins, frames))]
        if frames < 1 or not (any(ways) or not changes):
            return None
        try:
            made = compute(self._samples, spec, self._rate_hz, self._backend)
        except ValueError:  # audio too short to be mirrored
            return None
        self.tried += 1
        scores = [
            (compare_features(given, made) if fits else -math.inf, turned)
            for fits, given, turned in zip(
                ways, (self._given, self._given.transpose(0, 2, 1)), (False, True), strict=True
            )
        ]
        snr_db, turned = max(scores, key=lambda one: one[0])
        return Flavour(dict(changes), snr_db, frames, turned)


def _alternatives(said: Mapping[str, Any], rate_hz: int) -> dict[str, list[Any]]:
    """Field → what libraries put there."""
    fft = [said["win_length"], 2 ** math.ceil(math.log2(said["win_length"]))]
    floors = [1e-5, 1e-6, 1e-7, 1.1920929e-07, 1e-8, 1e-9, 1e-10, 1e-12, 1e-3, 1e-2, 1.0]
    return {
        "window": ["hann", "hamming", "blackman", "povey", "rectangular"],
        "window_symmetry": ["periodic", "symmetric"],
        "window_position": ["centre", "start"],
        "win_length": [said["n_fft"]],
        "n_fft": fft,
        "edges": ["snip", "centre", "mirror"],
        "padding": ["zero", "reflect", "edge"],
        "drop_last_frame": [False, True],
        "sample_scale": [1.0, 32768.0, 32767.0],
        "remove_dc": [False, True],
        "preemphasis": [0.0, 0.97, 0.95],
        "preemphasis_over": ["frame", "window"],
        "power": [1, 2],
        "f_min_hz": [0.0, 20.0, 60.0, 80.0, 125.0],
        "f_max_hz": [rate_hz / 2, rate_hz / 2 - 400, 7600.0, 7500.0, 4000.0],
        "mel_scale": ["htk", "slaney"],
        "mel_norm": ["none", "slaney"],
        "mel_triangles": ["hz", "mel"],
        "energy": [False, True],
        "log": ["ln", "log10", "db", "none"],
        "floor": floors,
        "floor_how": ["max", "add"],
        "reference": ["one", "max"],
        "dynamic_range": [None, 8.0, 80.0],
        "mean": ["kept", "removed"],
        "shift": [0.0],
        "scale": [1.0],
        "dct_type": [2, 3],
        "dct_norm": ["ortho", "none"],
        "lifter": [0.0, 22.0],
        "lifter_from": [0, 1],
    }


def _with_company(name: str, value: Any, said: Mapping[str, Any]) -> Changes:
    """A change and what must change with it for the whole to make sense."""
    if name == "edges":
        return (("edges", value), ("padding", said["padding"] or "reflect" if value == "centre" else None))
    if name == "log" and value == "none":
        return tuple(
            {"log": "none", "floor": None, "floor_how": None, "dynamic_range": None, "reference": "one"}.items()
        )
    if name == "log" and said["log"] == "none":
        return (("log", value), ("floor", 1e-10), ("floor_how", "max"))
    return ((name, value),)


def _squeeze(features: npt.NDArray[Any], channels: int) -> Values:
    """Features as `(channels, x, y)`."""
    values = np.asarray(features)
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise PackagingError("the features hold what is no finite number; right is an array of real numbers")
    sizes = [size for size in values.shape if size != 1]
    if channels > 1 and channels in sizes:
        values = np.moveaxis(values.reshape(sizes), sizes.index(channels), 0)
        sizes.remove(channels)
    if len(sizes) > 2 or values.size % channels:
        raise PackagingError(
            f"the features have the shape {list(values.shape)}; right is frames and bins, and channels where there are "
            "several"
        )
    padded = [1] * (2 - len(sizes)) + sizes
    return values.astype(np.float64).reshape(channels, *padded)


def compare_features(given: npt.NDArray[Any], made: npt.NDArray[Any]) -> float:
    """How near features are, in dB of those that the front end makes; infinite where both are the same."""
    reference = made.astype(np.float64)
    error = float(np.sum((given.astype(np.float64) - reference) ** 2))
    ratio = snr_db(float(np.sum(reference**2)), error)
    return -math.inf if ratio is None else ratio


def describe_changes(flavour: Flavour, spec: BuiltIn) -> Iterator[str]:
    """Each choice that was made otherwise, in words."""
    said = spec.model_dump()
    for name, value in flavour.changes.items():
        implied = value is None and name in _IMPLIED and len(flavour.changes) > 1
        if value != said[name] and not implied:
            yield f"{name} = {_quote(value)} instead of {_quote(said[name])}"
    if flavour.transposed:
        yield "frames and bins are the other way round"


def _quote(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else f'"{value}"' if isinstance(value, str) else str(value).lower()
