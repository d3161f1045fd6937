"""What an app needs to know beside shapes: how a file is called, what plays it, how a clip becomes outputs and back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic

from device_profiles.record import Record
from packager.bounds import Count, PositiveCount

OutputKind = Literal["frames", "window", "clip", "audio"]
"""what the windows of a clip come to: one run of frames, one value or vector a window, one a clip, or a waveform"""
Pool = Literal["mean", "max", "last"]
ComputeUnit = Literal["cpu", "gpu", "npu", "ane"]


class CallContract(Record):
    """How a model file is called."""

    signature: str | None
    """TFLite: the signature's key; Core ML: the function; none where the file has none, and is called by place"""
    inputs: dict[str, Count]
    """the file's own name of an input → its place, from 0, for runtimes that go by places"""
    outputs: dict[str, Count]
    """the same of outputs; the order is the file's, not the recipe's"""


class RuntimePackage(Record):
    """Where an app of a platform gets what plays the file."""

    platform: Literal["android", "ios"]
    manager: Literal["maven", "cocoapods", "system"]
    name: str
    """as the manager knows it, for example "com.google.ai.edge.litert:litert\""""
    version: str | None
    """that of the runtime that the vectors were recorded on; none where it counts otherwise, or is the system's"""
    minimum_os: str | None
    """what that version needs, for example "API24"; none where the bundle's floor says it"""
    note: str | None = None


class Resampler(Record):
    """What brings a recording to the model's rate: what the vector "clip" was made with."""

    library: Literal["libsoxr"] = "libsoxr"
    quality: Literal["HQ"] = "HQ"
    precision_bits: Literal[20] = 20
    phase: Literal["linear"] = "linear"
    passband_end: float = 0.913
    """of half the lower rate: what is below is kept"""
    stopband_begin: float = 1.0
    """of half the lower rate: what is above is gone"""


class OutputStitching(Record):
    """How one output's windows become a clip's."""

    kind: OutputKind
    first_frame: Count | None = None
    """of frames: the first one that is kept of each window, from 0"""
    kept_frames: PositiveCount | None = None
    """of frames: how many are kept of each window, one after another"""
    samples_per_frame: Annotated[float, pydantic.Field(gt=0)] | None = None
    """of frames: frame f of window w stands at sample w x hop_samples + f x samples_per_frame - lead_in_samples"""
    pool: Pool | None = None
    """of a clip's value: how its windows become one"""
    rule: str
    """in words"""


class Stitching(Record):
    """How a clip is cut into windows, and what the windows of each output come to."""

    lead_in_samples: Count
    """zeros that go before a clip"""
    window_samples: PositiveCount
    hop_samples: PositiveCount
    """between the starts of two windows"""
    windows: str = "ceil((samples + lead_in_samples) / hop_samples)"
    """how many there are of a clip of `samples`"""
    last_window: Literal["zeros"] = "zeros"
    """what fills it up"""
    frames: str | None = None
    """how many frames of the stitched outputs belong to the clip; none where none is of frames"""
    outputs: dict[str, OutputStitching]


class TaskContract(Record):
    """What the model is for, and how its outputs are read: as the recipe's task has it."""

    kind: str
    options: dict[str, Any]
    """thresholds and the like, those that the recipe leaves at their defaults too"""
    columns: tuple[str, ...] = ()
    """what the columns of the output stand for, in their order, where the task names them"""
    output: str | None = None
    """which output that is"""


class Integration(Record):
    """All of it."""

    byte_order: Literal["little"] = "little"
    """of the files in `verify/`, which hold nothing but values, row-major"""
    call: CallContract | None
    """none where the format has names alone"""
    packages: tuple[RuntimePackage, ...]
    compute_unit: ComputeUnit | None
    """what the recipe has apps ask for; none leaves it to the runtime"""
    resampler: Resampler | None = None
    """none where the model takes no audio"""
    stitching: Stitching | None = None
    """none where the model takes no audio"""
    task: TaskContract | None = None
    """none where the recipe has none"""
    license_file: str | None = None
    """the licence's text, relative to the bundle; none where none was found"""
