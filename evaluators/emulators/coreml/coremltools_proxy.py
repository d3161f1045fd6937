"""The classes coremltools expects of Apple's runtime, on the emulator.

coremltools reaches Core ML through the extension module `coremltools.libcoremlpython`, which exists on macOS only.
`make_library` makes a module of that name. Its classes take and return what Apple's do: float16 arrays come back as
float32, no array has rank 0, errors are `RuntimeError`. What only Apple's runtime can know is refused in words.

Source: coremlpython/CoreMLPython.mm and CoreMLPythonUtils.mm in coremltools' repository for names, arguments and types;
coremltools/converters/mil/testing_utils.py for arrays of rank 0.
"""

from __future__ import annotations

import shutil
import time
import types
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from evaluators.emulators.coreml import compiled
from evaluators.emulators.coreml.model import NO_PREDICTION
from evaluators.emulators.coreml.pipeline import open_coreml
from evaluators.errors import EvaluationError

LIBRARY = "coremltools.libcoremlpython"


class StateProxy:
    """The state of one stream of calls."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def read_state(self, name: str) -> np.ndarray:
        """A copy of one state.

        Raises:
            RuntimeError: There is no such state.
        """
        with _runtime_errors():
            array: np.ndarray = _as_returned(self.state.read(name))
            return array

    def write_state(self, name: str, value: Any) -> None:
        """Set one state.

        Raises:
            RuntimeError: There is no such state, or the value does not fit it.
        """
        with _runtime_errors():
            self.state.write(name, value)


class AssetProxy:
    """A model that was given as bytes, or a compiled one. Bytes live in a temporary folder as long as this object."""

    def __init__(self, folder: Path, *, temporary: bool) -> None:
        self.folder = folder
        if temporary:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)


class ModelProxy:
    """A loaded model. Optimization hints are taken and have no effect: the emulator's numbers do not depend on them."""

    def __init__(
        self,
        path: str,
        compute_units: str = "ALL",
        function_name: str = "",
        optimization_hints: Mapping[str, str] | None = None,
        asset: AssetProxy | None = None,
    ) -> None:
        """Load a model.

        Args:
            path: An .mlpackage, an .mlmodel, or what `compileModel` returned; not read where there is an asset.
            compute_units: The name of one of `coremltools.ComputeUnit`.
            function_name: Which function; empty for the model's default.
            optimization_hints: Taken, without effect.
            asset: A model given otherwise.

        Raises:
            RuntimeError: The model cannot be loaded; coremltools warns of it and raises it again in `predict`.
        """
        self._path = Path(path) if asset is None else asset.folder
        self._asset = asset  # its folder lives as long as it does
        self.optimization_hints = dict(optimization_hints or {})
        self._compiled: Path | None = None
        self._last_predict_ns: int | None = None
        start_ns = time.perf_counter_ns()
        with _runtime_errors():
            source = compiled.source_of(self._path)
            self._model = open_coreml(source, compute_units, function_name=function_name or None)
        self._load_ns = time.perf_counter_ns() - start_ns

    def predict(self, data: Mapping[str, Any], state: StateProxy | None = None) -> dict[str, Any]:
        """Outputs by name.

        Raises:
            RuntimeError: An input is missing, unknown, or of the wrong shape or kind, or an op fails.
        """
        start_ns = time.perf_counter_ns()
        outputs = self._outputs(data, state)
        self._last_predict_ns = time.perf_counter_ns() - start_ns
        return outputs

    def batchPredict(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:  # noqa: N802  coremltools' name
        """`predict` for each, in order."""
        start_ns = time.perf_counter_ns()
        outputs = [self._outputs(data, None) for data in batch]
        self._last_predict_ns = time.perf_counter_ns() - start_ns
        return outputs

    def _outputs(self, data: Mapping[str, Any], state: StateProxy | None) -> dict[str, Any]:
        with _runtime_errors(f"{NO_PREDICTION} "):
            outputs = self._model.predict(data, None if state is None else state.state)
        return {name: _as_returned(value) for name, value in outputs.items()}

    def newState(self) -> StateProxy:  # noqa: N802  coremltools' name
        """A fresh state, all zeros.

        Raises:
            RuntimeError: The model has none.
        """
        with _runtime_errors():
            return StateProxy(self._model.make_state())

    def get_compiled_model_path(self) -> str:
        """A compiled copy, made when first asked for; it lives as long as this object.

        Raises:
            RuntimeError: The model's files are gone.
        """
        if self._path.suffix == compiled.SUFFIX:
            return str(self._path)
        if self._compiled is None:
            with _runtime_errors():
                self._compiled = compiled.compile_model(self._path)
            weakref.finalize(self, shutil.rmtree, self._compiled, ignore_errors=True)
        return str(self._compiled)

    def get_load_duration_in_nano_seconds(self) -> int:
        """How long the emulator took to load, on this machine; nothing follows from it for a phone."""
        return self._load_ns

    def get_last_predict_duration_in_nano_seconds(self) -> int | None:
        """How long the last call took, on this machine; nothing follows from it for a phone."""
        return self._last_predict_ns

    @staticmethod
    def maximum_supported_specification_version() -> int:
        """The newest that coremltools knows; whether each op runs is said at loading."""
        import coremltools

        return int(max(coremltools._OPSET))

    @staticmethod
    def compileModel(path: str) -> str:  # noqa: N802  coremltools' name
        """A compiled copy in the system's temporary folder.

        Raises:
            RuntimeError: There is no model at `path`.
        """
        with _runtime_errors():
            return str(compiled.compile_model(Path(path)))

    @staticmethod
    def create_model_asset_from_path(path: str) -> Any:
        """An `MLModelAsset` of a compiled model.

        Raises:
            RuntimeError: There is none at `path`, or Core ML itself compiled it.
        """
        from coremltools.models.model import MLModelAsset

        folder = Path(path)
        with _runtime_errors():
            if not folder.is_dir() or folder.suffix != compiled.SUFFIX:
                raise EvaluationError(f"{path}: no such compiled model; expected a folder ending in {compiled.SUFFIX}")
            compiled.source_of(folder)
        return MLModelAsset(AssetProxy(folder, temporary=False))

    @staticmethod
    def create_model_asset_from_memory(spec_data: bytes, blob_mapping: Mapping[str, bytes]) -> Any:
        """An `MLModelAsset` of a specification and its weight files.

        Raises:
            RuntimeError: A weight file's path leads out of the model.
        """
        from coremltools.models.model import MLModelAsset

        with _runtime_errors():
            folder = compiled.compile_bytes(spec_data, blob_mapping)
        return MLModelAsset(AssetProxy(folder, temporary=True))

    @staticmethod
    def auto_set_specification_version(_spec: Any) -> NoReturn:
        """Refused: the rules are Apple's library's."""
        _refuse("lowering a specification version")

    @staticmethod
    def get_model_structure(_path: str) -> NoReturn:
        """Refused: the structure of a compiled model is Apple's."""
        _refuse("MLModelStructure")

    @staticmethod
    def get_compute_plan(_path: str, _compute_units: str) -> NoReturn:
        """Refused: which unit runs an op is decided on the device."""
        _refuse("MLComputePlan")

    @staticmethod
    def get_available_compute_devices() -> NoReturn:
        """Refused: there are none of Apple's here."""
        _refuse("MLComputeDevice")

    @staticmethod
    def get_all_compute_devices() -> NoReturn:
        """Refused: there are none of Apple's here."""
        _refuse("MLComputeDevice")


class _Refused:
    """A class of Apple's library that the emulator has nothing for."""

    subject: ClassVar[str]

    def __init__(self, *_: Any, **__: Any) -> None:
        _refuse(self.subject)


REFUSED = {
    "_MLComputePlanProxy": "MLComputePlan",
    "_MLCPUComputeDeviceProxy": "MLComputeDevice",
    "_MLGPUComputeDeviceProxy": "MLComputeDevice",
    "_MLNeuralEngineComputeDeviceProxy": "MLComputeDevice",
}
"""classes coremltools imports by name → what they stand for"""


def make_library() -> types.ModuleType:
    """A module that can take the place of `coremltools.libcoremlpython`."""
    library = types.ModuleType(LIBRARY, "coremltools' way to Core ML, on testpress's emulator")
    classes: dict[str, type] = {
        "_MLModelProxy": ModelProxy,
        "_MLModelAssetProxy": AssetProxy,
        "_State": StateProxy,
        **{name: type(name, (_Refused,), {"subject": subject}) for name, subject in REFUSED.items()},
    }
    for name, class_ in classes.items():
        setattr(library, name, class_)
    return library


def _refuse(subject: str) -> NoReturn:
    raise RuntimeError(
        f"{subject} needs Core ML itself (macOS); the emulator that stands in for it only predicts. "
        "What a phone would do with a model is estimated by: testpress latency FILE --device ID"
    )


def _as_returned(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return value.astype(np.float32) if value.dtype == np.float16 else value


@contextmanager
def _runtime_errors(opening: str = "") -> Iterator[None]:
    try:
        yield
    except EvaluationError as fault:
        text = str(fault)
        raise RuntimeError(text if text.startswith(opening) else f"{opening}{text}") from fault
