"""TFLite models on this machine: the runtime an app ships, with its XNNPACK kernels, through named signatures.

A file without a signature is called by the names of its tensors, as every file before TensorFlow 2.5 is.

`Interpreter` is used, not LiteRT's newer `CompiledModel`: on the Basic Pitch file of the wheel the latter returns zeros
and says all is well (seen with ai-edge-litert 2.3.0).
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device_profiles.pointers import POINTER_BYTES, describe_pointer
from evaluators.emulators import Tensor, distinct_names
from evaluators.errors import EvaluationError
from evaluators.formats.entries import find_entry
from evaluators.formats.tflite.file import TFLITE_IDENTIFIER


@dataclass(frozen=True)
class Library:
    """An installed runtime for `.tflite` files.

    Attributes:
        package: As pip knows it.
        module: With the class `Interpreter`.
        name: Of the runtime.
    """

    package: str
    module: str
    name: str

    def find_version(self) -> str | None:
        """The version installed; None where it is not."""
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None

    def describe(self) -> str:
        """Its name and version.

        Raises:
            EvaluationError: It is not installed.
        """
        version = self.find_version()
        if version is None:
            raise EvaluationError(f"{self.package} is not installed; pip install {self.package}")
        return f"{self.name} {version}"


LITERT = Library("ai-edge-litert", "ai_edge_litert.interpreter", "LiteRT")
TFLITE_RUNTIME = Library("tflite-runtime", "tflite_runtime.interpreter", "tflite-runtime")


class TFLiteEmulator:
    """A .tflite file, loaded once and called window by window.

    Attributes:
        runtime: Name and version of what executes it, for example `LiteRT 2.3.0`.
        inputs: By signature name, without a signature by tensor name; open dimensions are fixed to 1.
        outputs: As `inputs`.
        states: None: variable tensors cannot be told by name.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        signature: str | None = None,
        library: Library | None = None,
        delegated: bool = True,
    ) -> None:
        """Load a model.

        Args:
            path: The file.
            threads: How many threads its kernels may use.
            signature: Which of several.
            library: Which runtime; else the first that is installed.
            delegated: Whether its default delegate, XNNPACK, may take ops.

        Raises:
            EvaluationError: No runtime is installed, the file is not a whole TFLite model, or it is not clear which of
                its signatures is meant.
        """
        module, self.runtime = import_library(library)
        _check_file(path)
        try:
            plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            options = {} if delegated else {"experimental_op_resolver_type": plain}
            self._interpreter: Any = module.Interpreter(model_path=str(path), num_threads=threads, **options)
            name = _choose(self._interpreter.get_signature_list(), path, signature)
            self._runner: Any = (
                _ByTensor(self._interpreter) if name is None else self._interpreter.get_signature_runner(name)
            )
        except (ValueError, RuntimeError) as fault:
            raise EvaluationError(f"{path}: {self.runtime} cannot load it: {str(fault).strip()}") from fault
        self.inputs = {name: _tensor(detail) for name, detail in self._runner.get_input_details().items()}
        self.outputs = {name: _tensor(detail) for name, detail in self._runner.get_output_details().items()}
        self.states: dict[str, Tensor] = {}
        self._has_run = False

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once.

        Args:
            inputs: By name, in the shapes and dtypes of `inputs`.

        Raises:
            EvaluationError: The runtime refuses the call.
        """
        self._has_run = True
        try:
            outputs = self._runner(**inputs)
        except (ValueError, RuntimeError) as fault:
            raise EvaluationError(f"{self.runtime} refused the call: {str(fault).strip()}") from fault
        return {name: _array(value) for name, value in outputs.items()}

    def reset(self) -> None:
        """Set variable tensors, where there are any, to what they were after loading."""
        if self._has_run:  # before that variables have no memory, which the runtime takes for a fault
            self._interpreter.reset_all_variables()

    def close(self) -> None:
        """Give back the interpreter's memory."""
        self._runner = self._interpreter = None

    def read_state(self, name: str) -> npt.NDArray[Any]:
        """Refuse: see `states`."""
        raise EvaluationError(f"there is no state {name!r}: {self.runtime} does not name what a model keeps")

    def write_state(self, name: str, _: npt.NDArray[Any]) -> None:
        """Refuse: see `states`."""
        raise EvaluationError(f"there is no state {name!r}: {self.runtime} does not name what a model keeps")


