"""On what terms a model file is played: its audio contract, and which of its outputs run along the time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from device_profiles.record import parse_record, read_toml
from evaluators.emulators import Emulator
from evaluators.errors import EvaluationError
from packager.bundle import AudioContract
from packager.model import OutputSpec
from testpress.errors import RecipeError
from testpress.model_file import ModelFile, locate_model
from testpress.recipe import RecipeFile

MOST_CHANNELS = 8
"""an input with more of them than 7.1 audio has holds features, not audio"""


@dataclass(frozen=True)
class PlayOrder:
    """What to play, on what, and how.

    Attributes:
        model: The model file, found.
        audio: The recording's path.
        recipe: For a bare file: names the audio contract and the outputs.
        sample_rate_hz: For a bare file without a recipe: the rate the model expects.
        notes: Whether to look for note events.
    """

    model: ModelFile
    audio: Path
    recipe: RecipeFile | None = None
    sample_rate_hz: int | None = None
    notes: bool = False


@dataclass(frozen=True)
class Terms:
    """The contract a model is played under, and which outputs hold frames."""

    audio: AudioContract
    outputs: Mapping[str, OutputSpec]
    origin: str
    guessed: bool
    state: Mapping[str, str] = field(default_factory=dict)
    """state input → the output it is fed from in the next call"""


def make_order(
    file: str, *, audio: Path, recipe: Path | None = None, sample_rate: int | None = None, notes: bool = False
) -> PlayOrder:
    """What to play, of names.

    Args:
        file: A bundle or model file, as `locate_model` takes it.
        audio: The recording.
        recipe: A recipe's path.
        sample_rate: In Hz.
        notes: Whether to look for note events.

    Raises:
        TestpressError: There is no such model or recipe.
    """
    written = None if recipe is None else read_toml(recipe, RecipeFile, error=RecipeError)
    return PlayOrder(locate_model(file), audio, written, sample_rate, notes)


def find_terms(order: PlayOrder, emulator: Emulator) -> Terms:
    """The terms of a bundle's manifest, of the recipe, or, for a bare file, as far as its input's shape tells them.

    Raises:
        EvaluationError: They are not known, said twice, or the input is no audio.
    """
    bundle = order.model.bundle
    if bundle is not None:
        if order.recipe is not None or order.sample_rate_hz is not None:
            raise EvaluationError(
                f"{bundle.path}: a bundle holds its own audio contract; leave out --recipe and --sample-rate"
            )
        specs = {
            tensor.name: OutputSpec(axes=tensor.axes[1:], aliases=(tensor.native_name,))
            for tensor in bundle.manifest.outputs
        }
        audio = _need_audio(bundle.manifest.audio, f"{bundle.path}: its manifest")
        return Terms(audio, specs, "the bundle's manifest", guessed=False, state=bundle.manifest.state)
    if order.recipe is not None:
        contract = _need_audio(order.recipe.audio, "the recipe")
        rate_hz = contract.sample_rate_hz
        if order.sample_rate_hz not in (None, rate_hz):
            raise EvaluationError(
                f"--sample-rate {order.sample_rate_hz} contradicts the recipe's {rate_hz}; leave it out"
            )
        model = order.recipe.model
        return Terms(contract, model.outputs, "the recipe", guessed=False, state=model.state)
    if order.sample_rate_hz is None:
        raise EvaluationError(
            f"{order.model.path}: a bare model file does not say at what rate it hears; "
            "give --sample-rate HZ, or --recipe RECIPE"
        )
    audio = _contract_of(emulator, order.sample_rate_hz, str(order.model.path))
    return Terms(audio, {name: OutputSpec(axes=()) for name in emulator.outputs}, "the input's shape", guessed=True)


def _need_audio(audio: AudioContract | None, where: str) -> AudioContract:
    if audio is None:
        raise EvaluationError(
            f"{where} has no audio contract: the model takes no samples, so it cannot be played on audio"
        )
    return audio


def _contract_of(emulator: Emulator, sample_rate_hz: int, where: str) -> AudioContract:
    """The contract as far as an input's shape tells it: windows without overlap."""
    if len(emulator.inputs) != 1:
        found = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in emulator.inputs.items())
        raise EvaluationError(
            f"{where}: takes {len(emulator.inputs)} inputs ({found}); one that holds audio is expected"
        )
    (name, tensor), *_ = emulator.inputs.items()
    sizes = sorted((size for size in tensor.shape if size > 1), reverse=True)
    if not sizes:
        raise EvaluationError(
            f"{where}: input {name!r} has shape {list(tensor.shape)}: its window is open; give --recipe RECIPE"
        )
    channels = math.prod(sizes[1:])
    if channels > MOST_CHANNELS:
        raise EvaluationError(
            f"{where}: input {name!r} has shape {list(tensor.shape)}, which is no window of audio "
            f"(at most {MOST_CHANNELS} channels); models that take features cannot be played on audio"
        )
    told = {
        "sample_rate_hz": sample_rate_hz,
        "channels": channels,
        "window_samples": sizes[0],
        "hop_samples": sizes[0],
    }
    return parse_record(told, AudioContract, where=where, error=EvaluationError)
