"""A bundle: a folder that holds one converted model and the contract between it and the app (`manifest.json`)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import pydantic

from device_profiles.record import Record, dump_json, read_json
from packager.bounds import (
    MAX_CHANNELS,
    MAX_DURATION_S,
    MAX_FLEXIBLE_SIZES,
    MAX_RANK,
    MAX_SAMPLE_RATE_HZ,
    AxisSize,
    Count,
    Digest,
    PositiveCount,
    Shape,
    check_unique,
)
from packager.errors import PackagingError
from packager.frontend_spec import FrontendContract
from packager.integration_records import Integration, OutputKind, Pool
from packager.vector_records import DType, GoldenVector, migrate_vectors

MANIFEST_NAME = "manifest.json"

Format = Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""a format's name, as `packager.formats` knows it"""


class AudioContract(Record):
    """What audio the app must hand to the model, and how long audio is cut and put together again."""

    sample_rate_hz: Annotated[int, pydantic.Field(gt=0, le=MAX_SAMPLE_RATE_HZ)]
    """samples per second the model expects, for example 22050"""
    channels: Annotated[int, pydantic.Field(gt=0, le=MAX_CHANNELS)] = 1
    """channels the model expects, for example 1"""
    window_samples: PositiveCount
    """samples in one call of the model, for example 43844"""
    hop_samples: PositiveCount
    """samples between the starts of two windows; smaller than window_samples when windows overlap"""
    frame_rate_hz: Annotated[float, pydantic.Field(ge=1 / MAX_DURATION_S, le=MAX_SAMPLE_RATE_HZ)] | None = None
    """frames per second that stitched outputs are trimmed by; default: by each frame's own time"""

    @pydantic.model_validator(mode="after")
    def _coherent(self) -> AudioContract:
        if self.hop_samples > self.window_samples:
            raise ValueError(f"hop_samples {self.hop_samples} is larger than window_samples {self.window_samples}")
        most = MAX_DURATION_S * self.sample_rate_hz
        if self.window_samples > most:
            raise ValueError(
                f"window_samples {self.window_samples} is longer than {MAX_DURATION_S} s, the longest clip that is "
                f"read; right is {most} at most"
            )
        return self


class FlexibleAxis(Record):
    """An axis whose size an app may choose from call to call: one of `sizes`, or any from `min` to `max`."""

    axis: str
    """its name among the input's axes, for example "sample\""""
    sizes: Annotated[tuple[AxisSize, ...], pydantic.Field(max_length=MAX_FLEXIBLE_SIZES)] = ()
    """all sizes there are"""
    min: AxisSize | None = None
    max: AxisSize | None = None

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> FlexibleAxis:
        if bool(self.sizes) == (self.min is not None or self.max is not None):
            raise ValueError("name either sizes, or min and max")
        if self.sizes and len(set(self.sizes)) < 2:
            raise ValueError("sizes: name at least two different ones")
        if not self.sizes and (self.min is None or self.max is None or self.min >= self.max):
            raise ValueError("min and max: both are needed, and min is the smaller one")
        return self


class TensorContract(Record):
    """One input or output of the model, bound by name."""

    name: str
    """the name the recipe and the app use"""
    native_name: str
    """the name inside the model file"""
    shape: Shape
    dtype: DType
    axes: Annotated[tuple[str, ...], pydantic.Field(max_length=MAX_RANK)]
    """one word a dimension: batch, sample, channel, frame, pitch …"""
    flexible: FlexibleAxis | None = None
    """what other shapes the input may have; `shape` is the one it has by default"""
    kind: OutputKind | None = None
    """of an output, what the windows of a clip come to, where the recipe says it"""
    pool: Pool | None = None
    """of an output of kind "clip", how its windows become one"""
    value_range: tuple[float, float] | None = None
    """of an input, what its values lie between: -1 and 1 of audio at full scale; none where nothing bounds them"""


