"""The keyword spotters of "Streaming keyword spotting on mobile devices" (arXiv:2005.06720), with random weights.

Layers, sizes and front ends are those of google-research, `kws_streaming` (its `experiments/*.md` name each model's
settings), said again in Keras. A model takes a second of audio at 16 kHz or, streaming, 20 ms and the states of its
layers, which it also returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tf_keras import Model, layers

RATE_HZ = 16000
FRAME, STEP = 640, 320
"""samples of 40 ms and 20 ms, the front end's window and stride"""
LABELS = 12
Size = tuple[int, int]
ONE, TWO = (1, 1), (2, 2)


class FrontEnd(NamedTuple):
    bands: int = 40
    features: int = 20
    upper_hz: int = 7000
    is_op: bool = False
    """whether TensorFlow's ops AudioSpectrogram and Mfcc compute it (`mfcc_op`), and not matrices (`mfcc_tf`)"""


class Net:
    """A model under construction: `x` is the newest tensor."""

    def __init__(self, front_end: FrontEnd | None, *, streams: bool) -> None:
        self.streams = streams
        self.inputs = [layers.Input(batch_shape=(1, STEP if streams else RATE_HZ))]
        self.states: list[Any] = []
        self.frames = 1 + (RATE_HZ - FRAME) // STEP
        """how many frames `x` has in a second, also where it streams"""
        x = self.inputs[0]
        if front_end is None:
            self.x = self._frames(x)
        elif front_end.is_op:
            self.x = layers.Lambda(lambda y: mfcc_by_ops(y, front_end))(self.buffer(x, FRAME, STEP))
        else:
            self.x = layers.Lambda(lambda y: mfcc_by_matrices(y, front_end))(self._frames(x))

    def _frames(self, x: Any) -> Any:
        if self.streams:
            return tf.expand_dims(self.buffer(x, FRAME, STEP), 1)
        return layers.Lambda(lambda y: tf.signal.frame(y, FRAME, STEP))(x)

    def buffer(self, x: Any, size: int, step: int = 1) -> Any:
        """The newest `size` places in time, of which `x` holds the last `step`."""
        if not self.streams or size == 1:
            return x
        held = self._take((size, *x.shape[2:]))
        self.states.append(layers.Concatenate(axis=1)([held[:, step:], x]))
        return self.states[-1]

    def _take(self, shape: tuple[int, ...]) -> Any:
        self.inputs.append(layers.Input(batch_shape=(1, *shape)))
        return self.inputs[-1]

    def slide(self, layer: Any) -> None:
        """A convolution over time and bands, with the past it looks at."""
        reach = layer.dilation_rate[0] * (layer.kernel_size[0] - 1)
        self.x = layer(self.buffer(self.x, reach + 1))
        self.frames -= reach

    def normalize(self, activation: str | None = "relu", *, scale: bool = False) -> None:
        self.x = layers.BatchNormalization(scale=scale)(self.x)
        if activation:
            self.x = layers.Activation(activation)(self.x)

    def dense(self, units: int, activation: str | None = None, *, bias: bool = True) -> None:
        self.x = layers.Dense(units, activation, use_bias=bias)(self.x)

    def flatten(self) -> None:
        self.x = layers.Flatten()(self.buffer(self.x, self.frames))

    def average(self) -> None:
        held = self.buffer(self.x, self.frames)
        self.x = layers.AveragePooling2D(tuple(held.shape[1:3]))(held)
        self.frames = 1

    def recur(self, whole: Any, cell: Any) -> None:
        """A recurrent layer of which the last output is kept: unrolled, or streaming one turn of its cell."""
        if self.streams:
            held = [self._take((size,)) for size in np.atleast_1d(cell.state_size).tolist()]
            self.x, made = cell(tf.squeeze(self.x, [1]), held)
            self.states += made
        else:
            self.x = whole(self.x)
        self.x, self.frames = tf.expand_dims(self.x, 1), 1

    def remember(self, units: int, memory: int, *, causal: bool, bias: bool) -> None:
        """The linear part of an SVDF: a matrix, then for each of its outputs a filter over time."""
        self.dense(units, bias=False)
        if causal:
            self.x = layers.ZeroPadding1D((memory - 1, 0))(self.x)
        else:
            self.frames -= memory - 1
        self.x = TimeFilter(memory, streams=self.streams, bias=bias)(self.buffer(self.x, memory))

    def finish(self) -> Model:
        self.dense(LABELS)
        return Model(self.inputs, [self.x, *self.states])


