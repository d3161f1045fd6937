"""TFLite bundles on this machine: the runtime an app ships, with its XNNPACK kernels, through named signatures.

`Interpreter` is used, not LiteRT's newer `CompiledModel`: on the Basic Pitch file of the wheel the latter returns zeros
and says all is well (seen with ai-edge-litert 2.3.0).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.emulators import Tensor
from evaluators.errors import EvaluationError

_RUNTIMES = (
    ("ai-edge-litert", "ai_edge_litert.interpreter", "LiteRT"),
    ("tflite-runtime", "tflite_runtime.interpreter", "tflite-runtime"),
)
_IDENTIFIER = b"TFL3"


class TFLiteEmulator:
    """A .tflite file, loaded once and called window by window.

    Attributes:
        runtime: Name and version of what executes it, for example `LiteRT 2.3.0`.
        inputs: By signature name; open dimensions are fixed to 1.
        outputs: By signature name.
        states: None: variable tensors cannot be told by name.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        """Load a model.

        Raises:
            EvaluationError: No runtime is installed, or the file is not a whole TFLite model with a signature.
        """
        module, self.runtime = _import_runtime()
        _check_file(path)
        try:
            self._interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
            signatures = self._interpreter.get_signature_list()
            runner = self._interpreter.get_signature_runner(_choose(signatures, path)) if signatures else None
        except (ValueError, RuntimeError) as fault:
            raise EvaluationError(f"{path}: {self.runtime} cannot load it: {str(fault).strip()}") from fault
        if runner is None:
            raise EvaluationError(
                f"{path}: has no signature, so its inputs and outputs have no names to bind by; "
                "convert it again with a signature (TensorFlow's converter writes one for SavedModels)"
            )
        self._runner = runner
        self.inputs = {name: _tensor(detail) for name, detail in runner.get_input_details().items()}
        self.outputs = {name: _tensor(detail) for name, detail in runner.get_output_details().items()}
        self.states: dict[str, Tensor] = {}

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once.

        Args:
            inputs: By name, in the shapes and dtypes of `inputs`.

        Raises:
            EvaluationError: The runtime refuses the call.
        """
        try:
            outputs: dict[str, npt.NDArray[Any]] = self._runner(**inputs)
        except (ValueError, RuntimeError) as fault:
            raise EvaluationError(f"{self.runtime} refused the call: {str(fault).strip()}") from fault
        return outputs

    def reset(self) -> None:
        """Set variable tensors, where there are any, to what they were after loading."""
        self._interpreter.reset_all_variables()

    def read_state(self, name: str) -> npt.NDArray[Any]:
        """Refuse: see `states`."""
        raise EvaluationError(f"there is no state {name!r}: {self.runtime} does not name what a model keeps")

    def write_state(self, name: str, _: npt.NDArray[Any]) -> None:
        """Refuse: see `states`."""
        raise EvaluationError(f"there is no state {name!r}: {self.runtime} does not name what a model keeps")


def open_model(path: Path, *, threads: int) -> TFLiteEmulator:
    """Load a .tflite file for emulation."""
    return TFLiteEmulator(path, threads=threads)


@dataclass(frozen=True)
class TFLiteOp:
    """An op of a file's main graph: its kind, and the names of what it reads and makes."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class WatchedModel:
    """A .tflite file on plain kernels, every tensor kept: what each op makes can be read after a call.

    Attributes:
        ops: Of the main graph, in the order in which they run.
    """

    def __init__(self, path: Path) -> None:
        """Load a model.

        Raises:
            EvaluationError: As `TFLiteEmulator`'s.
        """
        module, runtime = _import_runtime()
        _check_file(path)
        plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self._interpreter = module.Interpreter(
                model_path=str(path), experimental_op_resolver_type=plain, experimental_preserve_all_tensors=True
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as fault:
            raise EvaluationError(f"{path}: {runtime} cannot load it: {str(fault).strip()}") from fault
        self._details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        name = _choose(self._interpreter.get_signature_list(), path)
        self._inputs = self._interpreter.get_signature_runner(name).get_input_details()
        self.ops = tuple(
            TFLiteOp(op["op_name"], self._names(op["inputs"]), self._names(op["outputs"]))
            for op in self._interpreter._get_ops_details()
        )

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run once; every tensor that an op of the main graph makes, by name, quantized ones as what they mean."""
        for name, value in inputs.items():
            self._interpreter.set_tensor(self._inputs[name]["index"], value)
        self._interpreter.invoke()
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


def _import_runtime() -> tuple[Any, str]:
    for package, module, name in _RUNTIMES:
        if importlib.util.find_spec(module.partition(".")[0]) is not None:
            return importlib.import_module(module), f"{name} {importlib.metadata.version(package)}"
    raise EvaluationError('no TFLite runtime is installed; install "testpress[tflite]" (or tflite-runtime)')


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as fault:
        raise EvaluationError(f"{path}: cannot be read: {fault.strerror}") from None
    if head[4:8] != _IDENTIFIER:
        raise EvaluationError(f"{path}: not a TFLite model: bytes 4 to 8 are {head[4:8]!r}, should be {_IDENTIFIER!r}")


def _choose(signatures: Mapping[str, Any], path: Path) -> str:
    if "serving_default" in signatures:
        return "serving_default"
    if len(signatures) == 1:
        return next(iter(signatures))
    names = ", ".join(signatures)
    raise EvaluationError(f"{path}: has {len(signatures)} signatures and none is serving_default: {names}")


def _tensor(detail: Mapping[str, Any]) -> Tensor:
    shape = detail.get("shape_signature", detail["shape"])
    return Tensor(shape=tuple(1 if size < 0 else int(size) for size in shape), dtype=np.dtype(detail["dtype"]).name)
