"""Functions of one window of audio, (1, 2048), each with what a format lacks; factories, as recipes name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WINDOW = 2048

Function = Callable[[], Any]


def _of_audio(body: Callable[[Any, Any], Any]) -> Function:
    """A factory of a `tf.function`; the body gets TensorFlow and the samples."""

    def make() -> Any:
        import tensorflow as tf

        return tf.function(lambda audio: body(tf, audio), [tf.TensorSpec([1, WINDOW], name="audio")])

    return make


def _masked(tf: Any, x: Any) -> Any:
    spectrum = tf.signal.stft(x, 256, 64)
    mask = tf.cast(tf.sigmoid(tf.abs(spectrum)), tf.complex64)
    return tf.signal.inverse_stft(spectrum * mask, 256, 64, window_fn=tf.signal.inverse_stft_window_fn(64))


def _phase_kept(tf: Any, x: Any) -> Any:
    spectrum = tf.signal.stft(x, 256, 128)
    magnitude, phase = tf.abs(spectrum), tf.math.angle(spectrum)
    turned = tf.exp(tf.complex(tf.zeros_like(phase), phase))
    return tf.signal.inverse_stft(tf.cast(magnitude**0.7, tf.complex64) * turned, 256, 128)


def _mfcc(tf: Any, x: Any) -> Any:
    power = tf.square(tf.abs(tf.signal.stft(x, 400, 160, 512)))
    log_mel = tf.math.log(tf.tensordot(power, tf.signal.linear_to_mel_weight_matrix(40, 257, 16000), 1) + 1e-2)
    return tf.signal.mfccs_from_log_mel_spectrograms(log_mel)[..., :13]


def _arithmetic(tf: Any, x: Any) -> Any:
    one, other = tf.complex(x[:, :100], x[:, 100:200]), tf.complex(x[:, 200:300], x[:, 300:400])
    total = (one * other + one / (other + tf.complex(3.0, 1.0)) - tf.math.conj(other)) * 2.0
    square = tf.reshape(total, [1, 10, 10])
    product = tf.matmul(square, square, adjoint_b=True) + tf.einsum("bij,bkj->bik", square, square)
    return {"product": product, "magnitude": tf.abs(total), "root": tf.sqrt(one), "sign": tf.sign(other)}


def _envelope(tf: Any, x: Any) -> Any:
    """A Hilbert transform, by the inverse transform of the positive half."""
    import numpy as np

    weights = np.concatenate([[1], np.full(255, 2), [1], np.zeros(255)]).astype(np.complex64)
    return tf.abs(tf.signal.ifft(tf.signal.fft(tf.cast(x[:, :512], tf.complex64)) * weights))


def _odd_lengths(tf: Any, x: Any) -> Any:
    bins = tf.signal.rfft(x[:, :301], [331])  # padded, and a prime: no two stages
    return {"back": tf.signal.irfft(bins, [331]), "cut": tf.signal.irfft(bins, [200]), "bins": bins}


def _phase_of_ends(tf: Any, x: Any) -> Any:
    """0 or pi, and never -pi: the spectrum of a real signal is real at 0 Hz and at half the sampling rate."""
    found = {}
    for size in (32, 128, 998):  # in one stage, in two, and in two whose middle is noise
        frames = tf.reshape(x[:, : size * (WINDOW // size)], [-1, size])
        ends = tf.constant([0, size // 2])
        found[f"rfft_{size}"] = tf.math.angle(tf.gather(tf.signal.rfft(frames), ends, axis=-1))
        if size == 998:  # TensorFlow's own complex transform leaves noise there
            continue
        found[f"fft_{size}"] = tf.math.angle(
            tf.gather(tf.signal.fft(tf.complex(frames, tf.zeros_like(frames))), ends, axis=-1)
        )
    return found


def _phase_of_reflected(tf: Any, x: Any) -> Any:
    """Windowed frames, of which the first is even about its middle, and the phases of their spectra."""
    padded = tf.pad(x[:, :400], [[0, 0], [10, 10]], "REFLECT")
    frames = tf.signal.frame(padded, 20, 5) * tf.signal.hann_window(20)
    return {"frames": frames, "phases": tf.math.angle(tf.signal.rfft(frames))}


def _large_prime(tf: Any, x: Any) -> Any:
    """998 is 2 * 499: by chirps."""
    whole = tf.signal.fft(tf.complex(x[:, :998], x[:, 998:1996]))
    spectrum = tf.signal.rfft(x[:, :998])
    back = tf.signal.ifft(whole * whole)
    return {"whole": tf.math.real(whole), "turned": tf.math.imag(back), "back": tf.signal.irfft(spectrum * spectrum)}


def _two_axes(tf: Any, x: Any) -> Any:
    image = tf.reshape(x[:, :1024], [1, 32, 32])
    bins = tf.signal.rfft2d(image)
    return {"there": tf.abs(bins), "back": tf.signal.irfft2d(bins * 2.0)}


def _lapped(tf: Any, x: Any) -> Any:
    return {
        "mdct": tf.signal.mdct(x, 256, pad_end=True),
        "dct": tf.signal.dct(tf.signal.frame(x, 64, 32, pad_end=True), norm="ortho"),
        "added": tf.signal.overlap_and_add(tf.signal.frame(x, 128, 48), 48),
    }


def _biquad(tf: Any, x: Any) -> Any:
    """A recursive filter, whose older state is the newer one of the round before."""

    def advance(states: Any, sample: Any) -> Any:
        newer, older = states
        return sample + 0.5 * newer - 0.2 * older, newer

    zero = tf.zeros([1])
    return tf.scan(advance, tf.transpose(x[:, :300]), initializer=(zero, zero))[0]


def _written_list(tf: Any, x: Any) -> Any:
    """A loop as AutoGraph makes it, with a list whose elements have no shape when it is made."""
    found = tf.TensorArray(tf.float32, size=20)
    state = tf.zeros([1])
    for index in tf.range(20):
        if index % 3 == 0:
            state = state * 0.5
        state = state + x[:, index * 10]
        found = found.write(index, state)
    return found.stack()


def _complex_loop(tf: Any, x: Any) -> Any:
    return tf.abs(tf.map_fn(tf.signal.rfft, tf.reshape(x[:, :300], [30, 10]), fn_output_signature=tf.complex64))


def _as_long_as(tf: Any, x: Any) -> Any:
    return tf.while_loop(lambda y: tf.reduce_max(tf.abs(y)) > 0.1, lambda y: [y * 0.5], [x])[0]


def _choice(tf: Any, x: Any) -> Any:
    return tf.cond(tf.reduce_sum(x) > 0.0, lambda: x * 2.0, lambda: x - 1.0)


def _elementary(tf: Any, x: Any) -> Any:
    y = x[:, ::-1]
    return {
        "atan2": tf.atan2(x, y),
        "erf": tf.math.erf(4.0 * x),
        "gelu": tf.nn.gelu(x),
        "expm1": tf.math.expm1(x),
        "asinh": tf.asinh(3.0 * x),
        "xlogy": tf.math.xlogy(tf.nn.relu(x), tf.nn.relu(x)),
        "twice": tf.add_n([x, x, x]),
        "single": tf.cast(tf.cast(x, tf.float64) * 2.5, tf.float32),
        "negative_zero": tf.bitwise.bitwise_and(tf.bitcast(tf.nn.relu(x) * -1.0, tf.int32), tf.int32.min) < 0,
    }


def _reciprocals(tf: Any, x: Any) -> Any:
    """Of numbers so small that what an op adds to them is seen."""
    small = tf.square(x[:, :100]) * 1e-12 + 1e-14
    return {"root": tf.math.rsqrt(small), "whole": tf.math.reciprocal(tf.square(x[:, :100]) * 1e-4 + 1e-5)}


def _moved(tf: Any, x: Any) -> Any:
    image = tf.reshape(x[:, :400], [1, 20, 20, 1])
    return {
        "rolled": tf.roll(x, 5, 1),
        "mirrored": tf.pad(x, [[0, 0], [7, 9]], "SYMMETRIC"),
        "patches": tf.image.extract_patches(image, [1, 4, 4, 1], [1, 3, 3, 1], [1, 1, 1, 1], "VALID"),
        "diagonal": tf.linalg.diag_part(image[..., 0]),
        "products": tf.math.cumprod(1.0 + 0.1 * x[:, :50], axis=1, exclusive=True, reverse=True),
        "found": tf.searchsorted([-1.0, -0.1, 0.0, 0.1, 1.0], x[0, :20]),
        "means": tf.math.segment_mean(x[0, :10], [0, 0, 1, 1, 1, 2, 2, 2, 3, 3]),
    }


def _resized(tf: Any, x: Any) -> Any:
    image = tf.reshape(x[:, :240], [1, 20, 12, 1])
    return {method: tf.image.resize(image, [33, 9], method) for method in ("bicubic", "area", "lanczos3", "bilinear")}


def _dilated(tf: Any, x: Any) -> Any:
    image, taps = tf.reshape(x[:, :64], [1, 8, 8, 1]), tf.reshape(tf.linspace(-1.0, 1.0, 9), [3, 3, 1, 1])
    return tf.nn.conv2d_transpose(image, taps, [1, 8, 8, 1], 1, "SAME", dilations=2)


masked = _of_audio(_masked)
phase_kept = _of_audio(_phase_kept)
mfcc = _of_audio(_mfcc)
arithmetic = _of_audio(_arithmetic)
envelope = _of_audio(_envelope)
odd_lengths = _of_audio(_odd_lengths)
phase_of_ends = _of_audio(_phase_of_ends)
phase_of_reflected = _of_audio(_phase_of_reflected)
large_prime = _of_audio(_large_prime)
two_axes = _of_audio(_two_axes)
lapped = _of_audio(_lapped)
biquad = _of_audio(_biquad)
written_list = _of_audio(_written_list)
complex_loop = _of_audio(_complex_loop)
as_long_as = _of_audio(_as_long_as)
choice = _of_audio(_choice)
elementary = _of_audio(_elementary)
reciprocals = _of_audio(_reciprocals)
moved = _of_audio(_moved)
resized = _of_audio(_resized)
dilated = _of_audio(_dilated)


def _recurrent(kind: str, **options: Any) -> Function:
    """A recurrent layer of Keras 3 on frames of 16 samples, its biases not 0."""

    def make() -> Any:
        import keras

        keras.utils.set_random_seed(7)
        samples = keras.Input((WINDOW,), name="audio")
        frames = keras.layers.Reshape((WINDOW // 16, 16))(samples)
        layer = getattr(keras.layers, kind)(8, bias_initializer="normal", return_sequences=True, **options)
        return keras.Model(samples, {"sequence": layer(frames)})

    return make


lstm = _recurrent("LSTM")
lstm_backward = _recurrent("LSTM", go_backwards=True)
lstm_of_relu = _recurrent("LSTM", activation="relu")
gru = _recurrent("GRU")
gru_reset_before = _recurrent("GRU", reset_after=False)
simple_rnn = _recurrent("SimpleRNN")


def time_distributed() -> Any:
    """A convolution and a dense layer that Keras 3 writes out for each frame, of both the shapes of a frame."""
    import keras

    keras.utils.set_random_seed(7)
    samples = keras.Input((WINDOW,), name="audio")
    frames = keras.layers.Reshape((16, 32, 4))(samples)
    x = keras.layers.TimeDistributed(keras.layers.Conv1D(6, 5, padding="same", activation="relu"))(frames)
    x = keras.layers.TimeDistributed(keras.layers.MaxPooling1D(2))(x)
    x = keras.layers.TimeDistributed(keras.layers.Flatten())(x)
    return keras.Model(samples, {"dense": keras.layers.TimeDistributed(keras.layers.Dense(5, "tanh"))(x)})


def two_ways() -> Any:
    """Stacked and in both directions, with masked frames, as Keras 2 makes them."""
    import tf_keras as keras

    keras.utils.set_random_seed(7)
    samples = keras.Input((WINDOW,), name="audio")
    frames = keras.layers.Masking()(keras.layers.Reshape((WINDOW // 16, 16))(samples))
    both = keras.layers.Bidirectional(keras.layers.LSTM(6, return_sequences=True), merge_mode="sum")(frames)
    last = keras.layers.Bidirectional(keras.layers.GRU(5))(both)
    return keras.Model(samples, {"both": both, "last": last})
