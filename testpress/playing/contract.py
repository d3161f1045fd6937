"""On what contract a model file is played: its audio contract, and which of its outputs run along the time."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

from device_profiles.record import parse_record, read_toml
from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from evaluators.formats import read_metadata, read_signatures
from evaluators.formats.metadata import ModelMetadata
from evaluators.formats.streaming_pairs import find_state_pairs
from evaluators.playing.binding import find_audio_inputs
from packager.bundle import AudioContract, Bundle
from packager.frontends.opening import Frontend, FrontendSource, find_frontend, open_frontend
from packager.model import OutputSpec
from testpress.errors import RecipeError
from testpress.model_file import ModelFile, locate_model
from testpress.recipe import RecipeFile

MOST_CHANNELS = 8
"""an input with more of them than 7.1 audio has holds features, not audio"""


_LEAST_SAMPLES = 32
"""a shorter window, or one with as many channels as that, holds numbers that are no samples"""
_LEAST_S = 0.004
"""the shortest frames that audio is coded in are 2.5 ms of Opus and 4 ms; models hear 8 ms and more"""
_FEATURES = frozenset({
    "mel", "mels", "melspec", "melspectrogram", "logmel", "logmels", "mfcc", "mfccs", "fbank", "fbanks", "spectrogram",
    "spectrograms", "spectrum", "features", "feature", "embedding", "embeddings", "fingerprint",
})  # fmt: skip
"""words in the names of inputs that hold what was computed from audio"""


@dataclass(frozen=True)
class PlaybackRequest:
    """What to play, on what, and how.

    Attributes:
        model: The model file, found.
        audio: The recording's path.
        recipe: For a bare file: names the audio contract and the outputs.
        sample_rate_hz: For a bare file without a recipe: the rate the model expects.
        window_samples: For a bare file without a recipe: the window, where its input leaves it open, or to insist.
        signature: Of a bare file with several.
        notes: Whether to look for note events.
        frontend: The recipe's, found.
    """

    model: ModelFile
    audio: Path
    recipe: RecipeFile | None = None
    sample_rate_hz: int | None = None
    window_samples: int | None = None
    signature: str | None = None
    notes: bool = False
    frontend: FrontendSource | None = None


@dataclass(frozen=True)
class PlaybackContract:
    """The contract a model is played under, and which outputs hold frames."""

    audio: AudioContract
    outputs: Mapping[str, OutputSpec]
    origin: str
    guessed: bool
    state: Mapping[str, str] = field(default_factory=dict)
    """state input → the output it is fed from in the next call"""
    frontend: Frontend | None = None
    """what computes features of audio, for a model that takes them"""
    notices: tuple[str, ...] = ()


class BareOptions(TypedDict, total=False):
    """What a caller may say of a bare file; all as in `PlaybackRequest`."""

    sample_rate: int | None
    window: int | None
    signature: str | None


def make_request(
    file: str, *, audio: Path, recipe: Path | None = None, notes: bool = False, **bare: Unpack[BareOptions]
) -> PlaybackRequest:
    """What to play, of names.

    Args:
        file: A bundle or model file, as `locate_model` takes it.
        audio: The recording.
        recipe: A recipe's path.
        notes: Whether to look for note events.
        **bare: `sample_rate` in Hz, `window` in samples, and `signature`.

    Raises:
        TestpressError: There is no such model or recipe.
    """
    written = None if recipe is None else read_toml(recipe, RecipeFile, error=RecipeError)
    rate, window, signature = bare.get("sample_rate"), bare.get("window"), bare.get("signature")
    said = None if written is None or recipe is None else written.frontend
    frontend = None if said is None or recipe is None else find_frontend(said, recipe.parent)
    return PlaybackRequest(locate_model(file), audio, written, rate, window, signature, notes, frontend)


def find_contract(order: PlaybackRequest, emulator: Emulator) -> PlaybackContract:
    """The contract of a bundle's manifest, of the recipe, or, for a bare file, as far as its input's shape tells them.

    Raises:
        EvaluationError: They are not known, said twice, or the input is no audio.
    """
    if order.model.bundle is not None:
        return _contract_of_bundle(order.model.bundle, order)
    if order.recipe is not None:
        contract = order.recipe.audio
        if contract is None:
            raise EvaluationError(
                "the recipe has no [audio] section; playing a model on audio needs its sample_rate_hz, window_samples "
                "and hop_samples"
            )
        rate_hz = contract.sample_rate_hz
        if order.sample_rate_hz not in (None, rate_hz):
            raise EvaluationError(
                f"--sample-rate {order.sample_rate_hz} contradicts the recipe's {rate_hz}; leave it out"
            )
        if order.window_samples not in (None, contract.window_samples):
            raise EvaluationError(
                f"--window {order.window_samples} contradicts the recipe's {contract.window_samples}; leave it out"
            )
        model = order.recipe.model
        notices = _other_rate(read_metadata(order.model.path), rate_hz, "the recipe's")
        return PlaybackContract(
            contract,
            model.outputs,
            "the recipe",
            guessed=False,
            state=model.state,
            frontend=None if order.frontend is None else open_frontend(order.frontend, contract),
            notices=notices,
        )
    said = read_metadata(order.model.path)
    rate_hz, notices = _choose_rate(order, said)
    audio = _contract_of(emulator, rate_hz, order, said)
    outputs = {name: OutputSpec(axes=()) for name in emulator.outputs}
    return PlaybackContract(audio, outputs, "the input's shape", guessed=True, notices=notices)


def _contract_of_bundle(bundle: Bundle, order: PlaybackRequest) -> PlaybackContract:
    manifest = bundle.manifest
    own_code = manifest.frontend is not None and manifest.frontend.sha256 is not None
    given = (None if own_code else order.recipe, order.sample_rate_hz, order.window_samples)
    if any(one is not None for one in given):
        options = "--recipe and --sample-rate" + ("" if order.window_samples is None else " and --window")
        raise EvaluationError(f"{bundle.path}: a bundle holds its own audio contract; leave out {options}")
    if manifest.audio is None:
        raise EvaluationError(
            f"{bundle.path}: its manifest has no audio contract, for its recipe had no [audio] section; a model of "
            f"audio plays by its file: testpress play {bundle.model_path} --sample-rate HZ"
        )
    specs = {
        tensor.name: OutputSpec(axes=tensor.axes[1:], aliases=(tensor.native_name,), kind=tensor.kind, pool=tensor.pool)
        for tensor in manifest.outputs
    }
    frontend = _frontend_of_bundle(bundle, manifest.audio, order)
    return PlaybackContract(
        manifest.audio, specs, "the bundle's manifest", guessed=False, state=manifest.state, frontend=frontend
    )


def _frontend_of_bundle(bundle: Bundle, audio: AudioContract, order: PlaybackRequest) -> Frontend | None:
    """What an app computes before it calls a bundle; the recipe's own code is not in the bundle, and is asked for.

    Raises:
        EvaluationError: The code is not at hand, or is another one than the bundle was made with.
    """
    said = bundle.manifest.frontend
    if said is None or said.spec.inside:
        return None
    if said.sha256 is None:
        return open_frontend(FrontendSource(spec=said.spec), audio)
    if order.frontend is None:
        raise EvaluationError(
            f"{bundle.path}: its front end is code of its recipe, {said.spec.kind}, which is not in the bundle; "
            "give --recipe RECIPE"
        )
    if order.frontend.sha256 != said.sha256:
        raise EvaluationError(
            f"{bundle.path}: was made with another front end than the recipe's {order.frontend.spec.kind} is now; "
            "package it anew"
        )
    return open_frontend(order.frontend, audio)


def _choose_rate(order: PlaybackRequest, said: ModelMetadata) -> tuple[int, tuple[str, ...]]:
    """The rate a bare file hears at: as the caller says, or as the file says of itself."""
    asked, found = order.sample_rate_hz, said.sample_rate_hz
    if asked is None and found is None:
        raise EvaluationError(
            f"{order.model.path}: a bare model file does not say at what rate it hears; "
            "give --sample-rate HZ, or --recipe RECIPE"
        )
    if asked is None:
        source = "metadata" if said.rate_from == "properties" else "description"
        return int(found or 0), (f"{found} Hz, as the model's {source} says",)
    if said.rate_from == "properties" and found != asked:
        raise EvaluationError(
            f"{order.model.path}: its metadata says that it hears {found} Hz; --sample-rate {asked} contradicts that, "
            "leave it out (a recipe may say otherwise)"
        )
    return asked, _other_rate(said, asked, "the one given,")


def _other_rate(said: ModelMetadata, rate_hz: int, whose: str) -> tuple[str, ...]:
    if said.sample_rate_hz in (None, rate_hz):
        return ()
    return (f"the model describes itself as hearing {said.sample_rate_hz} Hz; {whose} {rate_hz} Hz is taken",)


def _contract_of(emulator: Emulator, rate_hz: int, order: PlaybackRequest, said: ModelMetadata) -> AudioContract:
    """The contract as far as an input's shape tells it: windows without overlap."""
    where = str(order.model.path)
    heard, _ = find_audio_inputs(emulator.inputs)
    if len(heard) != 1:
        found = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in emulator.inputs.items())
        raise EvaluationError(
            f"{where}: takes {len(emulator.inputs)} inputs ({found}); one that holds audio is expected{_hint(order)}"
        )
    (name, tensor), *_ = heard.items()
    place = f"{where}: input {name!r} has shape {list(tensor.shape)}"
    sizes = sorted((size for size in tensor.shape if size > 1), reverse=True)
    window = order.window_samples
    if window is not None:
        if tensor.open_axes and window not in sizes:
            sizes = [window, *(size for axis, size in enumerate(tensor.shape) if axis not in tensor.open_axes)]
        if window not in sizes:
            raise EvaluationError(f"{place}; --window {window} is none of its sizes")
        sizes.remove(window)
        sizes.insert(0, window)
    if not sizes:
        raise EvaluationError(f"{place}: {_OPEN if tensor.open_axes else _SINGLE}")
    channels = math.prod(sizes[1:])
    if channels > MOST_CHANNELS:
        raise EvaluationError(
            f"{place}, which is no window of audio "
            f"(at most {MOST_CHANNELS} channels); a model that takes features is played with --recipe RECIPE, whose "
            "[frontend] says how they are computed"
        )
    told = {
        "sample_rate_hz": rate_hz,
        "channels": channels,
        "window_samples": sizes[0],
        "hop_samples": sizes[0],
    }
    audio = parse_record(told, AudioContract, where=where, error=EvaluationError)
    if window is None and said.rate_from != "properties":
        _check_window(name, audio, place)
    return audio


