"""A front end at hand: what it computes of audio, and which choice an app's own front end made differently."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.files import is_folder, read_bytes
from device_profiles.record import Record, read_toml
from evaluators.datasets.reading import read_audio
from evaluators.errors import EvaluationError
from packager.attestation.verification import check_files
from packager.bundle import AudioContract, Bundle, read_bundle
from packager.errors import PackagingError
from packager.frontend_spec import BuiltIn, FrontendSpec, PythonSpec
from packager.frontends.flavours import SAME_DB, Diagnosis, Flavour, compare_features, describe_changes, find_flavour
from packager.frontends.opening import FrontendSource, find_frontend, open_frontend
from packager.storage import write_bytes_atomically
from testpress.errors import RecipeError
from testpress.recipe import RecipeFile
from testpress.table import align

_MOST_BYTES = 2**31
"""of features in a file: half an hour in 128 bands is 90 MB"""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ProbeRequest:
    """What to hold a front end against.

    Attributes:
        file: A recipe or a bundle.
        audio: What the features were computed of; None takes a bundle's golden audio.
        against: The features, as .npy or as raw little-endian float32 (.f32).
        golden: Which of a bundle's golden vectors.
    """

    file: Path
    audio: Path | None = None
    against: Path | None = None
    golden: str = "noise"


class FlavourFound(Record):
    """One way that explains the features."""

    changes: tuple[str, ...]
    """each choice that was made otherwise, in words; none where all are as was said"""
    snr_db: float | None
    """10 log10(sum features² / sum difference²), higher is better; none where both are the same"""


class FrontendProbe(Record):
    """What came of holding features against a front end."""

    file: str
    audio: str
    spec: FrontendSpec
    """every choice"""
    sample_rate_hz: int
    shape: tuple[int, ...]
    """of the features of one window, as the model takes them"""
    axes: tuple[str, ...]
    against: str | None = None
    given_shape: tuple[int, ...] = ()
    """of the features that were given"""
    same: bool | None = None
    """whether they are the front end's own; none where none were given"""
    snr_db: float | None = None
    """how near they are to the front end's own; none where they are identical, of another size, or not given"""
    likely: tuple[FlavourFound, ...] = ()
    """what explains them, nearest first; several where this audio does not tell them apart"""
    nearest: FlavourFound | None = None
    """the best there was, where nothing explains them"""
    tried: int = 0
    """how many ways were computed"""


@dataclass(frozen=True)
class Probed:
    """A probe, and the features of the first window by the front end itself."""

    probe: FrontendProbe
    features: npt.NDArray[np.float32]


def probe_frontend(order: ProbeRequest) -> Probed:
    """Compute features of audio as a recipe or bundle says, and tell which choice other features were computed with.

    The recipe's own code runs, in the calling process.

    Raises:
        TestpressError: There is no front end, no audio, or the features cannot be read.
    """
    source, audio, bundle = _find(order.file)
    samples, heard = _hear(order, audio, bundle)
    frontend = open_frontend(source, audio)
    window = np.zeros((audio.channels, audio.window_samples), np.float32)
    first = samples[:, : audio.window_samples]
    window[:, : first.shape[1]] = first
    features = frontend.run(window)
    probe = FrontendProbe(
        file=str(order.file),
        audio=heard,
        spec=source.spec,
        sample_rate_hz=audio.sample_rate_hz,
        shape=frontend.shape,
        axes=frontend.axes,
    )
    if order.against is None:
        return Probed(probe, features)
    given = _read_features(order.against, features.shape)
    found = _compare_code(features, given) if isinstance(source.spec, PythonSpec) else None
    if found is None:
        assert not isinstance(source.spec, PythonSpec)
        tries = [samples] if samples.shape[1] == window.shape[1] else [samples, window]
        found = _compare(source.spec, tries, audio.sample_rate_hz, given)
    update = {**found, "against": str(order.against), "given_shape": given.shape}
    return Probed(probe.model_copy(update=update), features)


def save_features(features: npt.NDArray[np.float32], path: Path) -> None:
    """Write features as .npy."""
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    write_bytes_atomically(path, buffer.getvalue())


def _find(file: Path) -> tuple[FrontendSource, AudioContract, Bundle | None]:
    if is_folder(file):
        bundle = read_bundle(file)
        said, audio = bundle.manifest.frontend, bundle.manifest.audio
        if said is None or audio is None:
            raise PackagingError(f"{file}: its manifest has no front end")
        if said.sha256 is not None:
            raise PackagingError(f"{file}: its front end is code of its recipe, which is not in it; name the recipe")
        return FrontendSource(spec=said.spec), audio, bundle
    written = read_toml(file, RecipeFile, error=RecipeError)
    if written.frontend is None or written.audio is None:
        raise RecipeError(f"{file}: has no [frontend] section")
    return find_frontend(written.frontend, file.parent), written.audio, None


