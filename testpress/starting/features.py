"""A front end that stands in for the app's own, for a model that takes features: it fits their shape, no more."""

from __future__ import annotations

from dataclasses import dataclass

from testpress.errors import RecipeError
from testpress.starting.facts import TensorFacts

_MELS = (13, 20, 24, 26, 32, 40, 48, 60, 64, 80, 96, 128, 229, 256)
_FRAME_S = 0.025
_HOP_S = 0.01


@dataclass(frozen=True)
class StandIn:
    """A front end of the recipe.

    Attributes:
        axes: The layout of the features.
        mels: Bins of a frame.
        n_fft: Samples of a frame.
        hop_length: Samples between two frames.
        window_samples: What all frames of one call are made of.
        told: What a user must know of it.
    """

    axes: tuple[str, ...]
    mels: int
    n_fft: int
    hop_length: int
    window_samples: int
    told: str


def draft_frontend(heard: TensorFacts, rate_hz: int) -> StandIn:
    """A log-mel front end whose features have an input's shape.

    Raises:
        RecipeError: The shape cannot be that of frames of bins.
    """
    several = [size for size in heard.shape[1:] if size != 1]
    if len(several) not in (1, 2) or not heard.dtype.startswith("float") or heard.shape[0] != 1 or len(heard.shape) > 4:
        raise RecipeError(
            f"--model: input {heard.name!r}, {heard.dtype} {list(heard.shape)}, is neither a window of samples nor "
            "frames of features; say in a recipe's [frontend] how it is computed, kind = 'python:module:function', or "
            "package the model without [audio] and [task], by testpress package"
        )
    bins = next((size for size in reversed(several) if size in _MELS), min(several))
    axes, left = ["batch"], ["mel", "frame"]
    for size in heard.shape[1:]:
        word = "mel" if size == bins and "mel" in left else "frame" if "frame" in left and size != 1 else "channel"
        left = [one for one in left if one != word]
        axes.append(word)
    if "frame" in left and "channel" in axes:  # one frame a call
        axes[axes.index("channel")] = "frame"
    frames = next((size for size, axis in zip(heard.shape, axes, strict=True) if axis == "frame"), 1)
    n_fft, hop = round(_FRAME_S * rate_hz), round(_HOP_S * rate_hz)
    while n_fft < 4 * bins:
        n_fft *= 2
    return StandIn(
        tuple(axes),
        bins,
        n_fft,
        hop,
        n_fft + hop * (frames - 1),
        f"how your app computes the model's features is not known: {bins} log-mel bins of {n_fft} samples every {hop} "
        "stand in, which fit the shape; write your own in [frontend] (docs/frontends.md) before you trust a score",
    )