class _ByTensor:
    """A file without signatures, called as a signature's runner is: by the names of its tensors."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._inputs = _named(interpreter.get_input_details(), "input")
        self._outputs = _named(interpreter.get_output_details(), "output")

    def get_input_details(self) -> dict[str, Any]:
        return self._inputs

    def get_output_details(self) -> dict[str, Any]:
        return self._outputs

    def __call__(self, **inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        if inputs.keys() != self._inputs.keys():
            raise ValueError(f"found the inputs {', '.join(inputs) or 'none'}; right is {', '.join(self._inputs)}")
        for name, value in inputs.items():
            detail = self._inputs[name]
            if tuple(value.shape) != tuple(detail["shape"]):
                self._interpreter.resize_tensor_input(detail["index"], value.shape, strict=True)
        self._interpreter.allocate_tensors()
        for name, value in inputs.items():
            self._interpreter.set_tensor(self._inputs[name]["index"], value)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(detail["index"]) for name, detail in self._outputs.items()}


def _named(details: Sequence[Mapping[str, Any]], role: str) -> dict[str, Any]:
    names = distinct_names([detail["name"] for detail in details], role)
    return dict(zip(names, details, strict=True))


@dataclass(frozen=True)
class TFLiteOp:
    """An op of a file's main graph: its kind, and the names of what it reads and makes."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class WatchedModel:
    """A .tflite file on plain kernels, every tensor kept: what each op makes can be read after a call.

    Attributes:
        path: Of the file.
        ops: Of the main graph, in the order in which they run.
        dtypes: By the name of each tensor: float32, int8 ….
    """

    def __init__(self, path: Path) -> None:
        """Load a model.

        Raises:
            EvaluationError: As `TFLiteEmulator`'s.
        """
        module, runtime = import_library()
        _check_file(path)
        plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self._interpreter = module.Interpreter(
                model_path=str(path), experimental_op_resolver_type=plain, experimental_preserve_all_tensors=True
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as fault:
            raise EvaluationError(f"{path}: {runtime} cannot load it: {str(fault).strip()}") from fault
        self.path, self._runtime = path, runtime
        self._details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        self.dtypes = {str(one["name"]): np.dtype(one["dtype"]).name for one in self._details.values()}
        name = _choose(self._interpreter.get_signature_list(), path, None)
        runner = _ByTensor(self._interpreter) if name is None else self._interpreter.get_signature_runner(name)
        self._inputs = runner.get_input_details()
        self.ops = tuple(
            TFLiteOp(op["op_name"], self._names(op["inputs"]), self._names(op["outputs"]))
            for op in self._interpreter._get_ops_details()
        )

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once; every tensor that an op of the main graph makes, by name, quantized ones as what they mean.

        Raises:
            EvaluationError: The runtime refuses the call.
        """
        try:
            for name, value in inputs.items():
                if tuple(value.shape) != tuple(self._inputs[name]["shape"]):
                    self._interpreter.resize_tensor_input(self._inputs[name]["index"], value.shape, strict=True)
            self._interpreter.allocate_tensors()
            for name, value in inputs.items():
                self._interpreter.set_tensor(self._inputs[name]["index"], value)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as fault:
            raise EvaluationError(f"{self.path}: {self._runtime} refused the call: {str(fault).strip()}") from fault
        made = {name for op in self.ops for name in op.outputs}
        found = {}
        for index, detail in self._details.items():
            if detail["name"] in made:
                found[detail["name"]] = self._read(index, detail)
        return found

    def _read(self, index: int, detail: Mapping[str, Any]) -> npt.NDArray[Any]:
        value: npt.NDArray[Any] = np.array(self._interpreter.get_tensor(index))
        scale, zero = detail["quantization"]
        return value if scale == 0 else (value.astype(np.float32) - zero) * np.float32(scale)

    def _names(self, indices: Any) -> tuple[str, ...]:
        return tuple(str(self._details[int(index)]["name"]) for index in indices if int(index) in self._details)


def _array(value: Any) -> npt.NDArray[Any]:
    """An output; text, which the runtime gives as objects or a single one, as bytes."""
    array = np.asarray(value)
    return array.astype(np.bytes_) if array.dtype.kind in "OU" else array


def import_library(library: Library | None = None) -> tuple[Any, str]:
    """A runtime's module, and its name and version; without a name that of the first that is installed.

    Raises:
        EvaluationError: It is not installed, or cannot be loaded beside what else is.
    """
    known = [one for one in (LITERT, TFLITE_RUNTIME) if one.find_version()] if library is None else [library]
    if not known:
        raise EvaluationError('no TFLite runtime is installed; install "testpress[tflite]" (or tflite-runtime)')
    described = known[0].describe()
    try:
        return importlib.import_module(known[0].module), described
    except (ImportError, AttributeError) as fault:  # AttributeError: built against another numpy
        raise EvaluationError(f"{described} cannot be loaded here: {fault}") from fault


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(POINTER_BYTES)
    except OSError as fault:
        raise EvaluationError(f"{path}: cannot be read: {fault.strerror}") from None
    if head[4:8] != TFLITE_IDENTIFIER:
        found = f"bytes 4 to 8 are {head[4:8]!r}, should be {TFLITE_IDENTIFIER!r}"
        raise EvaluationError(f"{path}: {describe_pointer(head) or f'not a TFLite model: {found}'}")


def _choose(signatures: Mapping[str, Any], path: Path, wanted: str | None) -> str | None:
    """The signature meant; none where the file has none.

    Raises:
        EvaluationError: There is no such signature, or there are several.
    """
    return find_entry(list(signatures), wanted, str(path))


def _tensor(detail: Mapping[str, Any]) -> Tensor:
    asked = [int(size) for size in detail.get("shape_signature", detail["shape"])]
    scale, zero_point = detail.get("quantization", (0.0, 0))
    return Tensor(
        shape=tuple(1 if size < 0 else size for size in asked),
        dtype=np.dtype(detail["dtype"]).name,
        open_axes=tuple(axis for axis, size in enumerate(asked) if size < 0),
        scale=float(scale) or None,
        zero_point=int(zero_point),
    )
