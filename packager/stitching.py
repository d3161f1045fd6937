"""The numbers by which a clip is cut into windows and outputs are put together again: what a manifest tells apps.

`evaluators.windows` does it by these numbers, and says where the scheme comes from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from packager.bundle import AudioContract, TensorContract
from packager.integration_records import OutputKind, OutputStitching, Stitching
from packager.model import OutputSpec

TIME_AXES = ("frame", "sample", "step", "time")
"""words of a first axis that runs along the window"""
UNNAMED_AXIS = "axis_1"
"""what a manifest calls the first axis of an output of which a recipe says none"""
_RULES: Mapping[OutputKind, str] = {
    "frames": "of each window the kept frames, one window after another",
    "window": "one value or vector a window, none left out",
    "clip": "one value or vector, pooled over all windows",
    "audio": "windows are added up hop by hop, each weighted by 1, 2, … up to its middle and down again, divided "
    "by the sum of the weights, the lead-in left out, as long as the clip",
}


def find_lead_in(audio: AudioContract) -> int:
    """How many samples of silence go before a clip: half an overlap."""
    return (audio.window_samples - audio.hop_samples) // 2


def count_windows(n_samples: int, audio: AudioContract) -> int:
    """How many windows a clip of `n_samples` makes."""
    return math.ceil((n_samples + find_lead_in(audio)) / audio.hop_samples)


def samples_per_frame(n_frames: int, audio: AudioContract) -> Fraction:
    """The distance of two frames of a window, which a model's output shape alone does not tell.

    A model whose frames tile its window has `window / frames`. One whose frames are centred, as an STFT or CQT with
    padding at both ends makes them, has one frame more: there the distance lies between `window / frames` and
    `window / (frames - 1)`. It is taken from the overlap where that is a whole number of frames (Basic Pitch: 7680
    samples for 30 frames of 256, where 43844 / 172 would say 254.9), else from `window / (frames - 1)` where that is
    whole.
    A frontend without padding cannot be told from one that tiles; its times are then approximate within a window.
    """
    tiled = Fraction(audio.window_samples, n_frames)
    if tiled.denominator == 1 or n_frames == 1:
        return tiled
    centred = Fraction(audio.window_samples, n_frames - 1)
    overlap = audio.window_samples - audio.hop_samples
    overlap_frames = round(overlap / tiled)
    if overlap_frames and overlap % overlap_frames == 0 and tiled < overlap // overlap_frames <= centred:
        return Fraction(overlap // overlap_frames)
    return centred if centred.denominator == 1 else tiled


def kept_frames(n_frames: int, step: Fraction, audio: AudioContract) -> tuple[int, int]:
    """First and last (exclusive) frame kept of a window: from the lead-in's end to where the next window takes over."""
    first = min(round(find_lead_in(audio) / step), n_frames - 1)
    return first, min(first + math.ceil(audio.hop_samples / step), n_frames)


def find_kind_of(shape: tuple[int, ...], spec: OutputSpec, audio: AudioContract) -> OutputKind | None:
    """The kind of an output: as the recipe says, else as its axes or its shape tell; None where they do not.

    Args:
        shape: Of one window's output, without the batch.
        spec: What the recipe says of it.
        audio: The contract.
    """
    if spec.kind is not None:
        return spec.kind
    if not shape:
        return None
    if spec.axes and spec.axes[0] != UNNAMED_AXIS:
        return "frames" if spec.axes[0] in TIME_AXES else None
    # A vector without a word on it may hold frames of one value, or the values of one window.
    return "frames" if len(shape) > 1 or shape[0] == audio.window_samples else None


def describe_stitching(audio: AudioContract, outputs: Mapping[str, TensorContract]) -> Stitching:
    """What a manifest tells of it.

    Args:
        audio: The contract.
        outputs: By name, those that are no states.
    """
    found = {name: _describe_output(contract, audio) for name, contract in outputs.items()}
    frames = None
    if any(one.kind == "frames" for one in found.values()):
        frames = "those whose own time lies before the clip's end"
        if audio.frame_rate_hz is not None:
            frames = f"floor(samples x {audio.frame_rate_hz:g} / sample_rate_hz)"
    return Stitching(
        lead_in_samples=find_lead_in(audio),
        window_samples=audio.window_samples,
        hop_samples=audio.hop_samples,
        frames=frames,
        outputs=found,
    )


def output_shape(contract: TensorContract) -> tuple[int, ...]:
    """Of one window's output, without the batch."""
    shape = contract.shape
    return shape[1:] if shape and shape[0] == 1 else shape


def output_spec(contract: TensorContract) -> OutputSpec:
    """What the recipe said of an output, as far as a manifest holds it."""
    axes = contract.axes[1:] if contract.shape and contract.shape[0] == 1 else contract.axes
    return OutputSpec(axes=axes, aliases=(contract.native_name,), kind=contract.kind, pool=contract.pool)


def _describe_output(contract: TensorContract, audio: AudioContract) -> OutputStitching:
    shape = output_shape(contract)
    kind = find_kind_of(shape, output_spec(contract), audio) or "window"
    if kind != "frames" or not shape or not shape[0]:
        return OutputStitching(kind=kind, pool=contract.pool, rule=_RULES[kind])
    step = samples_per_frame(shape[0], audio)
    first, last = kept_frames(shape[0], step, audio)
    return OutputStitching(
        kind="frames",
        first_frame=first,
        kept_frames=last - first,
        samples_per_frame=float(step),
        rule=_RULES["frames"],
    )
