"""The few numbers of a `.tflite` file that decide how often its loops run; see `loops`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evaluators.costs.loops import Number, Setting, fold
from evaluators.formats.tflite.file import DTYPES, Operator, Tensor, TFLiteFile


def telling(operator: Operator) -> tuple[int, ...]:
    """The operands that the value of an op's output follows from, its shape being known."""
    if operator.kind == "SHAPE":
        return ()  # the size of a tensor is known, whatever is in it
    return operator.reads[:1] if operator.kind in _RESHAPING else operator.reads


def compute_parts(operator: Operator, operands: Sequence[Number | None]) -> list[Number] | None:
    """What an op with several outputs makes of a known list; none where it makes none."""
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands) or operator.kind not in ("SPLIT", "SPLIT_V", "UNPACK"):
        return None
    source = known[1] if operator.kind == "SPLIT" else known[0]
    if source.ndim != 1:
        return None
    if operator.kind == "UNPACK":
        parts = list(source)
    elif operator.kind == "SPLIT":
        parts = np.array_split(source, len(operator.writes))
    else:
        sizes = np.ravel(known[1])
        rest = source.size - int(sizes[sizes >= 0].sum())
        parts = np.split(source, np.cumsum(np.where(sizes < 0, rest, sizes))[:-1])
    return [np.asarray(part) for part in parts] if len(parts) == len(operator.writes) else None


_RESHAPING = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST"})


def compute(
    file: TFLiteFile, operator: Operator, tensors: Sequence[Tensor], operands: Sequence[Number | None]
) -> Number | None:
    """What an op makes of known numbers; none where it makes none."""
    if len(operator.writes) != 1:
        return None
    made = tensors[operator.writes[0]]
    if made.type not in DTYPES:
        return None
    setting = Setting(made.shape, DTYPES[made.type])
    if operator.kind == "SHAPE" and operator.reads:
        return fold("identity", [np.asarray(tensors[operator.reads[0]].shape)], setting)
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands) or not known:
        return None
    if operator.kind == "STRIDED_SLICE":
        options: Any = file.options(operator, "StridedSliceOptions")
        if options is not None:
            masks = {"begin_mask": options.BeginMask(), "end_mask": options.EndMask()}
            setting = replace(setting, **masks, shrinks=bool(options.ShrinkAxisMask()))
    return fold(operator.kind.lower(), known, setting)
