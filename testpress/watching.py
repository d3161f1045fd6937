"""Watching a Core ML model at work: the range of every op's values, or where it parts from another model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.errors import EvaluationError
from packager.verification import check_files
from testpress.model_file import ModelFile, locate_model
from testpress.observation import PartingFound, RangesFound
from testpress.stimuli import OnRun, Stimuli, draw_values, read_golden, take_windows
from testpress.terms import PlayOrder, make_order

if TYPE_CHECKING:
    from evaluators.emulators.coreml.emulator import CoreMLEmulator
    from evaluators.emulators.coreml.model import CoreMLModel


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
    order: PlayOrder | None


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
        TestpressError: There is no such model or recipe, or a model is none that can be watched.
    """
    model = _watchable(locate_model(file))
    other = None if against is None else _watchable(locate_model(against))
    order = None if audio is None else make_order(file, audio=audio, recipe=recipe, sample_rate=sample_rate)
    return Request(model, other, order)


def _watchable(model: ModelFile) -> ModelFile:
    if model.format != "coreml":
        raise EvaluationError(
            f"{model.path}: a .tflite shows only its outputs; right is a Core ML model, .mlpackage or .mlmodel, "
            "whose ops can be watched"
        )
    return model


def watch(request: Request, on_run: OnRun = lambda _done, _total: None) -> RangesFound | PartingFound:
    """Run a model, alone or beside another, and tell what was seen.

    Args:
        request: What to watch.
        on_run: Called with the number of runs done and their total.

    Raises:
        TestpressError: A model cannot be run, the audio cannot be used, or its contract is not known.
    """
    from evaluators.emulators.coreml import CoreMLModel, compare, observe_ranges
    from evaluators.emulators.coreml.emulator import CoreMLEmulator

    emulator = CoreMLEmulator(request.model.path, threads=1)
    model = emulator.model
    if not isinstance(model, CoreMLModel):
        raise EvaluationError(
            f"{request.model.path}: is a pipeline; right is a single ML Program, whose ops are watched"
        )
    stimuli = _find_stimuli(request, emulator)
    notices = _notices(request, stimuli, model)
    if request.against is not None:
        reference = CoreMLModel(request.against.path, threads=1)
        comparison = compare(reference, model, stimuli.each(on_run))
        return PartingFound(inputs_from=stimuli.origin, comparison=comparison, notices=notices)
    return RangesFound(
        file=str(request.model.path),
        inputs_from=stimuli.origin,
        inputs=len(stimuli.inputs),
        ops=observe_ranges(model, stimuli.each(on_run)),
        notices=notices,
    )


def _find_stimuli(request: Request, emulator: CoreMLEmulator) -> Stimuli:
    if request.order:
        return take_windows(request.order, emulator)
    bundles = [file.bundle for file in (request.model, request.against) if file is not None and file.bundle is not None]
    golden = next((found for bundle in bundles if (found := read_golden(bundle)) is not None), None)
    return golden or draw_values(emulator.inputs)


def _notices(request: Request, stimuli: Stimuli, model: CoreMLModel) -> tuple[str, ...]:
    notices = list(stimuli.notices)
    for file in (request.model, request.against):
        if file is not None and file.bundle is not None:
            notices += check_files(file.bundle)
    nesting = sum(bool(step.operation.blocks) for step in model.plan.steps)
    if nesting:
        notices.append(f"{nesting} ops hold blocks of ops, as loops and branches do, which are not looked into")
    return tuple(notices)
