"""coremltools' `predict()` off a Mac: the emulator put where coremltools looks for Core ML.

Only what stands between coremltools and a prediction is changed: the module `coremltools.libcoremlpython`, the names
coremltools' modules took from it, and the answers to "is this macOS, and which?" inside `models/model.py`,
`models/_compiled_model.py` and `utils.compile_model`. `coremltools.utils._is_macos()` still tells the truth.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from evaluators.errors import EvaluationError

EMULATED_MACOS = (15, 0)
"""the release whose Core ML runs all that the emulator does: the first with states and several functions"""

_TAKEN_BY = {
    "coremltools.models.model": ("_MLModelProxy", "_MLModelAssetProxy"),
    "coremltools.models._compiled_model": ("_MLModelProxy",),
    "coremltools.models.compute_plan": ("_MLModelProxy", "_MLComputePlanProxy"),
    "coremltools.models.compute_device": (
        "_MLModelProxy",
        "_MLCPUComputeDeviceProxy",
        "_MLGPUComputeDeviceProxy",
        "_MLNeuralEngineComputeDeviceProxy",
    ),
}
"""coremltools' modules → what each takes from the library when it is imported. Source: coremltools 9.0"""

_ASK_FOR_MACOS = {
    "coremltools.models.model": ("_is_macos", "_macos_version"),
    "coremltools.models._compiled_model": ("_macos_version",),
}
"""modules → the checks in them that stand before loading, predicting and states. Source: coremltools 9.0"""

_LOCK = threading.RLock()
_enabled: CoreMLPredict | None = None


class CoreMLPredict:
    """What `enable_coreml_predict` changed. Undone by `undo`, or at the end of a `with` block."""

    def __init__(self) -> None:
        self._changes: list[Callable[[], None]] = []

    @property
    def changed(self) -> bool:
        """Whether this call changed coremltools, and has not been undone; not on a Mac, nor when enabled before."""
        return bool(self._changes)

    def undo(self) -> None:
        """Put everything back as it was. Models loaded meanwhile go on working; a second call does nothing."""
        global _enabled  # noqa: PLW0603  one process has one coremltools
        with _LOCK:
            while self._changes:
                self._changes.pop()()
            if _enabled is self:
                _enabled = None

    def __enter__(self) -> CoreMLPredict:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def _set(self, owner: Any, name: str, value: Any) -> None:
        if hasattr(owner, name):
            self._changes.append(functools.partial(setattr, owner, name, getattr(owner, name)))
        else:
            self._changes.append(functools.partial(delattr, owner, name))
        setattr(owner, name, value)

    def _install(self) -> None:
        from evaluators.emulators.coreml.coremltools_proxy import LIBRARY, make_library

        library = make_library()
        before = sys.modules.get(LIBRARY)
        first = "coremltools" not in sys.modules
        coremltools = _import_with(LIBRARY, library) if first else sys.modules["coremltools"]
        sys.modules[LIBRARY] = library
        self._changes.append(functools.partial(_restore_module, LIBRARY, before))
        if first:  # what an import without the library would have left
            _forget(coremltools, library)
        self._set(coremltools, "libcoremlpython", library)
        for module_name, names in _TAKEN_BY.items():
            for name in names:
                self._set(importlib.import_module(module_name), name, getattr(library, name))
        answers: dict[str, Callable[[], object]] = {"_is_macos": lambda: True, "_macos_version": lambda: EMULATED_MACOS}
        for module_name, names in _ASK_FOR_MACOS.items():
            for name in names:
                self._set(importlib.import_module(module_name), name, answers[name])
        self._set_compile_model(answers)

    def _set_compile_model(self, answers: dict[str, Callable[[], object]]) -> None:
        """It stands among functions that must go on telling the truth, so it alone gets other answers."""
        original = importlib.import_module("coremltools.models.utils").compile_model
        changed = types.FunctionType(
            original.__code__, {**original.__globals__, **answers}, original.__name__, original.__defaults__
        )
        functools.update_wrapper(changed, original)
        for name, module in list(sys.modules.items()):
            if name.startswith("coremltools.") and getattr(module, "compile_model", None) is original:
                self._set(module, "compile_model", changed)


def enable(*, force: bool = False) -> CoreMLPredict:
    """See `testpress.enable_coreml_predict`."""
    global _enabled  # noqa: PLW0603  one process has one coremltools
    handle = CoreMLPredict()
    with _LOCK:
        if _enabled is not None or (sys.platform == "darwin" and not force):
            return handle
        if "coremltools" not in sys.modules and importlib.util.find_spec("coremltools") is None:
            raise EvaluationError("enable_coreml_predict needs coremltools; install testpress[coreml]")
        try:
            handle._install()
        except (AttributeError, ImportError) as fault:
            handle.undo()
            raise EvaluationError(f"coremltools is not laid out as in 9.0, for which this is made: {fault}") from fault
        _enabled = handle
    return handle


def _import_with(name: str, library: types.ModuleType) -> types.ModuleType:
    """coremltools, imported with the library in place: without, it logs that the library is missing."""
    before = sys.modules.get(name)
    sys.modules[name] = library
    try:
        return importlib.import_module("coremltools")
    finally:
        _restore_module(name, before)


def _forget(coremltools: types.ModuleType, library: types.ModuleType) -> None:
    """As if coremltools had been imported without the library."""
    if coremltools.__dict__.get("libcoremlpython") is library:
        del coremltools.libcoremlpython
    for module_name, names in _TAKEN_BY.items():
        module = importlib.import_module(module_name)
        for name in names:
            if module.__dict__.get(name) is getattr(library, name):
                setattr(module, name, None)


def _restore_module(name: str, before: types.ModuleType | None) -> None:
    if before is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = before