class FileDigest(Record):
    sha256: Digest
    size_bytes: Count


class SourceIdentity(Record):
    """What the bundle was made from."""

    uri: str
    """as written in the recipe"""
    framework: Literal["torch", "tensorflow"]
    sha256: Digest
    """over all files of the source, by name and content"""
    signature: str | None = None


class ModelIdentity(Record):
    name: str
    version: str
    license: str


class Floor(Record):
    """The oldest system that can run the bundle."""

    platform: Literal["android", "ios"] | None
    """none where the app ships the runtime, whatever the system"""
    minimum_os: str | None
    """for example "iOS15"; none where the format does not tie the model to a release of the system"""
    minimum_runtime: str | None
    """for example "TFLite 2.3.0"; none where the runtime is part of the system"""
    because: str
    """the op or feature that raises the floor this high"""


class OutputProof(Record):
    """How far one output lies from the source model's, over all calls of a proof."""

    output: str
    snr_db: float | None
    """10 log10(sum reference² / sum error²), higher is better; none where the two are identical or not comparable"""
    max_abs_error: float | None
    """largest |reference - estimate|, lower is better; none where not comparable"""
    reason: str | None = None
    """why there is no value, or why a finite one does not count, for example "identical\""""


class RollingProof(Record):
    """How far one output lies from the source model's when both carry their own states through a clip."""

    output: str
    snr_db: float | None
    """10 log10(sum reference² / sum error²) over the whole clip; none where identical or not comparable"""
    last_quarter_snr_db: float | None
    """mean reference² of the whole clip over mean error² of its last quarter: below `snr_db` where errors grow"""
    max_abs_error: float | None
    reason: str | None = None
    """why there is no value, for example "identical\""""


class WholeProof(Record):
    """One output of the bundle, heard in chunks, beside the source model's when it is given the whole clip at once."""

    output: str
    snr_db: float | None
    """none where identical or not comparable"""
    source_snr_db: float | None
    """the same for the source model in chunks: low where the model itself is another one in chunks"""
    max_abs_error: float | None
    reason: str | None = None
    """why there is no value, or why it does not count"""


class StreamingProof(Record):
    """A long clip heard call by call, states carried: do errors grow, and is it the same as at once?"""

    calls: Count
    inputs: str
    """what was heard"""
    rolling: tuple[RollingProof, ...]
    whole: tuple[WholeProof, ...] = ()
    whole_reason: str | None = None
    """why nothing was compared with the whole clip at once: never a pass"""
    whole_holds: bool | None
    """whether every output that can be compared keeps the promise; none where none can be"""
    holds: bool
    """whether every output keeps the precision's promise, over the whole clip and in its last quarter"""


class LengthProof(Record):
    """How far the outputs lie from the source model's for inputs of another length than by default."""

    inputs: dict[str, Shape]
    """input → its shape"""
    output_shapes: dict[str, Shape]
    """output → the shape that the source gives it"""
    outputs: tuple[OutputProof, ...]
    holds: bool


class ResetProof(Record):
    """Two clips in either order: a model that keeps nothing it was not told to keep gives the same, bit for bit."""

    calls: Count
    holds: bool
    reason: str | None = None
    """what differed"""


class Proof(Record):
    """What came of running the bundle in its emulator right after conversion, beside its source."""

    runtime: str
    """what ran it"""
    calls: Count
    """how many calls were compared"""
    inputs: str
    """what they heard, for example "chirp, noise, 6 windows of the recipe's audio\""""
    outputs: tuple[OutputProof, ...]
    tolerance_db: float
    """the least SNR that the precision promises"""
    holds: bool
    """whether every output keeps the promise, and `streaming`, `reset` and `lengths` hold where they are there"""
    streaming: StreamingProof | None = None
    """none where the model has no state"""
    reset: ResetProof | None = None
    lengths: tuple[LengthProof, ...] = ()
    """other lengths that were tried, where inputs are flexible"""
    breaks_at: str | None = None
    """the op whose rounding is most to blame, where a promise is broken and it could be found"""
    caveat: str | None = None
    """where phones compute otherwise than what ran it here; none where they do not"""


