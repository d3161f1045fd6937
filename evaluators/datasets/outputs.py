"""What a model gave for each window of a clip, put together as the kind of the output asks.

- `frames`: stitched, see `windows.stitch`.
- `window`: one value or vector a window, none cut off; its time is where the window starts in the clip.
- `clip`: one value or vector, pooled over the windows.
- `audio`: added up where windows overlap, each weighted by a triangle and divided by the sum of the weights that meet
  there, so that a model that gives its window back gives the clip back, its edges too. Source: the weights are those
  of Demucs (`demucs/apply.py`, `apply_model`, transition power 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.errors import EvaluationError
from evaluators.windows import Stitched, stitch
from packager.bundle import AudioContract
from packager.integration_records import OutputKind, Pool
from packager.model import OutputSpec
from packager.stitching import count_windows, find_kind_of, find_lead_in


def combine_outputs(
    outputs: Mapping[str, npt.NDArray[Any]],
    specs: Mapping[str, OutputSpec],
    audio: AudioContract,
    n_samples: int,
    *,
    required: tuple[str, ...] = (),
) -> tuple[dict[str, Stitched], tuple[str, ...]]:
    """Put a clip's outputs together, those that nobody reads only as far as it is known how.

    Args:
        outputs: By name, `(windows, …)`, in the order of the windows of `windows.cut`.
        specs: What the recipe says of them.
        audio: The contract.
        n_samples: The clip's length before it was cut.
        required: The outputs that must be put together.

    Returns:
        The outputs that could be put together, and why others that have a kind could not.

    Raises:
        EvaluationError: A required output cannot be put together.
    """
    found, faults = {}, []
    for name, values in outputs.items():
        kind = find_kind_of(values.shape[1:], specs[name], audio)
        if kind is None:
            if name in required:
                raise EvaluationError(_ask_for_kind(name, values.shape[1:], specs[name]))
            continue
        try:
            found[name] = combine(values, kind, audio, n_samples, pool=specs[name].pool)
        except EvaluationError as fault:
            message = f'output {name!r} cannot be of kind "{kind}": {fault}'
            if name in required:
                raise EvaluationError(message) from None
            faults.append(message)
    return found, tuple(faults)


def _ask_for_kind(name: str, shape: tuple[int, ...], spec: OutputSpec) -> str:
    axes = f" with axes {list(spec.axes)}" if spec.axes else ""
    return (
        f"output {name!r} has the shape {list(shape)} a window{axes}, which does not tell what it is; say "
        f'model.outputs.{name}.kind = "window" (one a window), "clip" (with pool = "mean", "max" or "last"), "audio" '
        'or "frames"'
    )


def combine(
    outputs: npt.NDArray[Any], kind: OutputKind, audio: AudioContract, n_samples: int, *, pool: Pool | None = None
) -> Stitched:
    """Put one output's windows together.

    Args:
        outputs: `(windows, …)`, in the order of the windows of `windows.cut`. Not modified.
        kind: What they come to.
        audio: The contract.
        n_samples: The clip's length before it was cut.
        pool: Of kind "clip".

    Raises:
        EvaluationError: The shape is not one of the kind, or the number of windows is not the one `cut` makes.
    """
    n_windows = count_windows(n_samples, audio)
    if outputs.shape[:1] != (n_windows,):
        raise EvaluationError(
            f"outputs of shape {outputs.shape}: a clip of {n_samples} samples makes {n_windows} windows"
        )
    if kind == "frames":
        if outputs.ndim < 2:
            raise EvaluationError("it has one value a window, and no axis of frames")
        return stitch(outputs, audio, n_samples)
    if kind == "audio":
        return _overlap_add(outputs, audio, n_samples)
    times_s = (np.arange(n_windows) * audio.hop_samples - find_lead_in(audio)) / audio.sample_rate_hz
    if kind == "window":
        return Stitched(outputs, times_s, "window")
    assert pool is not None
    return Stitched(_POOLS[pool](outputs), np.zeros(1), "clip")


_POOLS = {
    "mean": lambda values: values.mean(axis=0, dtype=np.float64).astype(np.result_type(values.dtype, np.float32)),
    "max": lambda values: values.max(axis=0),
    "last": lambda values: values[-1],
}


def _overlap_add(outputs: npt.NDArray[Any], audio: AudioContract, n_samples: int) -> Stitched:
    """Windows `(windows, …, samples)` to `(…, samples)`, at the audio's rate or at a whole multiple or part of it."""
    if outputs.ndim < 2:
        raise EvaluationError("it has one value a window, and no axis of samples")
    length = outputs.shape[-1]
    ratio = Fraction(length, audio.window_samples)
    hop, lead_in, end = (ratio * count for count in (audio.hop_samples, find_lead_in(audio), n_samples))
    if not length or hop.denominator != 1 or lead_in.denominator != 1:
        raise EvaluationError(
            f"its last axis holds {length} samples for a window of {audio.window_samples}, and {audio.hop_samples} "
            "samples of hop come to no whole number of those"
        )
    rising = np.arange(1, length + 1, dtype=np.float64)
    weights = np.minimum(rising, rising[::-1])
    total = np.zeros((*outputs.shape[1:-1], (len(outputs) - 1) * int(hop) + length))
    weight = np.zeros(total.shape[-1])
    for index, window in enumerate(outputs):
        place = slice(index * int(hop), index * int(hop) + length)
        total[..., place] += window * weights
        weight[place] += weights
    kept = slice(int(lead_in), int(lead_in) + int(end))
    values = (total[..., kept] / weight[kept]).astype(np.result_type(outputs.dtype, np.float32))
    times_s = np.arange(values.shape[-1]) / float(ratio * audio.sample_rate_hz)
    return Stitched(values, times_s, "audio")
