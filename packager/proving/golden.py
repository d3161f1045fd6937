"""Golden vectors: what an app replays to test the bundle, and the front end before it, on its own phone."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from packager.bundle import GoldenVector
from packager.proving.trials import Trials

_SUFFIXES = {"float32": "f32", "float16": "f16", "int32": "i32", "int64": "i64"}


def write_golden(trials: Trials, folder: Path, kept: Mapping[str, str]) -> tuple[GoldenVector, ...]:
    """Write the probes, all of them the first call of a clip, without the states that the model keeps by itself.

    Where a front end computes what the model takes, the window that it hears is written too: audio, features, outputs.

    Args:
        trials: The probes, and the source's outputs for them.
        folder: The bundle's; files go to its `golden`.
        kept: State input → output, where the model itself keeps them.
    """
    hidden, vectors = {*kept, *kept.values()}, []
    for name, inputs, outputs in trials.golden:
        place, heard = folder / "golden" / name, trials.heard.get(name)
        vector = GoldenVector(
            name=name,
            inputs=_write_tensors(place, inputs, hidden),
            outputs=_write_tensors(place, outputs, hidden),
            audio=None if heard is None else _write_values(place / "frontend" / "audio", heard, folder),
        )
        vectors.append(vector)
    return tuple(vectors)


def _write_tensors(place: Path, tensors: Mapping[str, npt.NDArray[Any]], hidden: Container[str]) -> dict[str, str]:
    shown = {name: tensor for name, tensor in tensors.items() if name not in hidden}
    return {name: _write_values(place / name, tensor, place.parent.parent) for name, tensor in sorted(shown.items())}


def _write_values(stem: Path, values: npt.NDArray[Any], folder: Path) -> str:
    little = values.astype(values.dtype.newbyteorder("<"))
    path = stem.with_name(f"{stem.name}.{_SUFFIXES.get(values.dtype.name, values.dtype.name)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(little.tobytes())
    return path.relative_to(folder).as_posix()
