"""The one place where a window of audio becomes what a model's input takes: its samples, or features of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from packager.audio_windows import AUDIO, holds_window, name_audio_axes, shape_window
from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.frontends.opening import Frontend


class Shaped(Protocol):
    """An input of a model."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions."""


@dataclass(frozen=True)
class WindowFeed:
    """How an input is fed.

    Attributes:
        name: The input.
        shape: Its shape, all dimensions fixed.
        axes: One word a dimension.
        frontend: What computes features; None where the input takes samples.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    frontend: Frontend | None = None

    @property
    def time_axis(self) -> int | None:
        """Along which windows can be joined; None where nothing says."""
        return next((self.axes.index(name) for name in ("sample", "frame", "time") if name in self.axes), None)

    def feed(self, window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """A window `(channels, samples)` as the input takes it, float32."""
        if self.frontend is None:
            return shape_window(window, self.shape, self.axes)
        return self.frontend.run(window).reshape(self.shape)


def feed_samples(name: str, shape: tuple[int, ...], audio: AudioContract) -> WindowFeed:
    """A feed of an input that takes samples."""
    return WindowFeed(name, shape, name_audio_axes(shape, audio))


def feed_features(name: str, shape: tuple[int, ...], frontend: Frontend) -> WindowFeed:
    """A feed of an input that takes features.

    Raises:
        PackagingError: The features are of another shape than the input, dimensions of 1 aside.
    """
    if _without_ones(shape) != _without_ones(frontend.shape):
        raise PackagingError(
            f"input {name!r} takes {list(shape)}, and the front end makes {describe_features(frontend)}; make "
            "[frontend], audio.window_samples and the model agree"
        )
    same = len(shape) == len(frontend.shape)
    return WindowFeed(name, shape, frontend.axes if same else _number(shape), frontend)


def describe_features(frontend: Frontend) -> str:
    """A front end's features in words."""
    window = f"of a window of {frontend.audio.window_samples} samples"
    return f"{list(frontend.shape)} ({', '.join(frontend.axes)}) {window}"


def find_feed(
    inputs: Mapping[str, Shaped], audio: AudioContract | None, state: Collection[str], frontend: Frontend | None = None
) -> WindowFeed | None:
    """How a source model is fed with windows; None where it takes something else.

    Args:
        inputs: By name; one that takes samples is called `audio`.
        audio: The contract, where there is one.
        state: Inputs that are states.
        frontend: The recipe's, where it has one.

    Raises:
        PackagingError: There is a front end, and no one input that takes its features.
    """
    if audio is None:
        return None
    if frontend is None or frontend.spec.inside:
        return feed_samples(AUDIO, tuple(inputs[AUDIO].shape), audio) if AUDIO in inputs else None
    name = find_feature_input(inputs, state, frontend.spec.input)
    return feed_features(name, tuple(inputs[name].shape), frontend)


def find_feature_input(inputs: Mapping[str, Any], state: Collection[str], said: str | None) -> str:
    """The input that takes features: as the recipe says, else the only one that is no state.

    Raises:
        PackagingError: There is none, or there are several.
    """
    free = [name for name in inputs if name not in state]
    if said is not None:
        if said not in free:
            raise PackagingError(f"frontend.input: {said!r} is no input that could take features; there are: {free}")
        return said
    if len(free) != 1:
        raise PackagingError(f"frontend.input: the model takes {', '.join(free)}; say which of them takes the features")
    return free[0]


def choose_feed(name: str, shape: tuple[int, ...], audio: AudioContract, frontend: Frontend) -> WindowFeed | None:
    """How an input of a model file is fed beside a recipe's front end: by its shape.

    A bundle with the front end inside and one without it can so be held against one recipe. None where neither the
    features nor a window of samples fit.
    """
    fits = {
        "features": _without_ones(shape) == _without_ones(frontend.shape),
        "samples": holds_window(shape, audio),
    }
    asked = "samples" if frontend.spec.inside else "features"
    chosen = asked if fits[asked] else next((kind for kind, fit in fits.items() if fit), None)
    if chosen is None:
        return None
    return feed_samples(name, shape, audio) if chosen == "samples" else feed_features(name, shape, frontend)


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def _number(shape: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(f"axis_{axis}" if axis else "batch" for axis in range(len(shape)))