def _hear(order: ProbeRequest, audio: AudioContract, bundle: Bundle | None) -> tuple[Samples, str]:
    if order.audio is not None:
        return read_audio(order.audio, audio).samples, str(order.audio)
    if bundle is None:
        raise RecipeError(f"{order.file}: say what to hear, --audio FILE; a bundle has golden audio of its own")
    known = {vector.name: vector.audio.file for vector in bundle.manifest.vectors if vector.audio is not None}
    if order.golden not in known:
        raise PackagingError(
            f"{order.file}: has no golden audio {order.golden!r}; there is: {', '.join(known) or 'none'}"
        )
    faults = check_files(bundle)
    if faults:
        raise PackagingError("\n".join(faults))
    path = bundle.path / known[order.golden]
    samples = np.frombuffer(read_bytes(path, error=PackagingError), "<f4")
    if samples.size != audio.channels * audio.window_samples:
        raise PackagingError(f"{path}: holds {samples.size} values, which is no window")
    return samples.reshape(audio.channels, -1).astype(np.float32), str(path)


def _read_features(path: Path, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Features of a .npy file, or raw float32 values in the shape that the front end makes."""
    data = read_bytes(path, error=EvaluationError, most=_MOST_BYTES)
    if path.suffix != ".npy":
        if not data or len(data) % 4 or (len(data) // 4) % shape[-1]:
            raise EvaluationError(
                f"{path}: {len(data)} bytes are no float32 values in rows of {shape[-1]}; .npy holds a shape"
            )
        values = np.frombuffer(data, "<f4")
        return values.reshape(shape if values.size == math.prod(shape) else (-1, shape[-1]))
    try:
        found: npt.NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as fault:
        raise EvaluationError(f"{path}: is no .npy file of numbers: {fault}") from None
    return found


def _compare(spec: BuiltIn, tries: list[Samples], rate_hz: int, given: npt.NDArray[Any]) -> dict[str, Any]:
    """Of the whole recording, or of its first window: whichever the features come nearer to."""
    diagnoses = [find_flavour(spec, samples, rate_hz, given) for samples in tries]
    best: Diagnosis = max(diagnoses, key=lambda one: one.nearest.snr_db)
    likely = tuple(_describe(one, spec) for one in best.likely)
    return {
        "same": any(not one.changes for one in likely),
        "snr_db": _finite(best.said.snr_db),
        "likely": likely,
        "nearest": None if likely or math.isinf(best.nearest.snr_db) else _describe(best.nearest, spec),
        "tried": sum(one.tried for one in diagnoses),
    }


def _compare_code(features: npt.NDArray[np.float32], given: npt.NDArray[Any]) -> dict[str, Any]:
    """Of code nothing can be tried but itself."""
    if given.size != features.size:
        return {"same": False, "tried": 1}
    snr_db = compare_features(given.reshape(features.shape), features)
    return {"same": snr_db >= SAME_DB, "snr_db": _finite(snr_db), "tried": 1}


def _describe(flavour: Flavour, spec: BuiltIn) -> FlavourFound:
    return FlavourFound(changes=tuple(describe_changes(flavour, spec)), snr_db=_finite(flavour.snr_db))


def _finite(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None


def as_text(probe: FrontendProbe, saved: Path | None = None) -> str:
    """A probe for people."""
    said = {name: value for name, value in probe.spec.model_dump().items() if value is not None}
    rows = [(name, _word(value)) for name, value in said.items() if name not in {"axes", "input"}]
    rows.append(("features", f"{list(probe.shape)} ({', '.join(probe.axes)}) of a window at {probe.sample_rate_hz} Hz"))
    parts = [f"{probe.file}: front end\n{align(rows, indent='  ')}", *_verdict(probe)]
    return "\n\n".join([*parts, *([] if saved is None else [f"features of {probe.audio}: {saved}"])])


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _verdict(probe: FrontendProbe) -> list[str]:
    if probe.against is None:
        return []
    near = "" if probe.snr_db is None else f" ({probe.snr_db:.1f} dB)"
    if probe.same:
        return [f"{probe.against}: the same features of {probe.audio}{near}"]
    lines = [f"{probe.against}: other features of {probe.audio}{near}, shape {list(probe.given_shape)}"]
    for index, one in enumerate(probe.likely):
        words = ", ".join(one.changes)
        exact = "exactly" if one.snr_db is None else f"{one.snr_db:.1f} dB"
        lines.append(f"  {'was computed with' if index == 0 else 'or with'} {words} ({exact})")
    if len(probe.likely) > 1:
        lines.append("  this audio does not tell them apart")
    if probe.nearest is not None:
        words = ", ".join(probe.nearest.changes) or "all as was said"
        lines.append(
            f"  {probe.tried} ways were tried and none explains them; nearest: {words} ({probe.nearest.snr_db} dB)"
        )
    elif not probe.likely:
        lines.append(f"  {probe.tried} ways were tried, and none makes features of this size")
    return ["\n".join(lines)]


def find_fault(probe: FrontendProbe) -> str | None:
    """What is wrong with the features that were given, in one sentence; None where nothing is, or none were given."""
    if probe.same is not False:
        return None
    why = f": {', '.join(probe.likely[0].changes)}" if probe.likely else ", and no known choice explains them"
    return f"{probe.against}: is not what the front end computes{why}"