_OPEN = "its window is open; give --recipe RECIPE or --window SAMPLES"
_SINGLE = "a single number, or of a size that is not in the file, is no window of audio; a recipe may say otherwise"


def _hint(order: PlaybackRequest) -> str:
    """How to play a model whose other inputs look like states."""
    signatures = [one for one in read_signatures(order.model.path) if order.signature in (None, one.name)]
    pairs = find_state_pairs(signatures[0]) if signatures else {}
    said = ", ".join(f'{name} = "{output}"' for name, output in pairs.items())
    return f"; if the others are its states, give --recipe with [model.state] {said}" if pairs else ""


def _check_window(name: str, audio: AudioContract, place: str) -> None:
    """Refuse what is audio neither by its name nor by its size; --window insists."""
    window, channels, rate_hz = audio.window_samples, audio.channels, audio.sample_rate_hz
    words = set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))
    insist = f"a recipe, or --window {window}, insists"
    if words & _FEATURES:
        raise EvaluationError(
            f"{place} and a name of features; models that take features are played with a recipe whose [frontend] "
            f"says how they are computed; {insist}"
        )
    if window < _LEAST_SAMPLES * channels or window < _LEAST_S * rate_hz:
        length = f"{window} samples ({1000 * window / rate_hz:.3g} ms)" + ("" if channels == 1 else f" of {channels}")
        raise EvaluationError(
            f"{place}: {length} are no window of audio but features or other numbers; the [frontend] of "
            f"a recipe says how features are computed; {insist}"
        )
