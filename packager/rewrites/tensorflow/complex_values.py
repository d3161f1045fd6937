"""Complex numbers as pairs of real tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_NAMES = """
Reshape Transpose StridedSlice Slice ConcatV2 Concat Pack Unpack Split SplitV Pad PadV2 MirrorPad Tile GatherV2 Gather
GatherNd ExpandDims Squeeze ReverseV2 BroadcastTo Roll Neg Add AddV2 AddN Sub BiasAdd Sum Mean Cumsum MatrixDiag
MatrixDiagV3 MatrixDiagPartV3 MatrixBandPart ZerosLike SelectV2 Select Fill ReverseSequence SpaceToBatchND
BatchToSpaceND ScatterNd TensorScatterAdd TensorScatterUpdate UnsortedSegmentSum Bitcast
"""
PART_BY_PART = frozenset(_NAMES.split())
"""ops that treat both parts alike"""


@dataclass(frozen=True)
class Complex:
    """Real and imaginary part, of one shape and type."""

    real: Any
    imag: Any

    @property
    def shape(self) -> Any:
        return self.real.shape

    @property
    def dtype(self) -> Any:
        return self.real.dtype


def is_pair(value: Any) -> bool:
    """Whether a value is a pair."""
    return isinstance(value, Complex)


def as_pair(value: Any) -> Complex:
    """A pair, a known complex value, or a real value as a pair."""
    import tensorflow as tf

    if isinstance(value, Complex):
        return value
    if value.dtype.is_complex:
        with tf.init_scope():
            return Complex(tf.math.real(value), tf.math.imag(value))
    return Complex(value, tf.zeros_like(value))


def real_dtype(dtype: Any) -> Any:
    """The type of the parts."""
    return dtype.real_dtype
