"""The steps of a front end, once for all that carry them out: numpy outside of a model, torch and TensorFlow inside."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from packager.errors import PackagingError
from packager.frontend_spec import BIN_AXES, BuiltIn, MfccSpec, SpectrogramSpec
from packager.frontends.filters import frame_length, make_cosines, make_mel_filters, make_window

ENERGY_FLOOR = float(np.finfo(np.float32).eps)
"""source: Kaldi, feat/feature-window.cc"""


class Backend(Protocol):
    """What an array library does beside what `+ - * / **`, `@` and slices say alike."""

    def constant(self, values: npt.NDArray[np.float64]) -> Any:
        """A constant in the library's arrays."""

    def pad(self, x: Any, before: int, after: int, how: str) -> Any:
        """The last axis with samples before and after it: "zero", "reflect", "edge", or "symmetric"."""

    def cut(self, x: Any, length: int, hop: int) -> Any:
        """Whole frames of the last axis, `(…, frames, length)`."""

    def power_spectrum(self, frames: Any, n_fft: int) -> Any:
        """Squared magnitudes of the real Fourier transform of frames, 0 behind them, `(…, n_fft // 2 + 1)`."""

    def concat(self, parts: list[Any]) -> Any:
        """Along the last axis."""

    def mean(self, x: Any, axis: int) -> Any:
        """Along an axis, which stays with size 1."""

    def sum_last(self, x: Any) -> Any:
        """Along the last axis, which stays with size 1."""

    def largest(self, x: Any) -> Any:
        """Of all values, as one number."""

    def maximum(self, x: Any, other: Any) -> Any:
        """Value by value."""

    def log(self, x: Any) -> Any:
        """The natural logarithm."""

    def sqrt(self, x: Any) -> Any:
        """The square root."""

    def arrange(self, x: Any, order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        """Axes in another order, and then in a shape."""


def count_frames(spec: BuiltIn, n_samples: int) -> int:
    """How many frames a window of so many samples makes; 0 where it is too short."""
    length, hop = frame_length(spec), spec.hop_length
    if spec.edges == "mirror":
        count = (n_samples + hop // 2) // hop
    else:
        padded = n_samples + (2 * (spec.n_fft // 2) if spec.edges == "centre" else 0)
        count = 0 if padded < length else 1 + (padded - length) // hop
    return max(count - spec.drop_last_frame, 0)


def check_window(spec: BuiltIn, n_samples: int, rate_hz: int) -> None:
    """Refuse choices that a contract does not go with.

    Raises:
        PackagingError: With what would be right.
    """
    if count_frames(spec, n_samples) < 1:
        raise PackagingError(
            f"frontend: a window of {n_samples} samples holds no frame of {frame_length(spec)}; "
            "make audio.window_samples larger"
        )
    reach = _padding(spec, n_samples)
    if max(reach) >= n_samples and spec.padding != "zero" and spec.padding != "edge":
        raise PackagingError(
            f"frontend: edges = {spec.edges!r} mirrors {max(reach)} samples, and a window has only {n_samples}"
        )
    if not isinstance(spec, SpectrogramSpec) and spec.f_max_hz > rate_hz / 2:
        raise PackagingError(
            f"frontend.f_max_hz: {spec.f_max_hz:g} is above half the sample rate; right is {rate_hz / 2:g} at most"
        )


def count_bins(spec: BuiltIn) -> int:
    """Values of one frame."""
    if isinstance(spec, SpectrogramSpec):
        return spec.n_fft // 2 + 1
    return spec.n_mfcc if isinstance(spec, MfccSpec) else spec.n_mels + spec.energy


def compute(samples: Any, spec: BuiltIn, rate_hz: int, backend: Backend) -> Any:
    """Features of a window.

    Args:
        samples: `(channels, samples)`, between -1 and 1.
        spec: The choices.
        rate_hz: Of the samples.
        backend: Whose arrays they are.

    Returns:
        `(channels, frames, bins)`.
    """
    x = samples * spec.sample_scale
    if spec.preemphasis and spec.preemphasis_over == "window":
        x = backend.concat([x[..., :1], x[..., 1:] - spec.preemphasis * x[..., :-1]])
    n_samples = int(samples.shape[-1])
    before, after = _padding(spec, n_samples)
    how = "symmetric" if spec.edges == "mirror" else str(spec.padding)
    x = x[..., max(-before, 0) : n_samples + min(after, 0)]
    frames = backend.cut(
        backend.pad(x, max(before, 0), max(after, 0), how) if max(before, after) > 0 else x,
        frame_length(spec),
        spec.hop_length,
    )
    frames = frames[..., : count_frames(spec, n_samples), :]
    if spec.remove_dc:
        frames = frames - backend.mean(frames, -1)
    values = _finish_spectrum(_window(frames, spec, backend), spec, rate_hz, backend)
    energy = _log_energy(frames, spec, backend)
    if energy is not None:
        values = backend.concat([energy, values[..., 1:] if isinstance(spec, MfccSpec) else values])
    if spec.mean == "removed":
        values = values - backend.mean(values, -2)
    return (values + spec.shift) * spec.scale if spec.shift or spec.scale != 1 else values


def _padding(spec: BuiltIn, n_samples: int) -> tuple[int, int]:
    """Samples before and after a window; negative where some of its own are left out."""
    if spec.edges == "snip":
        return 0, 0
    if spec.edges == "centre":
        return spec.n_fft // 2, spec.n_fft // 2
    length, hop = frame_length(spec), spec.hop_length
    before = length // 2 - hop // 2
    last = ((n_samples + hop // 2) // hop - 1) * hop + length
    return before, last - before - n_samples


def _window(frames: Any, spec: BuiltIn, backend: Backend) -> Any:
    if spec.preemphasis and spec.preemphasis_over == "frame":
        earlier = backend.concat([frames[..., :1], frames[..., :-1]])
        frames = frames - spec.preemphasis * earlier
    return frames * backend.constant(make_window(spec))


def _finish_spectrum(frames: Any, spec: BuiltIn, rate_hz: int, backend: Backend) -> Any:
    values = backend.power_spectrum(frames, spec.n_fft)
    if spec.power == 1:
        values = backend.sqrt(values)
    if not isinstance(spec, SpectrogramSpec):
        values = values @ backend.constant(make_mel_filters(spec, rate_hz))
    if spec.log != "none":
        values = _take_log(values, spec, backend)
    return values @ backend.constant(make_cosines(spec)) if isinstance(spec, MfccSpec) else values


def _take_log(values: Any, spec: BuiltIn, backend: Backend) -> Any:
    assert spec.floor is not None
    values = backend.maximum(values, spec.floor) if spec.floor_how == "max" else values + spec.floor
    unit = {"ln": 1.0, "log10": 1 / np.log(10), "db": 20 / spec.power / np.log(10)}[spec.log]
    values = backend.log(values) * float(unit) if spec.log != "ln" else backend.log(values)
    if spec.reference == "max":
        values = values - backend.largest(values)
    if spec.dynamic_range is not None:
        values = backend.maximum(values, backend.largest(values) - spec.dynamic_range)
    return values


def _log_energy(frames: Any, spec: BuiltIn, backend: Backend) -> Any:
    """Kaldi's raw energy, of the frames before preemphasis and window; None where none is asked for."""
    if isinstance(spec, SpectrogramSpec) or not spec.energy:
        return None
    return backend.log(backend.maximum(backend.sum_last(frames * frames), ENERGY_FLOOR))


def lay_out(values: Any, spec: BuiltIn, backend: Backend) -> Any:
    """Features `(channels, frames, bins)` in the layout of the model's input.

    Raises:
        PackagingError: The layout leaves out an axis that is larger than 1.
    """
    sizes = dict(zip(("channel", "frame", BIN_AXES[spec.kind]), map(int, values.shape), strict=True))
    kept = [name for name in spec.axes if name in sizes]
    dropped = [name for name in sizes if name not in kept]
    order = tuple(list(sizes).index(name) for name in (*dropped, *kept))
    return backend.arrange(values, order, features_shape(spec, *sizes.values()))


def features_shape(spec: BuiltIn, channels: int, frames: int, bins: int) -> tuple[int, ...]:
    """The shape in which a model takes features.

    Raises:
        PackagingError: `axes` leaves out what is larger than 1.
    """
    sizes = {"batch": 1, "channel": channels, "frame": frames, BIN_AXES[spec.kind]: bins}
    missing = [f"{name} ({size})" for name, size in sizes.items() if size > 1 and name not in spec.axes]
    if missing:
        raise PackagingError(f"frontend.axes: {list(spec.axes)} leaves out {', '.join(missing)}; name each axis")
    return tuple(sizes[name] for name in spec.axes)
