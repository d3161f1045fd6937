"""Which tensors of a TFLite file are integers with scales: what decides how much a quantised model rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.errors import EvaluationError
from evaluators.formats.tflite.file import DAMAGE, TFLiteFile

_MOST = 5000


class TensorScale(Record):
    """A tensor of integers: value = scale × (integer − zero_point)."""

    subgraph: int
    name: str
    dtype: str
    scales: int
    """1 for the whole tensor, else one a slice along `axis`"""
    axis: int | None
    scale: float
    """the first"""
    zero_point: int
    """the first"""


def read_scales(path: Path) -> tuple[TensorScale, ...]:
    """All quantised tensors of a `.tflite` file, 5000 at most.

    Raises:
        EvaluationError: The file is damaged.
    """
    try:
        return tuple(_read(TFLiteFile(path.read_bytes())))[:_MOST]
    except DAMAGE as fault:
        raise EvaluationError(
            f"{path}: damaged TFLite model: the scales of its tensors cannot be read: {fault}"
        ) from None


def _read(file: TFLiteFile) -> Iterable[TensorScale]:
    for index in range(file.model.SubgraphsLength()):
        graph = file.model.Subgraphs(index)
        for place, tensor in enumerate(file.tensors(index)[:_MOST]):
            parameters: Any = graph.Tensors(place).Quantization()
            scales = 0 if parameters is None else parameters.ScaleLength()
            if scales:
                yield TensorScale(
                    subgraph=index,
                    name=shorten(tensor.name),
                    dtype=tensor.type.lower(),
                    scales=scales,
                    axis=parameters.QuantizedDimension() if scales > 1 else None,
                    scale=parameters.Scale(0),
                    zero_point=parameters.ZeroPoint(0) if parameters.ZeroPointLength() else 0,
                )


def summarise_scales(scales: Iterable[TensorScale]) -> str:
    """How many tensors there are of each kind, in one line."""
    counts = Counter((one.dtype, one.scales > 1) for one in scales)
    return ", ".join(
        f"{dtype} with {'a scale a channel' if many else 'one scale'}: {count}"
        for (dtype, many), count in sorted(counts.items())
    )
