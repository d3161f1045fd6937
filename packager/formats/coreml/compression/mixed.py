"""`mixed_float16`: float16 but for the ops that the outputs cannot do without in float32.

What to keep is rehearsed on the calls that float16 harms most. Where it does not hold on the others, the worst of them
join the rehearsal. Then the model is converted and run on all calls; where that does not hold, the limit is tightened.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from device_profiles.errors import TestpressError
from packager.compression.calibration import Calibration, Tensors, check_calibration
from packager.compression.mixed_float16 import find_float32_ops
from packager.compression.model_runner import ModelRunner, Outputs
from packager.errors import PackagingError
from packager.formats.coreml.compression.targets import find_target
from packager.formats.coreml.mlpackage import import_coremltools, save_package
from packager.snr import snr_db
from packager.storage import temporary_folder

if TYPE_CHECKING:
    from packager.formats.coreml.compression import Maker

LARGEST_SHARE = 1e-2
"""the largest error of an output, as a share of its largest value"""

LEAST_SNR_DB = 40.0

_MARGIN = 0.25
"""of the limit, in a rehearsal: audio that was not heard must hold too"""

_WORST_CALLS = 2
"""how many calls join a rehearsal at a time; each costs dozens of runs"""

_REHEARSALS = 8
_CONVERSIONS = 3

_QUIET_PEAKS = (3e-3, 3e-5, 0.0)
"""-50 dBFS, the least step of 16 bits, and silence: float16 loses quiet signals first, and test signals are loud"""


def make_mixed(maker: Maker) -> Any:
    """The model with as few ops in float32 as its outputs need.

    They are searched for at the target that was asked for; where a precision raised it, they are tried there first.

    Raises:
        PackagingError: Nothing can run it, or there is nothing to run it on.
    """
    runner, calibration = maker.context.runner, maker.context.calibration
    if runner is None:
        raise PackagingError("precision 'mixed_float16' searches by running the model, and nothing here can run it")
    inputs = [feature.name for feature in maker.make("float32").get_spec().description.input]
    check_calibration(calibration, inputs, precision="mixed_float16")
    asked = find_target(maker.context.minimum_deployment_target)
    if asked != maker.target:
        maker.at(asked).make("mixed_float16")
    try:
        with temporary_folder() as folder:
            search = _MixedSearch(runner, folder, with_quiet_calls(calibration), maker)
            model, maker.notes[maker.target] = search.find(maker.notes.get(asked))
            return model
    except PackagingError:
        raise
    except TestpressError as fault:
        raise PackagingError(f"precision 'mixed_float16': {fault}") from fault


def holds_in_float16(maker: Maker, least_snr_db: float) -> bool:
    """Whether every output of the float16 program has this signal-to-noise ratio over the calibration.

    Raises:
        PackagingError: The program cannot be run.
    """
    runner, calls, references = maker.context.runner, maker.context.calibration, maker.context.references
    assert runner is not None
    try:
        with temporary_folder() as folder:
            found = runner.run(_save(maker.make("float16"), folder / "float16.mlpackage"), calls)
            if not references:
                references = runner.run(_save(maker.make("float32"), folder / "float32.mlpackage"), calls)
    except PackagingError:
        raise
    except TestpressError as fault:
        raise PackagingError(f"float16, to see whether it holds: {fault}") from fault
    names = [name for name, value in references[0].items() if _holds_floats(value) and name in found[0]]
    return all(
        _snr_db([(one[name], other[name]) for one, other in zip(references, found, strict=True)]) >= least_snr_db
        for name in names
    )


def _snr_db(pairs: Sequence[tuple[Any, Any]]) -> float:
    """Of one output over all calls, reference first; calls on which the reference is not finite do not count."""
    signal = noise = 0.0
    for reference, found in pairs:
        if _is_finite(reference):
            expected = np.asarray(reference, np.float64).reshape(-1)
            noise += float(np.sum((np.asarray(found, np.float64).reshape(-1) - expected) ** 2))
            signal += float(np.sum(expected**2))
    ratio = snr_db(signal, noise)
    return math.inf if ratio is None else ratio


def with_quiet_calls(calibration: Calibration) -> list[Tensors]:
    """The calls, and some of them once more so that their loudest input is almost silent, and silent."""
    calls = list(calibration)
    for call in (*calibration[:2], *calibration[2:][-1:]):
        loudest = max((_peak(value) for value in call.values() if _holds_floats(value)), default=0.0)
        factors = [peak / loudest for peak in _QUIET_PEAKS] if loudest else []
        calls += [{name: _scaled(value, factor) for name, value in call.items()} for factor in factors]
    return calls


def _holds_floats(value: Any) -> bool:
    return np.issubdtype(np.asarray(value).dtype, np.floating)


def _scaled(value: Any, by: float) -> Any:
    array = np.asarray(value)
    return (array * by).astype(array.dtype) if _holds_floats(array) else array


@dataclass(frozen=True)
class _Tried:
    """A conversion, what it keeps in float32, and the error of every call."""

    model: Any
    kept: frozenset[str]
    errors: list[float]

    @property
    def error(self) -> float:
        return max(self.errors)


def _error_of(tried: _Tried) -> float:
    return tried.error


class _MixedSearch:
    def __init__(self, runner: ModelRunner, folder: Path, calls: Sequence[Tensors], maker: Maker) -> None:
        self._runner, self._folder, self._maker = runner, folder, maker
        self._exact = _save(maker.make("float32"), folder / "float32.mlpackage")
        self._half = _save(maker.make("float16"), folder / "float16.mlpackage")
        runs = zip(calls, runner.run(self._exact, calls), strict=True)
        held = [(call, outputs) for call, outputs in runs if all(_is_finite(value) for value in outputs.values())]
        if not held:
            raise PackagingError("precision 'mixed_float16': the model's float32 outputs are not finite on any call")
        self._calls = [call for call, _ in held]
        self._expected = [outputs for _, outputs in held]
        self._known: dict[tuple[int, frozenset[str]], float] = {}
        """errors rehearsed so far"""
        self._last_broken = 0
        self._scales = {name: _scale([outputs[name] for outputs in self._expected]) for name in self._expected[0]}

    def find(self, known: frozenset[str] | None) -> tuple[Any, frozenset[str]]:
        """The model, and the ops it keeps in float32; the best there was, where the limit never holds.

        Args:
            known: Ops that were found for another target.
        """
        best = _Tried(self._maker.make("float16"), frozenset(), self._measure(self._half))
        if known and best.error > 1.0:
            best = min(best, self._try(known, "known"), key=_error_of)
        if best.error > 1.0:
            best = min(best, *self._rehearse(_worst(self._measure(self._half))), key=_error_of)
        return best.model, best.kept

    def _rehearse(self, heard: list[int]) -> Iterator[_Tried]:
        """Conversions of what is rehearsed on more and more calls, the last of them the first that holds."""
        self._rehearsal = self._runner.open_mixed(self._exact, self._half, self._calls)
        margin, conversions = _MARGIN, 0
        for rehearsals in range(1, _REHEARSALS + 1):
            kept = find_float32_ops(self._rehearsal.ops, functools.partial(self._worst_error, heard), margin)
            errors = [self._rehearsed(call, kept) for call in range(len(self._calls))]
            if max(errors) <= 1.0 or rehearsals == _REHEARSALS:
                tried = self._try(kept, f"mixed{conversions}")
                yield tried
                errors = tried.errors
                conversions += 1
                margin *= _MARGIN
            if max(errors) <= 1.0 or conversions == _CONVERSIONS:
                return
            heard = list(dict.fromkeys([*_worst(errors), *heard]))

    def _try(self, kept: frozenset[str], name: str) -> _Tried:
        model = self._maker.convert(keeping(kept))
        return _Tried(model, kept, self._measure(_save(model, self._folder / f"{name}.mlpackage")))

    def _worst_error(self, calls: Sequence[int], kept: Collection[str], bound: float) -> float:
        """The worst of some calls; the last that broke a bound is asked first next time."""
        worst = 0.0
        for call in sorted(calls, key=lambda call: call != self._last_broken):
            worst = max(worst, self._rehearsed(call, kept))
            if worst > bound:
                self._last_broken = call
                break
        return worst

    def _rehearsed(self, call: int, kept: Collection[str]) -> float:
        key = call, frozenset(kept)
        if key not in self._known:
            self._known[key] = self._error(call, self._rehearsal.run(call, kept))
        return self._known[key]

    def _measure(self, path: Path) -> list[float]:
        return [self._error(index, found) for index, found in enumerate(self._runner.run(path, self._calls))]

    def _error(self, index: int, found: Outputs) -> float:
        """The worst output's error, in units of what is allowed."""
        expected = self._expected[index]
        return max(_error(expected[name], found[name], self._scales[name]) for name in expected)