class TimeFilter(layers.Layer):  # type: ignore[misc]
    def __init__(self, memory: int, *, streams: bool, bias: bool) -> None:
        super().__init__()
        self.memory, self.streams, self.has_bias = memory, streams, bias

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(self.memory, shape[-1]))
        self.offset = self.add_weight(name="bias", shape=(shape[-1],)) if self.has_bias else None

    def call(self, x: Any) -> Any:
        if self.streams:
            y = tf.reduce_sum(x * self.kernel, 1)
            return tf.expand_dims(y if self.offset is None else y + self.offset, 1)
        kernel = tf.reshape(self.kernel, (self.memory, 1, -1, 1))
        y = tf.squeeze(tf.nn.depthwise_conv2d(tf.expand_dims(x, 2), kernel, [1, 1, 1, 1], "VALID"), [2])
        return y if self.offset is None else y + self.offset


class PeepholeCell(layers.Layer):  # type: ignore[misc]
    """An LSTM whose gates see the cell, and whose output is projected. Source: Sak et al., arXiv:1402.1128."""

    def __init__(self, units: int, projection: int) -> None:
        super().__init__()
        self.units, self.projection = units, projection
        self.state_size, self.output_size = [units, projection], projection

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1] + self.projection, 4 * self.units))
        self.bias = self.add_weight(name="bias", shape=(4 * self.units,))
        self.peeps = [self.add_weight(name=f"peep_{gate}", shape=(self.units,)) for gate in "ifo"]
        self.narrow = self.add_weight(name="projection", shape=(self.units, self.projection))

    def call(self, x: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        cell, output = states
        gates = tf.matmul(tf.concat([x, output], 1), self.kernel) + self.bias
        enter, new, keep, leave = tf.split(gates, 4, 1)
        kept = tf.sigmoid(keep + 1.0 + self.peeps[1] * cell) * cell
        cell = kept + tf.sigmoid(enter + self.peeps[0] * cell) * tf.tanh(new)
        output = tf.matmul(tf.sigmoid(leave + self.peeps[2] * cell) * tf.tanh(cell), self.narrow)
        return output, [cell, output]


def mfcc_by_ops(x: Any, front_end: FrontEnd) -> Any:
    spectrum = tf.raw_ops.AudioSpectrogram(input=tf.transpose(x), window_size=FRAME, stride=STEP)
    features = tf.raw_ops.Mfcc(
        spectrogram=spectrum,
        sample_rate=RATE_HZ,
        upper_frequency_limit=front_end.upper_hz,
        lower_frequency_limit=20,
        filterbank_channel_count=front_end.bands,
        dct_coefficient_count=front_end.features,
    )
    return tf.ensure_shape(features, (1, 1 + (x.shape[1] - FRAME) // STEP, front_end.features))


def mfcc_by_matrices(x: Any, front_end: FrontEnd) -> Any:
    """The Fourier transform is two matrices of 1024 points, without the lines that no mel band reads."""
    points, bands = 1024, front_end.bands
    lines = -(-front_end.upper_hz * points // RATE_HZ)
    phase = 2 * np.pi * np.outer(np.arange(FRAME), np.arange(lines)) / points
    mel = tf.signal.linear_to_mel_weight_matrix(bands, points // 2 + 1, RATE_HZ, 20, front_end.upper_hz)[:lines]
    cosines = np.cos(np.pi * np.outer(np.arange(bands) * 2 + 1, np.arange(front_end.features)) / (2 * bands))
    x = x * tf.signal.hann_window(FRAME)
    real, imaginary = (tf.matmul(x, tf.constant(part, tf.float32)) for part in (np.cos(phase), -np.sin(phase)))
    magnitude = tf.sqrt(tf.add(real * real, imaginary * imaginary))
    logarithm = tf.math.log(tf.maximum(tf.matmul(magnitude, mel), 1e-12))
    return tf.matmul(logarithm, tf.constant(cosines, tf.float32))


def _ds_cnn(net: Net, first: Sequence[Size], blocks: Sequence[Sequence[Size]], padding: str) -> Model:
    """`first` and `blocks`: kernel, dilation, strides."""
    net.x = tf.expand_dims(net.x, -1)
    net.slide(layers.Conv2D(300, first[0], first[2], padding, dilation_rate=first[1]))
    net.normalize()
    for kernel, dilation, strides in blocks:
        net.slide(layers.DepthwiseConv2D(kernel, strides, padding, dilation_rate=dilation))
        net.normalize()
        net.slide(layers.Conv2D(300, 1))
        net.normalize()
    net.average()
    net.flatten()
    return net.finish()


def ds_cnn_stride(net: Net) -> Model:
    blocks = [((3, 3), ONE, TWO), *[((3, 3), ONE, ONE)] * 4]
    return _ds_cnn(net, ((10, 4), ONE, (2, 1)), blocks, "same")


def ds_cnn_stream(net: Net) -> Model:
    blocks = [((3, 3), ONE), ((3, 3), TWO), ((10, 3), ONE), ((5, 3), TWO), ((10, 3), ONE)]
    return _ds_cnn(net, ((3, 3), (2, 1), ONE), [(*block, ONE) for block in blocks], "valid")


def _svdf(net: Net, units: Sequence[int], projections: Sequence[int]) -> Model:
    for memory, width, projection in zip((4, 10, 10, 10, 10, 10), units, projections, strict=True):
        net.remember(width, memory, causal=False, bias=True)
        net.x = layers.ReLU()(net.x)
        if projection:
            net.dense(projection)
    net.flatten()
    return net.finish()


def svdf(net: Net) -> Model:
    return _svdf(net, [256] * 6, [128] * 5 + [0])


def svdf_30k(net: Net) -> Model:
    return _svdf(net, [16, 32, 32, 32, 64, 128], [40, 40, 64, 64, 64, 0])


def _cnn(net: Net, convolutions: Sequence[tuple[int, Size, Size, Size]]) -> Model:
    """`convolutions`: filters, kernel, dilation, strides."""
    net.x = tf.expand_dims(net.x, -1)
    for filters, kernel, dilation, strides in convolutions:
        net.slide(layers.Conv2D(filters, kernel, strides, dilation_rate=dilation, activation="relu"))
    net.flatten()
    net.dense(128)
    net.dense(256, "relu")
    return net.finish()


def cnn(net: Net) -> Model:
    kernels = ((3, 3), (5, 3), (5, 3), (5, 3), (5, 2), (5, 1), (10, 1))
    sizes = zip((64, 64, 64, 64, 128, 64, 128), kernels, (1, 1, 2, 1, 2, 1, 2), strict=True)
    return _cnn(net, [(filters, kernel, (dilation, 1), ONE) for filters, kernel, dilation in sizes])


def cnn_stride(net: Net) -> Model:
    kernels, strides = ((3, 3),) * 5 + ((3, 1),) * 2, ((2, 1), ONE, TWO, ONE, ONE, ONE, ONE)
    sizes = zip((64, 64, 64, 128, 128, 128, 128), kernels, strides, strict=True)
    return _cnn(net, [(filters, kernel, ONE, stride) for filters, kernel, stride in sizes])


def dnn(net: Net) -> Model:
    net.dense(64, "relu")
    net.dense(128, "relu")
    net.flatten()
    net.x = tf.squeeze(layers.MaxPool1D(2, 2)(tf.expand_dims(net.x, -1)), [-1])
    net.dense(128)
    net.dense(256, "relu")
    return net.finish()


def _finish_recurrent(net: Net) -> Model:
    net.flatten()
    net.dense(128)
    net.dense(256, "relu")
    return net.finish()


def gru(net: Net) -> Model:
    net.recur(layers.GRU(400, unroll=True), layers.GRUCell(400))
    return _finish_recurrent(net)


def lstm(net: Net) -> Model:
    net.recur(layers.LSTM(360, unroll=True), layers.LSTMCell(360))
    return _finish_recurrent(net)


def lstm_peep(net: Net) -> Model:
    net.recur(layers.RNN(PeepholeCell(500, 200), unroll=True), PeepholeCell(500, 200))
    net.flatten()
    return net.finish()


def crnn(net: Net) -> Model:
    net.x = tf.expand_dims(net.x, -1)
    net.slide(layers.Conv2D(16, (3, 3), activation="relu"))
    net.slide(layers.Conv2D(16, (5, 3), activation="relu"))
    net.x = layers.Reshape((-1, net.x.shape[2] * net.x.shape[3]))(net.x)
    net.recur(layers.GRU(256, unroll=True), layers.GRUCell(256))
    return _finish_recurrent(net)


def _attention(net: Net, heads: int) -> Model:
    net.x = tf.expand_dims(net.x, -1)
    for filters in (10, 1):
        net.x = layers.Conv2D(filters, (5, 1), padding="same", activation="relu")(net.x)
        net.normalize(None, scale=True)
    net.x = layers.Reshape((-1, net.x.shape[2]))(net.x)
    for _ in range(2):
        net.x = layers.Bidirectional(layers.GRU(128, return_sequences=True, unroll=True))(net.x)
    middle, found = net.x[:, net.x.shape[1] // 2], []
    for _ in range(heads):
        query = layers.Dense(net.x.shape[-1])(middle)
        weights = layers.Softmax()(layers.Dot((1, 2))([query, net.x]))
        found.append(layers.Dot((1, 1))([weights, net.x]))
    net.x = layers.concatenate(found) if heads > 1 else found[0]
    net.dense(64, "relu")
    net.dense(32)
    return net.finish()


def att_rnn(net: Net) -> Model:
    return _attention(net, 1)


def att_mh_rnn(net: Net) -> Model:
    return _attention(net, 4)


def _tc_resnet(net: Net, channels: Sequence[int], kernel: int) -> Model:
    net.x = tf.expand_dims(net.x, 2)
    net.x = layers.Conv2D(channels[0], (3, 1), padding="same")(net.x)
    net.normalize(scale=True)
    for filters in channels[1:]:
        before, strides = net.x, 1
        if filters != before.shape[-1]:
            strides = 2
            net.x = layers.Conv2D(filters, 1, 2, "same")(before)
            net.normalize(scale=True)
            before, net.x = net.x, before
        net.x = layers.Conv2D(filters, (kernel, 1), strides, "same")(net.x)
        net.normalize(scale=True)
        net.x = layers.Conv2D(filters, (kernel, 1), padding="same")(net.x)
        net.normalize(None, scale=True)
        net.x = layers.ReLU()(layers.Add()([net.x, before]))
    net.x = layers.AveragePooling2D(tuple(net.x.shape[1:3]), 1)(net.x)
    net.x = layers.Reshape((LABELS,))(layers.Conv2D(LABELS, 1)(net.x))
    return Model(net.inputs, net.x)


def tc_resnet(net: Net) -> Model:
    return _tc_resnet(net, (50, 50, 50, 50, 50, 72, 72), 9)


def tc_resnet_30k(net: Net) -> Model:
    return _tc_resnet(net, (32, 36, 36, 40), 3)


def _convolve(net: Net, filters: int, kernel: int, *, activation: str | None = "relu", **options: Any) -> None:
    scale = options.pop("scale", False)
    net.x = layers.Conv2D(filters, (kernel, 1), use_bias=options.pop("bias", False), **options)(net.x)
    net.normalize(activation, scale=scale)


def _filter(net: Net, kernel: int, **options: Any) -> None:
    net.x = layers.DepthwiseConv2D((kernel, 1), use_bias=False, **options)(net.x)


def _finish_average(net: Net) -> Model:
    net.x = layers.GlobalAveragePooling2D()(net.x)
    return net.finish()


def mobilenet(net: Net) -> Model:
    net.x = tf.expand_dims(net.x, 2)
    _convolve(net, 32, 3, strides=2, activation="relu6")
    for filters, strides in ((32, 2), (64, 2), (128, 1), (128, 1)):
        _filter(net, 3, strides=strides, padding="valid" if strides == 2 else "same")
        net.normalize("relu6")
        _convolve(net, filters, 1, activation="relu6")
    return _finish_average(net)


def mobilenet_v2(net: Net) -> Model:
    net.x = tf.expand_dims(net.x, 2)
    _convolve(net, 32, 3, strides=2, activation="relu6")
    for filters, strides in ((32, 1), (32, 2), (64, 1), (64, 1)):
        before = net.x
        _convolve(net, int(1.5 * before.shape[-1]), 1, activation="relu6")
        _filter(net, 3, strides=strides, padding="same")
        net.normalize("relu6")
        _convolve(net, filters, 1, activation=None, scale=True)
        if strides == 1 and before.shape[-1] == filters:
            net.x = layers.Add()([before, net.x])
    return _finish_average(net)


def _pool(net: Net, strides: int) -> None:
    if strides > 1:
        net.x = layers.MaxPooling2D((3, 1), (strides, 1))(net.x)


def _branches(net: Net, sizes: Sequence[Sequence[tuple[int, int]]], *, scale: bool) -> None:
    """`sizes`: a branch's convolutions, filters and kernel each."""
    before, found = net.x, []
    for branch in sizes:
        net.x = before
        for filters, kernel in branch:
            _convolve(net, filters, kernel, padding="same", scale=scale)
        found.append(net.x)
    net.x = layers.concatenate(found)


def inception(net: Net) -> Model:
    net.x = tf.expand_dims(net.x, 2)
    _convolve(net, 32, 5)
    for filters, kernel, strides in ((32, 3, 2), (64, 5, 2), (70, 5, 1)):
        one, long = (16, 1), (16, kernel)
        _branches(net, ((one,), (one, long), (one, long, long)), scale=False)
        _convolve(net, filters, 1)
        _pool(net, strides)
    return _finish_average(net)


def inception_resnet(net: Net) -> Model:
    net.x = tf.expand_dims(net.x, 2)
    _convolve(net, 32, 5, scale=True)
    blocks = ((0.2, 16, 32, 3, 2), (0.5, 16, 32, 5, 2), (1.0, 32, 64, 5, 1))
    for factor, inner, filters, kernel, strides in blocks:
        before = net.x
        _branches(net, (((inner, 1),), ((inner, 1), (inner, kernel), (inner, kernel))), scale=True)
        _convolve(net, before.shape[-1], 1, activation=None, scale=True, bias=True)
        net.x = layers.ReLU()(before + net.x * factor)
        _convolve(net, filters, 1, scale=True)
        _pool(net, strides)
    return _finish_average(net)


def xception(net: Net) -> Model:
    net.x = tf.expand_dims(net.x, 2)
    _convolve(net, 16, 5)
    _pool(net, 2)
    for pairs, strides in ((((5, 32), (7, 40)), 2), (((7, 64),), 1), (((11, 100),), 1)):
        before = net.x
        _convolve(net, pairs[-1][1], 1, activation=None)
        net.x, beside = before, net.x
        for kernel, filters in pairs:
            _filter(net, kernel, padding="same")
            _convolve(net, filters, 1, activation="relu" if filters != pairs[-1][1] else None)
        net.x = layers.ReLU()(layers.Add()([beside, net.x]))
        _pool(net, strides)
    net.x = layers.GlobalAveragePooling2D()(net.x)
    net.dense(64, bias=False)
    net.normalize()
    return net.finish()


def svdf_resnet(net: Net) -> Model:
    for units, memory, pool in (((32,), 7, 2), ((50,), 7, 2), ((50, 128), 11, 1)):
        before = net.x
        for width in units:
            net.remember(width, memory, causal=True, bias=False)
            net.normalize("relu" if width != units[-1] else None, scale=True)
        after, net.x = net.x, before
        net.dense(units[-1], bias=False)
        net.normalize(None, scale=True)
        net.x = layers.ReLU()(layers.Add()([after, net.x]))
        if pool > 1:
            net.x = layers.MaxPool1D(pool)(net.x)
    net.x = layers.Flatten()(layers.AveragePooling2D((net.x.shape[1], 1))(tf.expand_dims(net.x, 2)))
    net.dense(64, "relu")
    return net.finish()
