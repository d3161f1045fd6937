"""A recipe's front end, found without running it, and opened as what an app would compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from packager.bundle import AudioContract
from packager.diagnosis import explain
from packager.errors import PackagingError
from packager.factories import digest_factory, import_file, locate_factory
from packager.frontend_spec import FrontendContract, FrontendSpec, PythonSpec
from packager.frontends.backends import NumpyBackend
from packager.frontends.computation import check_window, compute, count_bins, count_frames, features_shape, lay_out
from packager.storage import digest_facts

Features = npt.NDArray[np.float32]


class FrontendSource(FrontendContract):
    """A front end, found on this machine."""

    path: str | None = None
    """the file of the recipe's own code"""

    @property
    def contract(self) -> FrontendContract:
        """What of it a manifest holds: no path of this machine."""
        return FrontendContract(spec=self.spec, sha256=self.sha256)


def find_frontend(spec: FrontendSpec, base: Path) -> FrontendSource:
    """Find the code of a recipe's front end, where it is code, and fingerprint it; nothing runs.

    Args:
        spec: The recipe's [frontend].
        base: The recipe's folder.

    Raises:
        PackagingError: There is no such module.
    """
    if not isinstance(spec, PythonSpec):
        return FrontendSource(spec=spec)
    path, function = locate_factory(spec.kind, base, where="frontend.kind")
    digest = digest_facts({"code": digest_factory(path), "function": function})
    return FrontendSource(spec=spec, sha256=digest, path=str(path))


def check_frontend(spec: FrontendSpec, audio: AudioContract) -> None:
    """Refuse choices that do not go with a contract; of code, nothing is known before it runs.

    Raises:
        PackagingError: With what would be right.
    """
    if not isinstance(spec, PythonSpec):
        open_frontend(FrontendSource(spec=spec), audio)


@dataclass(frozen=True)
class Frontend:
    """A front end that can be run.

    Attributes:
        spec: Its choices.
        audio: The contract of the windows it takes.
        shape: Of its features, as the model takes them.
        run: Window `(channels, samples)` → features.
    """

    spec: FrontendSpec
    audio: AudioContract
    shape: tuple[int, ...]
    run: Callable[[npt.NDArray[np.float32]], Features]

    @property
    def axes(self) -> tuple[str, ...]:
        """One word a dimension; `axis_1` … where code does not say."""
        return self.spec.axes or tuple(f"axis_{axis}" if axis else "batch" for axis in range(len(self.shape)))


def open_frontend(source: FrontendSource, audio: AudioContract) -> Frontend:
    """Make a front end ready for windows of a contract; the recipe's own code runs, in the calling process.

    Raises:
        PackagingError: It does not go with the contract, or its code fails.
    """
    spec = source.spec
    if isinstance(spec, PythonSpec):
        return _open_code(source, spec, audio)
    check_window(spec, audio.window_samples, audio.sample_rate_hz)
    shape = features_shape(spec, audio.channels, count_frames(spec, audio.window_samples), count_bins(spec))
    backend = NumpyBackend()

    def run(window: npt.NDArray[np.float32]) -> Features:
        values = compute(window.astype(np.float64), spec, audio.sample_rate_hz, backend)
        return np.ascontiguousarray(lay_out(values, spec, backend), dtype=np.float32)

    return Frontend(spec, audio, shape, run)


def _open_code(source: FrontendSource, spec: PythonSpec, audio: AudioContract) -> Frontend:
    assert source.path is not None
    function = spec.kind.rpartition(":")[2]
    where = f"frontend: {Path(source.path).name}:{function}"
    call = getattr(import_file(Path(source.path)), function, None)
    if not callable(call):
        raise PackagingError(f"{where}: there is no such function")
    silent = _call(call, np.zeros((audio.channels, audio.window_samples), np.float32), audio, where)
    if spec.axes is not None and len(spec.axes) != silent.ndim:
        raise PackagingError(
            f"frontend.axes: {len(spec.axes)} axes for features of shape {list(silent.shape)}; name {silent.ndim}"
        )

    def run(window: npt.NDArray[np.float32]) -> Features:
        found = _call(call, window, audio, where)
        if found.shape != silent.shape:
            raise PackagingError(
                f"{where}: returned features of shape {list(found.shape)}, and {list(silent.shape)} for silence; right "
                "is one shape for all windows"
            )
        return found

    return Frontend(spec, audio, silent.shape, run)


def _call(call: Callable[..., Any], window: npt.NDArray[np.float32], audio: AudioContract, where: str) -> Features:
    try:
        found = np.asarray(call(window.copy(), audio.sample_rate_hz))
    except Exception as fault:
        raise PackagingError(f"{where}: fails on a window of shape {list(window.shape)}: {explain(fault)}") from fault
    if found.dtype.kind not in "biuf":
        raise PackagingError(f"{where}: returned {found.dtype} values; right is an array of real numbers")
    if not np.isfinite(found).all():
        raise PackagingError(f"{where}: returned values that are not finite")
    return np.ascontiguousarray(found, dtype=np.float32)