def _save(model: Any, path: Path) -> Path:
    save_package(model.get_spec(), Path(model.weights_dir), path)
    return path


def _worst(errors: Sequence[float]) -> list[int]:
    return sorted(range(len(errors)), key=lambda index: -errors[index])[:_WORST_CALLS]


def _is_finite(value: Any) -> bool:
    return bool(np.isfinite(np.asarray(value, np.float64)).all())


def _peak(value: Any) -> float:
    return float(np.abs(np.asarray(value, np.float64)).max(initial=0.0))


def _scale(values: Sequence[Any]) -> tuple[float, float]:
    """An output's largest absolute value, and its root mean square, over all calls."""
    squares = [np.mean(np.asarray(value, np.float64) ** 2) for value in values]
    return max(map(_peak, values)), float(np.sqrt(np.mean(squares)))


def _error(expected: Any, found: Any, scale: tuple[float, float]) -> float:
    """By the largest difference and by the root mean square, whichever is worse; whole numbers are not judged."""
    reference = np.asarray(expected)
    peak, usual = scale
    if not np.issubdtype(reference.dtype, np.floating) or not peak:
        return 0.0
    difference = np.asarray(found, np.float64).reshape(reference.shape) - reference
    if not np.isfinite(difference).all():
        return float("inf")
    noise = float(np.sqrt(np.mean(difference**2)))
    return max(_peak(difference) / (LARGEST_SHARE * peak), noise / usual * 10 ** (LEAST_SNR_DB / 20))


def keeping(names: Collection[str]) -> Any:
    """A compute precision of coremltools that leaves ops in float32, with all that is nested in them.

    Args:
        names: Of their outputs, as they stand in a model file; `share_frontend` sees to it that they stand so in the
            program already.
    """
    kept = frozenset(names)

    def is_half(op: Any) -> bool:
        if all(var.val is not None for var in op.outputs):
            return False  # it is of constants alone and will be folded; who reads it decides
        while op is not None:
            if not kept.isdisjoint((op.name, *(var.name for var in op.outputs))):
                return False
            op = op.enclosing_block.outer_op
        return True

    return import_coremltools().transform.FP16ComputePrecision(op_selector=is_half)
