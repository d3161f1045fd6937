"""Pipelines: ML Programs one after another, each given what the ones before it made.

coremltools makes them (`make_pipeline`, `bisect_model`); Core ML runs them as one model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from evaluators.emulators.coreml.features import Feature, check_names
from evaluators.emulators.coreml.interface import read_interface
from evaluators.emulators.coreml.model import CoreMLModel
from evaluators.emulators.coreml.package import ModelPackage, open_package
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.errors import EvaluationError

if TYPE_CHECKING:
    from evaluators.emulators.coreml.state import State

MOST_STAGES = 64
"""a limit on what a stranger's file may have loaded"""


class CoreMLPipeline:
    """A Core ML model of type pipeline. It is called as a `CoreMLModel` is, but has neither states nor one plan."""

    def __init__(self, package: ModelPackage, message: Any, compute_units: str, threads: int | None) -> None:
        """Load every stage.

        Args:
            package: Where the model lies.
            message: Its `Model` message.
            compute_units: As `CoreMLModel`'s.
            threads: As `CoreMLModel`'s.

        Raises:
            EvaluationError: A stage is no ML Program, cannot be loaded, or lacks what the pipeline promises it.
        """
        self.path = package.path
        self.function_name = "main"
        where = str(self.path)
        stages = message.pipeline.models
        if not 0 < len(stages) <= MOST_STAGES:
            raise EvaluationError(f"{where}: is a pipeline of {len(stages)} models; right is 1 to {MOST_STAGES}")
        interface = read_interface(message.description, self.function_name, where)
        self.inputs: Mapping[str, Feature] = interface.inputs
        self.outputs: Mapping[str, Feature] = interface.outputs
        self.states: Mapping[str, Feature] = {}
        if interface.states:
            raise EvaluationError(f"{where}: is a pipeline with states, which the emulator does not keep")
        self.stages = tuple(
            _open_stage(package, stage, number, compute_units, threads) for number, stage in enumerate(stages)
        )
        self._check_flow()

    def _check_flow(self) -> None:
        """See that each stage finds its inputs among the pipeline's and what earlier stages made."""
        made = set(self.inputs)
        for number, stage in enumerate(self.stages):
            if stage.states:
                raise EvaluationError(f"{_place(self.path, number)}: has states, which a pipeline does not keep")
            missing = [name for name, feature in stage.inputs.items() if name not in made and not feature.optional]
            if missing:
                raise EvaluationError(
                    f"{_place(self.path, number)}: reads {missing[0]!r}, which nothing before it makes"
                )
            made.update(stage.outputs)
        lacking = [name for name in self.outputs if name not in made]
        if lacking:
            raise EvaluationError(f"{self.path}: promises output {lacking[0]!r}, which no stage of the pipeline makes")

    def predict(self, inputs: Mapping[str, Any], state: State | None = None) -> dict[str, Any]:
        """Run all stages; arguments, result and errors as `CoreMLModel.predict`'s.

        Raises:
            EvaluationError: An input is missing, unknown, or of the wrong shape or dtype; or a state is given.
            PredictionError: An op cannot compute what it is given.
        """
        if state is not None:
            raise EvaluationError(f"{self.path}: a pipeline has no state, but one is given")
        check_names(self.inputs, inputs, where=str(self.path))
        values = dict(inputs)
        for stage in self.stages:
            values |= stage.predict({name: values[name] for name in stage.inputs if name in values})
        return {name: values[name] for name in self.outputs}

    def make_state(self) -> NoReturn:
        """Refused.

        Raises:
            EvaluationError: Always: a pipeline has none.
        """
        raise EvaluationError(f"{self.path}: a pipeline has no state")


def _open_stage(
    package: ModelPackage, message: Any, number: int, compute_units: str, threads: int | None
) -> CoreMLModel:
    kind = message.WhichOneof("Type")
    place = _place(package.path, number)
    if kind != "mlProgram":
        raise EvaluationError(f"{place}: holds a model of type {kind}; the emulator runs mlProgram")
    try:
        return CoreMLModel.of_message(package, message, compute_units, threads=threads)
    except EvaluationError as fault:
        raise EvaluationError(f"{place}: {str(fault).removeprefix(f'{package.path}: ')}") from fault.__cause__


def _place(path: Path, number: int) -> str:
    return f"{path}: model {number + 1} of the pipeline"


def open_coreml(
    path: str | Path,
    compute_units: str = "CPU_ONLY",
    *,
    function_name: str | None = "main",
    threads: int | None = None,
) -> CoreMLModel | CoreMLPipeline:
    """Load an ML Program or a pipeline of them; arguments and errors as `CoreMLModel`'s."""
    package = open_package(Path(path))
    message = parse_model(package.specification.read_bytes(), str(package.specification))
    if message.WhichOneof("Type") == "pipeline":
        return CoreMLPipeline(package, message, compute_units, threads)
    return CoreMLModel.of_message(package, message, compute_units, function_name=function_name, threads=threads)
