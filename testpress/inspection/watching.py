"""Watching a model at work: the range of every op's values, or where it parts from another model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from evaluators.emulators import Emulator
from evaluators.emulators.coreml.observations import Comparison, OpRange
from evaluators.errors import EvaluationError
from evaluators.formats import get_reader
from evaluators.players import as_inputs
from evaluators.targets import open_model as open_emulator
from packager.attestation.verification import check_files
from testpress.inspection.observation import PartingFound, RangesFound
from testpress.inspection.stimuli import OnRun, Stimuli, draw_values, read_golden, take_windows
from testpress.model_file import ModelFile, locate_model
from testpress.playing.contract import PlaybackRequest
from testpress.playing.contract import make_request as make_playback_request

Inputs = Iterable[Mapping[str, npt.NDArray[Any]]]


@dataclass(frozen=True)
class Request:
    """What to watch, on what.

    Attributes:
        model: The model file, found.
        against: The model held to be right; none to watch `model` alone.
        order: The recording to run on and its contract; none for a bundle's golden inputs, or random values.
    """

    model: ModelFile
    against: ModelFile | None
    order: PlaybackRequest | None


def make_request(
    file: str,
    *,
    against: str | None = None,
    audio: Path | None = None,
    recipe: Path | None = None,
    sample_rate: int | None = None,
) -> Request:
    """What to watch, of names.

    Args:
        file: A bundle or model file, as `locate_model` takes it.
        against: Another, held to be right.
        audio: A recording; without one, a bundle's golden inputs are run, or random values.
        recipe: A recipe's path, for a bare file's audio contract.
        sample_rate: In Hz, for a bare file without a recipe.

    Raises:
        TestpressError: There is no such model or recipe, or the models are of different formats.
    """
    model = locate_model(file)
    other = None if against is None else locate_model(against)
    if other is not None and other.format != model.format:
        raise EvaluationError(
            f"{other.path}: is a {other.format} model and {model.path} a {model.format} model, whose ops are others; "
            "right is two files of one format"
        )
    order = None if audio is None else make_playback_request(file, audio=audio, recipe=recipe, sample_rate=sample_rate)
    return Request(model, other, order)


def watch(request: Request, on_run: OnRun = lambda _done, _total: None) -> RangesFound | PartingFound:
    """Run a model, alone or beside another, and tell what was seen.

    Args:
        request: What to watch.
        on_run: Called with the number of runs done and their total.

    Raises:
        TestpressError: A model cannot be run, the audio cannot be used, or its contract is not known.
    """
    emulator = open_emulator(request.model.path, threads=1)
    stimuli = _find_stimuli(request, emulator)
    inputs = stimuli.each(on_run)
    found, nesting = _watch(request, emulator, inputs)
    notices = _notices(request, stimuli, nesting)
    if isinstance(found, Comparison):
        return PartingFound(inputs_from=stimuli.origin, comparison=found, notices=notices)
    return RangesFound(
        file=str(request.model.path),
        inputs_from=stimuli.origin,
        inputs=len(stimuli.inputs),
        ops=found,
        notices=notices,
    )


Found = tuple[OpRange, ...] | Comparison
"""what watching one model finds, or two"""


def _watch(request: Request, emulator: Emulator, inputs: Inputs) -> tuple[Found, int]:
    """What was found, and how many ops hold others."""
    path, watching = request.model.path, get_reader(request.model.format).watching
    if watching is None:
        raise EvaluationError(f"{path}: {request.model.format} models are not watched op by op")
    calls = (as_inputs(emulator, call) for call in inputs)
    if request.against is None:
        return watching.observe(path, emulator, calls)
    return watching.compare(request.against.path, path, emulator, calls)


def _find_stimuli(request: Request, emulator: Emulator) -> Stimuli:
    if request.order:
        return take_windows(request.order, emulator)
    bundles = [file.bundle for file in (request.model, request.against) if file is not None and file.bundle is not None]
    golden = next((found for bundle in bundles if (found := read_golden(bundle)) is not None), None)
    return golden or draw_values(emulator.inputs)


def _notices(request: Request, stimuli: Stimuli, nesting: int) -> tuple[str, ...]:
    notices = list(stimuli.notices)
    for file in (request.model, request.against):
        if file is not None and file.bundle is not None:
            notices += check_files(file.bundle)
    if nesting:
        holds = "1 op holds" if nesting == 1 else f"{nesting} ops hold"
        notices.append(f"{holds} blocks of ops, as loops and branches do, which are not looked into")
    return tuple(notices)
