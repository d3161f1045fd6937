"""The public face: load a Core ML model once, run it many times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.emulators.coreml.agreement import check_agreement
from evaluators.emulators.coreml.features import (
    Feature,
    check_names,
    conformed,
    default_array,
)
from evaluators.emulators.coreml.interface import read_interface
from evaluators.emulators.coreml.package import ModelPackage, open_package
from evaluators.emulators.coreml.program import Function, read_function
from evaluators.emulators.coreml.protobuf import parse_model
from evaluators.emulators.coreml.weights import WeightFiles
from evaluators.errors import EvaluationError, PredictionError

if TYPE_CHECKING:
    from evaluators.emulators.coreml.plan import Observer, Plan
    from evaluators.emulators.coreml.state import State

NO_PREDICTION = "Unable to compute the prediction using ML Program"
"""how Core ML's message begins where a run fails. Source: coremltools/converters/mil/mil/ops/tests/iOS17"""

COMPUTE_UNITS = ("ALL", "CPU_AND_GPU", "CPU_AND_NE", "CPU_ONLY")


class CoreMLModel:
    """A Core ML ML Program, run as its types say.

    float32 ops compute in float32. float16 ops compute from float16 values in float32 and round the result to float16.
    A GPU or Neural Engine may in addition accumulate in float16; that is not emulated.
    """

    def __init__(
        self,
        path: str | Path,
        compute_units: str = "CPU_ONLY",
        *,
        function_name: str | None = "main",
        threads: int | None = None,
    ) -> None:
        """Load a model: parse, check, fold constants, resolve ops.

        Args:
            path: An .mlpackage folder or an .mlmodel file.
            compute_units: One of `COMPUTE_UNITS`; checked and kept, the numbers are the same for all.
            function_name: Which function of a model with several; main also names the one the file declares as its
                default, unless another is called so. None is the declared one in any case.
            threads: How many threads a run may use; default: as torch is set.

        Raises:
            EvaluationError: The file is missing or malformed, is not an ML Program, uses what the emulator lacks, or
                its description and its program disagree.
        """
        package = open_package(Path(path))
        message = parse_model(package.specification.read_bytes(), str(package.specification))
        self._load(package, message, compute_units, function_name, threads)

    @classmethod
    def of_message(
        cls,
        package: ModelPackage,
        message: Any,
        compute_units: str,
        *,
        function_name: str | None = None,
        threads: int | None = None,
    ) -> CoreMLModel:
        """Load a `Model` message that was parsed already, for example one that another message holds.

        Args:
            package: Where it and its weights lie.
            message: The message.
            compute_units: As the constructor's.
            function_name: As the constructor's.
            threads: As the constructor's.

        Raises:
            EvaluationError: As the constructor's.
        """
        model = cls.__new__(cls)
        model._load(package, message, compute_units, function_name, threads)
        return model

    def _load(
        self, package: ModelPackage, message: Any, compute_units: str, function_name: str | None, threads: int | None
    ) -> None:
        if compute_units not in COMPUTE_UNITS:
            raise EvaluationError(f"compute units {compute_units!r} are unknown; one of {', '.join(COMPUTE_UNITS)}")
        if threads is not None and threads < 1:
            raise EvaluationError(f"threads is {threads}; expected at least 1")
        self.path = package.path
        self.compute_units = compute_units
        self._threads = threads
        function = self._read(package, message, function_name)
        self.input_names = tuple(named.name for named in function.inputs)
        """inputs and states, in the order of `prepare`"""
        features = {**self.inputs, **self.states}
        self._inputs = [(features[named.name], named.type) for named in function.inputs]
        self._outputs = [self.outputs.get(name) for name in function.block.outputs]
        self.plan = _planned(function, str(self.path))
        """the steps a run takes; read by those who run parts of a program"""

    def _read(self, package: ModelPackage, model: Any, function_name: str | None) -> Function:
        where = str(self.path)
        kind = model.WhichOneof("Type")
        if kind != "mlProgram":
            raise EvaluationError(f"{where}: holds a model of type {kind}; the emulator runs mlProgram")
        default = str(model.description.defaultFunctionName) or "main"
        is_absent = function_name == "main" and "main" not in model.mlProgram.functions
        self.function_name = default if function_name is None or is_absent else function_name
        interface = read_interface(model.description, self.function_name, where)
        self.inputs: Mapping[str, Feature] = interface.inputs
        """name → shape and element type"""
        self.outputs: Mapping[str, Feature] = interface.outputs
        """name → shape and element type"""
        self.states: Mapping[str, Feature] = interface.states
        """name → shape and element type, for models with state"""
        weights = WeightFiles(package.specification.parent, package.root)
        function = read_function(model.mlProgram, self.function_name, weights=weights, where=where)
        check_agreement(interface, function, where)
        return function

    def predict(self, inputs: Mapping[str, Any], state: State | None = None) -> dict[str, Any]:
        """Run the model.

        May be called from several threads at once, on one model or on several: each call gives, bit by bit, what it
        gives alone. A call keeps all it computes to itself and writes neither to inputs nor to constants. A state
        belongs to one stream of calls, and to one thread at a time. How many threads an op uses is set by torch for the
        thread that calls; sums of other lengths round otherwise, so models that are to agree are loaded with the same
        `threads`. A KeyboardInterrupt ends a call between two ops, also in a loop, and leaves the model as it was.

        Args:
            inputs: Array by input name, shape and dtype as `self.inputs` says; a PIL image where the input is one.
            state: What `make_state` returned, for models with state.

        Returns:
            By output name: an array in the declared dtype, in memory of its own; a PIL image; or of a classifier the
            label and a dictionary of each label's probability.

        Raises:
            EvaluationError: An input is missing, unknown, or of the wrong shape or dtype.
            PredictionError: An op cannot compute what it is given, or would need a value larger than `sizes` allows.
        """
        with _settings(self._threads):
            prepared = self.prepare(inputs, state)
            with _predicting():
                values = self.plan.run(prepared)
            return self.named(values)

    def run(
        self, inputs: Mapping[str, Any], observer: Observer | None = None, *, state: State | None = None
    ) -> dict[str, Any]:
        """As `predict`; an observer is shown every op's output and may replace it.

        Args:
            inputs: As for `predict`.
            observer: Called as `observer(op, value)` for each output of each op that is not a constant, in program
                order. `value` may be kept but not written to. A tensor it returns takes its place, unrounded.
            state: As for `predict`.
        """
        if observer is None:
            return self.predict(inputs, state)
        with _settings(self._threads):
            prepared = self.prepare(inputs, state)
            with _predicting():
                values = self.plan.run_observed(prepared, observer)
            return self.named(values)

    def make_state(self) -> State:
        """A fresh state, all zeros.

        Raises:
            EvaluationError: The model has no state.
        """
        if not self.states:
            raise EvaluationError(f"{self.path}: function {self.function_name!r} has no state")
        from evaluators.emulators.coreml.state import State  # imports torch

        return State(self.states)

    def prepare(self, inputs: Mapping[str, Any], state: State | None = None) -> list[Any]:
        """The inputs, checked, as tensors (and states) in the order of the plan's inputs.

        Raises:
            EvaluationError: As `predict`.
        """
        from evaluators.emulators.coreml.constants import to_tensor

        where = str(self.path)
        check_names(self.inputs, inputs, where=where)
        if (state is None) != (not self.states):
            needed = "needs a state from make_state()" if self.states else "has no state, but one is given"
            raise EvaluationError(f"{where}: function {self.function_name!r} {needed}")
        prepared: list[Any] = []
        for feature, type_ in self._inputs:
            if state is not None and feature.name in self.states:
                prepared.append(state.buffers[feature.name])
                continue
            name = feature.name
            array = feature.taken(inputs[name], where=where) if name in inputs else default_array(feature)
            prepared.append(to_tensor(conformed(feature, array, type_, where=where), type_.dtype or feature.dtype))
        return prepared

    def named(self, values: list[Any]) -> dict[str, Any]:
        """What the plan returns, by output name, as the model's description declares it."""
        return {f.name: f.given(value) for f, value in zip(self._outputs, values, strict=True) if f is not None}


def _planned(function: Function, where: str) -> Plan:
    from evaluators.emulators.coreml.planner import make_plan  # imports torch

    return make_plan(function, where)


@contextmanager
def _predicting() -> Iterator[None]:
    """What an op complains of begins with Core ML's own words, for which callers look."""
    try:
        yield
    except EvaluationError as fault:
        raise PredictionError(f"{NO_PREDICTION} {fault}") from fault.__cause__


@contextmanager
def _settings(threads: int | None) -> Iterator[None]:
    """No gradients, and as many threads as asked for."""
    import torch

    before = torch.get_num_threads()
    if threads is not None and threads != before:
        torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        if threads is not None and threads != before:
            torch.set_num_threads(before)
