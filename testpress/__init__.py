"""testpress: package audio models for phones, play them on emulated targets, judge them before release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from device_profiles.errors import TestpressError
    from testpress.coreml_predict import CoreMLPredict
    from testpress.interface import compare, evaluate, open_model, package

__all__ = ["TestpressError", "compare", "enable_coreml_predict", "evaluate", "open_model", "package"]

__version__ = "0.1.0"

_PLACES = {
    "TestpressError": "device_profiles.errors",
    **dict.fromkeys(("compare", "evaluate", "open_model", "package"), "testpress.interface"),
}
"""name → the module that has it, imported when the name is first used: else every command would wait for all of them"""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_PLACES[name]), name)


def enable_coreml_predict(*, force: bool = False) -> CoreMLPredict:
    """Let coremltools predict off macOS: `MLModel.predict`, `make_state`, `CompiledMLModel` and what builds on them.

    Call it once, before or after `import coremltools`; a second call changes nothing. From then on every ML Program
    that coremltools loads runs on the emulator. On a Mac nothing is changed unless `force` is given.

    A model that cannot be loaded does what it does on a Mac: coremltools warns (`RuntimeWarning`) with the reason, so
    that its specification can still be read and saved, and `predict` raises that reason as a `RuntimeError`. A bad
    input is a `RuntimeError` too. Compute plans, compute devices and models compiled by Core ML are refused in words.

    Args:
        force: Take the emulator on a Mac too, in place of Core ML.

    Returns:
        A handle whose `undo()` puts everything back; a `with` block does so at its end.

    Raises:
        EvaluationError: coremltools is not installed.
    """
    from testpress.coreml_predict import enable

    return enable(force=force)
