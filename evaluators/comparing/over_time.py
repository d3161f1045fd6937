"""One output's departure from the source model's over minutes: how large in each stretch, and whether it grows.

Growth is told by the same audio heard twice: of each tenth of a round the mean power of the error in the second round
against that in the first, in dB, over the time between them. What a clip sounds like cancels out, and what is left is
what the time has done. Tenths and not seconds: neighbouring seconds share a state and are alike, and a second in which
there is next to no error says little. The verdict is a test of equivalence: an error grows where the interval lies
above `MOST_GROWTH_DB`, does not where it lies below, and is unknown where it holds both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.comparing.statistics import bootstrap
from evaluators.errors import EvaluationError
from evaluators.long_run_records import AfterSilence, GrowthVerdict, OutputOverTime, StreamPlan
from evaluators.score import Score

MOST_DB = 120.0
"""from here on an output counts as the same: float32 in another order reaches that"""
MOST_GROWTH_DB = 0.1
"""a minute: an error that grows by less has not doubled after an hour"""
BACK_DB = 3.0
"""how much farther than before the silence an output may be from the source model's to count as back"""
AFTER_S = 10.0
"""of sound after the silence that its loss is told of"""
_PARTS = 10
"""of a round that growth is told of"""


class OutputMeter:
    """Takes in one output, window by window; holds sums of each stretch."""

    def __init__(self, output: str, plan: StreamPlan) -> None:
        """Begin a run.

        Args:
            output: Its name.
            plan: What is heard.
        """
        self.output, self._plan = output, plan
        self._signal, self._error = np.zeros(plan.count), np.zeros(plan.count)
        self._values = np.zeros(plan.count)
        self._strange: dict[bool, int] = {}
        """source or bundle → the first window that is not finite"""
        self._moves = np.zeros((2, 2), bool)
        """[round, source or bundle]: whether anything changed from window to window"""
        self._last: dict[int, npt.NDArray[Any]] = {}

    def add(self, window: int, reference: npt.NDArray[Any], estimate: npt.NDArray[Any]) -> None:
        """Take in a window's outputs; those beyond the second round are left out.

        Raises:
            EvaluationError: The shapes differ, or there is no value.
        """
        plan = self._plan
        stretch = window // plan.stretch_windows
        if reference.shape != estimate.shape or reference.size == 0:
            raise EvaluationError(
                f"output '{self.output}', window {window}: the variant gives shape {estimate.shape} where the source "
                f"model gives {reference.shape}"
            )
        if stretch >= plan.count:
            return
        r, e = reference.astype(np.float64), estimate.astype(np.float64)
        for is_bundle, values in ((False, r), (True, e)):
            if not np.isfinite(values).all():
                self._strange.setdefault(is_bundle, window)
        with np.errstate(all="ignore"):  # told in the result
            self._signal[stretch] += float(np.sum(r * r))
            self._error[stretch] += float(np.sum((r - e) ** 2))
        self._values[stretch] += r.size
        self._watch(stretch, (r, e))

    def _watch(self, stretch: int, sides: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> None:
        plan = self._plan
        if plan.round_stretches <= stretch < plan.second:
            self._last.clear()
            return
        after = int(stretch >= plan.second)
        for side, values in enumerate(sides):
            if side in self._last and not np.array_equal(values, self._last[side]):
                self._moves[after, side] = True
            self._last[side] = values

    def stretches_db(self) -> list[float | None]:
        """Of each stretch, the whole run's mean signal against the stretch's mean error; see `OutputOverTime`."""
        signal = self._mean_signal()
        with np.errstate(all="ignore"):
            errors = self._error / self._values
        return [_bound(signal, float(error)) for error in errors]

    def result(self) -> OutputOverTime:
        """What was found."""
        over_time = self.stretches_db()
        growth, verdict = measure_growth(over_time, self._plan)
        error = float(self._error.sum() / self._values.sum())
        return OutputOverTime(
            output=self.output, snr=self._score(error), growth=growth, verdict=verdict, snr_db=tuple(over_time)
        )

    def find_stuck(self, *, of_bundle: bool) -> str | None:
        """How an output hangs: not finite, or after the silence the same in every window, which it was not before."""
        where = f"output {self.output}"
        if of_bundle in self._strange:
            at_s = self._strange[of_bundle] / self._plan.stretch_windows * self._plan.stretch_s
            return f"{where} is not finite from {at_s:.1f} s on"
        before, after = (bool(self._moves[part, int(of_bundle)]) for part in (0, 1))
        return f"{where} no longer changes after the silence" if before and not after else None

    def _mean_signal(self) -> float:
        return float(self._signal.sum() / self._values.sum())

    def _score(self, error: float) -> Score:
        signal = self._mean_signal()
        value, reason = None, None
        if not math.isfinite(error) or not math.isfinite(signal):
            reason = "the values are not finite"
        elif error == 0:
            reason = "identical"
        elif signal == 0:
            reason = "the source model's output is 0 throughout"
        else:
            value = 10 * (math.log10(signal) - math.log10(error))
        return _db(value, "higher", reason=reason)


def measure_growth(over_time: Sequence[float | None], plan: StreamPlan) -> tuple[Score, GrowthVerdict]:
    """By how many dB a minute the error grows, with an interval, and what that says.

    Args:
        over_time: The signal-to-noise ratio of each stretch, as `OutputOverTime` has it.
        plan: What was heard.
    """
    minutes = plan.second * plan.stretch_s / 60
    parts = min(_PARTS, plan.round_stretches)
    edges = [plan.round_stretches * number // parts for number in range(parts + 1)]
    pooled = [
        (pool_db(over_time[start:end]), pool_db(over_time[plan.second + start : plan.second + end]))
        for start, end in itertools.pairwise(edges)
    ]
    slopes = [(first - second) / minutes for first, second in pooled if first is not None and second is not None]
    if None in over_time or len(slopes) < parts:
        return _db(None, "lower", reason="the values are not finite"), "unknown"
    found = bootstrap(slopes)
    if found.low is None or found.high is None or found.mean is None:
        return _db(found.mean, "lower", reason=found.reason), "unknown"
    # The ends of a spread of nothing differ from it by rounding.
    low, high = min(found.low, found.mean), max(found.high, found.mean)
    score = Score(
        value=found.mean,
        unit="db",
        direction="lower",
        basis="emulated",
        low=low,
        high=high,
        confidence=found.confidence,
    )
    return score, "grows" if low > MOST_GROWTH_DB else "does not grow" if high <= MOST_GROWTH_DB else "unknown"


def pool_db(snr_db: Sequence[float | None]) -> float | None:
    """Ratios of several stretches as that to the mean power of their errors; none where one is not finite.

    Args:
        snr_db: At least one.
    """
    known = [db for db in snr_db if db is not None]
    if len(known) < len(snr_db):
        return None
    least = min(known)  # taken out, so that no power leaves what numbers can hold
    return least - 10 * math.log10(math.fsum(10 ** ((least - db) / 10) for db in known) / len(known))


def look_after_silence(meters: Sequence[OutputMeter], plan: StreamPlan, subnormal_share: float) -> AfterSilence:
    """Whether the bundle comes back to what the source gives, and whether either hangs.

    Args:
        meters: One an output.
        plan: What was heard, with silence in it.
        subnormal_share: See `AfterSilence`.
    """
    backs, losses = [], []
    for meter in meters:
        over_time = meter.stretches_db()
        first, second = over_time[: plan.round_stretches], over_time[plan.second :]
        usual = min((db for db in first if db is not None), default=MOST_DB)
        back = next((place for place, db in enumerate(second) if db is not None and db >= usual - BACK_DB), None)
        backs.append(None if None in second else back)
        near = max(1, round(AFTER_S / plan.stretch_s))
        pairs = [(a, b) for a, b in zip(first[:near], second[:near], strict=True) if a is not None and b is not None]
        losses.append(math.fsum(a - b for a, b in pairs) / len(pairs) if pairs else None)
    finite = [loss for loss in losses if loss is not None]
    back_s = None if None in backs else max((one for one in backs if one is not None), default=0) * plan.stretch_s
    return AfterSilence(
        silence_s=plan.silent_windows // plan.stretch_windows * plan.stretch_s,
        back_after_s=back_s,
        loss=_db(max(finite, default=None), "lower", reason=None if finite else "the values are not finite"),
        source_stuck=next(filter(None, (meter.find_stuck(of_bundle=False) for meter in meters)), None),
        stuck=next(filter(None, (meter.find_stuck(of_bundle=True) for meter in meters)), None),
        subnormal_share=subnormal_share,
    )


def _bound(signal: float, error: float) -> float | None:
    if not math.isfinite(error) or not math.isfinite(signal):
        return None
    if error == 0 or signal == 0:
        return MOST_DB if error == 0 else -MOST_DB
    return max(-MOST_DB, min(MOST_DB, 10 * (math.log10(signal) - math.log10(error))))


def _db(value: float | None, direction: Any, *, reason: str | None) -> Score:
    return Score(
        value=value, unit="db", direction=direction, basis="emulated", reason=None if value is not None else reason
    )