class Manifest(Record):
    """Everything an app, an evaluation or a reviewer must know of a bundle."""

    schema_version: Literal[2] = 2
    """1 is read as well: its vectors lay in `golden/`, and held the source's outputs alone"""
    key: Digest
    """content address of what the bundle was made from: source bytes, tool versions, options"""
    variant: str
    """`<format>-<precision>`, the name of the folder"""
    model: ModelIdentity
    format: Format
    precision: str
    file: str
    """the model file or folder, relative to the bundle"""
    files: dict[str, FileDigest]
    """every file of the bundle but this one"""
    source: SourceIdentity
    tools: dict[str, str]
    """package → version, of all that had a hand in the conversion"""
    audio: AudioContract | None
    """none where the model takes neither samples nor features that a front end computes of them"""
    frontend: FrontendContract | None = None
    """what the app computes of a window before it calls the model, or, where it is inside, need not compute; none where
    the recipe says nothing of it"""
    inputs: tuple[TensorContract, ...]
    outputs: tuple[TensorContract, ...]
    state: dict[str, str] = {}
    """state input → the output it is fed from in the next call; zeros at the start of a clip"""
    internal_states: tuple[TensorContract, ...] = ()
    """what the model keeps by itself: Core ML states, of which an app makes new ones for a new clip"""
    floor: Floor
    vectors: tuple[GoldenVector, ...] = ()
    """what an app tests its integration with; all their files lie in `verify/`"""
    integration: Integration | None = None
    """what an app needs to know beside shapes; none of a bundle that was made before there was this"""
    rewrites: tuple[str, ...] = ()
    """what was changed in the source's graph before it converted"""
    types: str | None = None
    """what was computed in other types than the source's own, and what that changes; none where nothing was"""
    proof: Proof | None = None
    """none where the bundle was made without an emulator at hand"""
    kept_float32: tuple[str, ...] = ()
    """ops that compute in float32 while all others compute in float16, where a search found that the outputs need it"""

    @pydantic.model_validator(mode="after")
    def _named_once(self) -> Manifest:
        for what, tensors in (("input", self.inputs), ("output", self.outputs), ("state", self.internal_states)):
            check_unique((tensor.name for tensor in tensors), what)
            check_unique((tensor.native_name for tensor in tensors), f"native name of {what}")
        check_unique((vector.name for vector in self.vectors), "golden vector")
        if self.proof is not None:
            check_unique((output.output for output in self.proof.outputs), "output of the proof")
        return self


class Bundle(Record):
    """A bundle folder and its manifest, read."""

    path: Path
    manifest: Manifest

    @property
    def model_path(self) -> Path:
        return self.path / self.manifest.file


def read_bundle(path: Path) -> Bundle:
    """Read a bundle folder's manifest (the model file itself is not opened).

    Raises:
        PackagingError: There is no manifest, it is malformed, or it names a file outside the bundle.
    """
    manifest = read_json(path / MANIFEST_NAME, Manifest, error=PackagingError, migrate=migrate_vectors)
    golden = [name for vector in manifest.vectors for name in vector.files]
    names = dict.fromkeys((manifest.file, *manifest.files, *golden))
    outside = [name for name in names if not _lies_inside(name)]
    if outside:
        where = path / MANIFEST_NAME
        raise PackagingError("\n".join(f"{where}: file {name!r} lies outside the bundle" for name in outside))
    return Bundle(path=path, manifest=manifest)


def _lies_inside(name: str) -> bool:
    """Whether a name leads to something below the folder on every system, as far as the name itself tells."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not {"\0", "\\"} & set(name)


def dump_manifest(manifest: Manifest) -> str:
    """The manifest's text: same manifest, same bytes."""
    return dump_json(manifest)
