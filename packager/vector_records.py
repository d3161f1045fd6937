"""Golden vectors as a manifest holds them: what goes in, what source and bundle make of it, and how near is near.

Files are raw little-endian values, row-major, calls or windows first. An app writes its own under the same names below
a folder of its own, `verify/` left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pydantic

from device_profiles.record import Record
from packager.bounds import MAX_CHANNELS, MAX_SAMPLE_RATE_HZ, Count, PositiveCount, Shape, check_unique

VERIFY = "verify"
"""the folder of a bundle that holds all vectors, and nothing that an app ships"""
SAMPLES = "recording/samples"
HEARD = "frontend/audio"
INPUTS = "inputs"
SOURCE = "source"

DType = Literal["float32", "float16", "int32", "int64", "int16", "int8", "uint8", "bool"]
SUFFIXES = {"float32": "f32", "float16": "f16", "int32": "i32", "int64": "i64"}
"""of files, where they are not the dtype's name"""


class Tolerance(Record):
    """How far an app's values may lie from a vector's, on one runtime."""

    runtime: str
    """whose arithmetic, for example "LiteRT"; the first of a tensor's is the one that its values were recorded on"""
    snr_db: float
    """10 log10(sum expected² / sum difference²) must be at least this"""
    max_abs_error: Annotated[float, pydantic.Field(ge=0)]
    """no value may lie further off than this"""
    measured_db: dict[str, float | None]
    """what was varied when the bundle was made → the SNR that it left; none where it changed nothing"""
    because: str
    """how the two limits follow from what was measured"""


class VectorTensor(Record):
    """One array of a vector."""

    file: str
    """relative to the bundle"""
    dtype: DType
    shape: Shape
    """calls or windows first, where there are several"""
    tolerances: tuple[Tolerance, ...] = ()
    """none of what an app is given: it computes nothing of it"""


class Recording(Record):
    """A recording as a phone would make it, at another rate than the model's."""

    file: str
    """a WAV file of 16 bits, relative to the bundle"""
    sample_rate_hz: Annotated[int, pydantic.Field(gt=0, le=MAX_SAMPLE_RATE_HZ)]
    channels: Annotated[int, pydantic.Field(gt=0, le=MAX_CHANNELS)]
    samples: PositiveCount
    windows: PositiveCount
    """how many calls of the model it makes"""


class GoldenVector(Record):
    """What an app can test itself with: one call, several in a row, or a recording from its samples to the end."""

    name: str
    kind: Literal["call", "calls", "recording"] = "call"
    """call: one, states 0 · calls: in a row, states carried · recording: resampled, cut, played, put together"""
    resets: tuple[Count, ...] = ()
    """of several calls, those before which an app sets all states to 0"""
    recording: Recording | None = None
    audio: VectorTensor | None = None
    """the window that the front end hears, float32 (channels, samples); none without one"""
    samples: VectorTensor | None = None
    """of a recording, what the resampler makes of it, float32 (channels, samples)"""
    inputs: dict[str, VectorTensor]
    """what the model takes, states aside where they are carried; with tolerances where an app computes it"""
    source: dict[str, VectorTensor]
    """what the source model gives"""
    outputs: dict[str, VectorTensor] = {}
    """what the bundle itself gave on the runtime it was recorded on; of a recording, put together"""

    @property
    def tensors(self) -> Iterator[VectorTensor]:
        """All of them."""
        yield from (one for one in (self.audio, self.samples) if one is not None)
        yield from (*self.inputs.values(), *self.source.values(), *self.outputs.values())

    @property
    def files(self) -> Iterator[str]:
        """The files that it names."""
        yield from (tensor.file for tensor in self.tensors)
        if self.recording is not None:
            yield self.recording.file

    @property
    def made(self) -> dict[str, VectorTensor]:
        """What an app makes, by its name below the vector's folder: stages in their order, then outputs."""
        stages = {SAMPLES: self.samples, **{f"{INPUTS}/{name}": one for name, one in self.inputs.items()}}
        found = {name: one for name, one in stages.items() if one is not None and one.tolerances}
        return {**found, **self.outputs}

    @pydantic.model_validator(mode="after")
    def _files_once(self) -> GoldenVector:
        check_unique(self.files, f"vector {self.name[:100]!r}: file")
        return self


def migrate_vectors(data: Any) -> Any:
    """Today's form of a manifest that was written as version 1: its vectors, in `golden`, held the source's outputs."""
    if not isinstance(data, dict) or data.get("schema_version", 1) != 1:
        return data
    golden, rest = data.get("golden", []), {name: value for name, value in data.items() if name != "golden"}
    if not isinstance(golden, list):
        return data
    contracts = {
        place: {one.get("name"): one for one in data.get(place) or () if isinstance(one, dict)}
        for place in ("inputs", "outputs")
    }
    vectors = [_migrate_vector(one, contracts, data.get("audio")) for one in golden]
    return {**rest, "schema_version": 2, "vectors": vectors}


def _migrate_vector(one: Any, contracts: dict[str, dict[Any, Any]], audio: Any) -> Any:
    if not isinstance(one, dict):
        return one
    places = {"inputs": "inputs", "outputs": "source"}
    made = {name: value for name, value in one.items() if name not in {*places, "audio"}}
    for before, now in places.items():
        files = one.get(before, {})
        if isinstance(files, dict):
            files = {name: _migrate_tensor(file, contracts[before].get(name)) for name, file in files.items()}
        made[now] = files
    if one.get("audio") is not None:
        sizes = audio if isinstance(audio, dict) else {}
        window = {"shape": [sizes.get("channels", 1), sizes.get("window_samples", 0)], "dtype": "float32"}
        made["audio"] = _migrate_tensor(one["audio"], window)
    return made


def _migrate_tensor(file: Any, contract: Any) -> dict[str, Any]:
    known = contract if isinstance(contract, dict) else {}
    return {"file": file, "dtype": known.get("dtype", "float32"), "shape": known.get("shape", [])}
