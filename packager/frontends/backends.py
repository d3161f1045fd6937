"""Array libraries that carry out a front end's steps: see `packager.frontends.computation.Backend`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class NumpyBackend:
    """float64, so that what is left of rounding is the app's own."""

    def constant(self, values: npt.NDArray[np.float64]) -> Any:
        """As it is."""
        return values

    def pad(self, x: Any, before: int, after: int, how: str) -> Any:
        """By `numpy.pad`."""
        mode: Any = {"zero": "constant"}.get(how, how)
        return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)], mode=mode)

    def cut(self, x: Any, length: int, hop: int) -> Any:
        """Views."""
        return np.lib.stride_tricks.sliding_window_view(x, length, axis=-1)[..., ::hop, :]

    def power_spectrum(self, frames: Any, n_fft: int) -> Any:
        """By `scipy.fft`."""
        from scipy.fft import rfft

        spectrum = rfft(frames, n=n_fft, axis=-1)
        return spectrum.real**2 + spectrum.imag**2

    def concat(self, parts: list[Any]) -> Any:
        """Along the last axis."""
        return np.concatenate(parts, axis=-1)

    def mean(self, x: Any, axis: int) -> Any:
        """Along an axis, which stays."""
        return np.mean(x, axis=axis, keepdims=True)

    def sum_last(self, x: Any) -> Any:
        """Along the last axis, which stays."""
        return np.sum(x, axis=-1, keepdims=True)

    def largest(self, x: Any) -> Any:
        """Of all values."""
        return np.max(x)

    def maximum(self, x: Any, other: Any) -> Any:
        """Value by value."""
        return np.maximum(x, other)

    def log(self, x: Any) -> Any:
        """The natural logarithm."""
        return np.log(x)

    def sqrt(self, x: Any) -> Any:
        """The square root."""
        return np.sqrt(x)

    def arrange(self, x: Any, order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        """Axes in another order, and then in a shape."""
        return np.transpose(x, order).reshape(shape)


class TorchBackend:
    """float32 ops that the rewrites make both formats take."""

    def constant(self, values: npt.NDArray[np.float64]) -> Any:
        """A float32 tensor."""
        import torch

        return torch.from_numpy(values.astype(np.float32))

    def pad(self, x: Any, before: int, after: int, how: str) -> Any:
        """By `torch.nn.functional.pad`, which knows no "symmetric"."""
        import torch

        if how == "symmetric":
            ends = [x[..., :before].flip(-1), x, x[..., x.shape[-1] - after :].flip(-1)]
            return torch.cat([end for end in ends if end.shape[-1]], dim=-1)
        mode = {"zero": "constant", "edge": "replicate"}.get(how, how)
        return torch.nn.functional.pad(x, (before, after), mode=mode)

    def cut(self, x: Any, length: int, hop: int) -> Any:
        """By `Tensor.unfold`."""
        return x.unfold(-1, length, hop)

    def power_spectrum(self, frames: Any, n_fft: int) -> Any:
        """By `torch.fft.rfft`."""
        import torch

        pairs = torch.view_as_real(torch.fft.rfft(frames, n=n_fft))
        return (pairs * pairs).sum(-1)

    def concat(self, parts: list[Any]) -> Any:
        """Along the last axis."""
        import torch

        return torch.cat(parts, dim=-1)

    def mean(self, x: Any, axis: int) -> Any:
        """Along an axis, which stays."""
        return x.mean(axis, keepdim=True)

    def sum_last(self, x: Any) -> Any:
        """Along the last axis, which stays."""
        return x.sum(-1, keepdim=True)

    def largest(self, x: Any) -> Any:
        """Of all values."""
        return x.amax()

    def maximum(self, x: Any, other: Any) -> Any:
        """Value by value."""
        import torch

        return x.clamp(min=other) if isinstance(other, float) else torch.maximum(x, other)

    def log(self, x: Any) -> Any:
        """The natural logarithm."""
        return x.log()

    def sqrt(self, x: Any) -> Any:
        """The square root."""
        return x.sqrt()

    def arrange(self, x: Any, order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        """Axes in another order, and then in a shape."""
        return x.permute(order).reshape(shape)


class TensorFlowBackend:
    """float32 ops of a TensorFlow graph."""

    def constant(self, values: npt.NDArray[np.float64]) -> Any:
        """A float32 tensor."""
        import tensorflow as tf

        return tf.constant(values.astype(np.float32))

    def pad(self, x: Any, before: int, after: int, how: str) -> Any:
        """By `tf.pad`, which knows no "edge"."""
        import tensorflow as tf

        if how == "edge":
            return tf.concat([tf.repeat(x[..., :1], before, -1), x, tf.repeat(x[..., -1:], after, -1)], axis=-1)
        mode = {"zero": "CONSTANT"}.get(how, how.upper())
        return tf.pad(x, [[0, 0]] * (len(x.shape) - 1) + [[before, after]], mode=mode)

    def cut(self, x: Any, length: int, hop: int) -> Any:
        """By `tf.signal.frame`."""
        import tensorflow as tf

        return tf.signal.frame(x, length, hop)

    def power_spectrum(self, frames: Any, n_fft: int) -> Any:
        """By `tf.signal.rfft`."""
        import tensorflow as tf

        spectrum = tf.signal.rfft(frames, [n_fft])
        return tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2

    def concat(self, parts: list[Any]) -> Any:
        """Along the last axis."""
        import tensorflow as tf

        return tf.concat(parts, axis=-1)

    def mean(self, x: Any, axis: int) -> Any:
        """Along an axis, which stays."""
        import tensorflow as tf

        return tf.reduce_mean(x, axis=axis, keepdims=True)

    def sum_last(self, x: Any) -> Any:
        """Along the last axis, which stays."""
        import tensorflow as tf

        return tf.reduce_sum(x, axis=-1, keepdims=True)

    def largest(self, x: Any) -> Any:
        """Of all values."""
        import tensorflow as tf

        return tf.reduce_max(x)

    def maximum(self, x: Any, other: Any) -> Any:
        """Value by value."""
        import tensorflow as tf

        return tf.maximum(x, other)

    def log(self, x: Any) -> Any:
        """The natural logarithm."""
        import tensorflow as tf

        return tf.math.log(x)

    def sqrt(self, x: Any) -> Any:
        """The square root."""
        import tensorflow as tf

        return tf.sqrt(x)

    def arrange(self, x: Any, order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        """Axes in another order, and then in a shape."""
        import tensorflow as tf

        return tf.reshape(tf.transpose(x, order), shape)
