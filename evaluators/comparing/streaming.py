"""A bundle heard call after call: do its errors grow, is it the same as at once, and does it forget when told to?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.errors import EvaluationError
from evaluators.parity import ParityMeter
from evaluators.players import Player, get
from evaluators.target_records import OutputParity
from packager.bundle import ResetProof, RollingProof, StreamingProof, WholeProof
from packager.proving.clips import SAME_DB, Clip, Joined, departure_db, loudness
from packager.proving.trials import Tensors
from packager.snr import snr_db

RESET_CALLS = 4
"""of each of the two clips of a reset check"""


def prove_streaming(player: Player, clip: Clip, tolerance_db: float) -> StreamingProof:
    """Play a clip with the bundle's own states and compare it with what the source made of it, in calls and at once.

    Args:
        player: The bundle.
        clip: What is heard, and the source's outputs.
        tolerance_db: The least SNR of every output.

    Raises:
        EvaluationError: The model cannot be run.
    """
    found = list(player.play(clip.calls))
    outputs = [name for name in clip.references[0] if get(name, found[0]) is not None]
    heard = {name: [_shaped(get(name, call), one[name]) for call, one in _pairs(found, clip)] for name in outputs}
    rolling = tuple(_roll(name, [one[name] for one in clip.references], heard[name]) for name in outputs)
    whole = tuple(
        _lay_beside(name, one, clip, heard[name]) for name, one in clip.whole.outputs.items() if name in heard
    )
    whole += tuple(_refuse(name, why) for name, why in clip.whole.refused.items() if name in heard)
    comparable = [one for one in whole if _is_comparable(one)]
    whole_holds = all(_keeps(one.snr_db, one.max_abs_error, tolerance_db) for one in comparable) if comparable else None
    reason = clip.whole.reason
    if reason is None and not comparable:
        reason = "; ".join(f"{one.output}: {one.reason}" for one in whole) or "the bundle has none of the outputs"
    return StreamingProof(
        calls=len(clip.calls),
        inputs=clip.description,
        rolling=rolling,
        whole=whole,
        whole_reason=reason if whole_holds is None else None,
        whole_holds=whole_holds,
        holds=bool(rolling) and all(_holds(one, tolerance_db) for one in rolling) and whole_holds is not False,
    )


def check_reset(player: Player, first: Sequence[Tensors], second: Sequence[Tensors]) -> ResetProof:
    """Play two clips in either order, each from silence, and compare them with themselves bit by bit.

    Between them nothing is done but what the manifest asks of an app. Whatever else the file or runtime keeps shows.
    """
    order = [list(player.play(clip)) for clip in (first, second, second, first)]
    differing = {
        name: max(
            _distance(one[name], again[name])
            for one, again in zip(order[0] + order[1], order[3] + order[2], strict=True)
        )
        for name in order[0][0]
    }
    worst = {name: distance for name, distance in differing.items() if distance > 0}
    words = ", ".join(f"{name} by up to {distance:.3g}" for name, distance in worst.items())
    return ResetProof(
        calls=len(first) + len(second),
        holds=not worst,
        reason=f"what was heard before changes {words}" if worst else None,
    )


def _pairs(found: Sequence[Tensors], clip: Clip) -> list[tuple[Tensors, Tensors]]:
    return list(zip(found, clip.references, strict=True))


def _shaped(estimate: npt.NDArray[Any] | None, reference: npt.NDArray[Any]) -> npt.NDArray[Any]:
    assert estimate is not None
    return estimate.reshape(reference.shape) if estimate.size == reference.size else estimate


def _roll(name: str, references: Sequence[npt.NDArray[Any]], estimates: Sequence[npt.NDArray[Any]]) -> RollingProof:
    meter = ParityMeter()
    try:
        for reference, estimate in zip(references, estimates, strict=True):
            meter.add(name, np.asarray(reference), estimate)
    except EvaluationError as fault:
        return RollingProof(output=name, snr_db=None, last_quarter_snr_db=None, max_abs_error=None, reason=str(fault))
    parity: OutputParity = meter.result(name)
    quarter = len(references) - max(1, len(references) // 4)
    return RollingProof(
        output=name,
        snr_db=parity.snr_db.value,
        last_quarter_snr_db=None if parity.snr_db.value is None else _tail_snr(references, estimates, quarter),
        max_abs_error=parity.max_abs_error.value,
        reason=parity.snr_db.reason,
    )


def _tail_snr(
    references: Sequence[npt.NDArray[Any]], estimates: Sequence[npt.NDArray[Any]], start: int
) -> float | None:
    """The whole clip's power over that of the error from `start` on: a quiet end is not held against a bundle."""
    signal = loudness(references)
    tail = zip(references[start:], estimates[start:], strict=True)
    error = np.mean([np.mean(np.square(np.subtract(r, e, dtype=np.float64))) for r, e in tail])
    ratio = snr_db(signal, float(error))
    return ratio if ratio is not None and math.isfinite(ratio) else None


def _lay_beside(name: str, joined: Joined, clip: Clip, estimates: Sequence[npt.NDArray[Any]]) -> WholeProof:
    references = [one[name] for one in clip.references]
    signal = loudness(references)
    own = departure_db(joined.values, joined.join(references), signal)
    found = joined.join(estimates)
    if found.shape != joined.values.shape:
        return _refuse(name, f"the bundle's calls make {list(found.shape)}, the source {list(joined.values.shape)}")
    if own is None or own == -math.inf:
        return _refuse(name, "the source's output for the whole clip is 0 throughout, or not finite")
    snr = departure_db(joined.values, found, signal)
    error = float(np.max(np.abs(np.subtract(joined.values, found, dtype=np.float64))))
    reason = None
    if own < SAME_DB:
        reason = f"the source itself gives something else in calls than at once ({own:.1f} dB)"
    elif snr is None or math.isinf(snr):
        reason = "identical" if error == 0 else "the values are not finite, or 0 throughout"
    return WholeProof(
        output=name,
        snr_db=snr if snr is not None and math.isfinite(snr) else None,
        source_snr_db=own if math.isfinite(own) else None,
        max_abs_error=error if math.isfinite(error) else None,
        reason=reason,
    )


def _refuse(name: str, reason: str) -> WholeProof:
    return WholeProof(output=name, snr_db=None, source_snr_db=None, max_abs_error=None, reason=reason)


def _is_comparable(one: WholeProof) -> bool:
    """Whether the source agrees with itself, so that a departure is the bundle's."""
    return one.max_abs_error is not None and (one.source_snr_db is None or one.source_snr_db >= SAME_DB)


def _holds(one: RollingProof, tolerance_db: float) -> bool:
    late_enough = one.last_quarter_snr_db is None or one.last_quarter_snr_db >= tolerance_db
    return late_enough and _keeps(one.snr_db, one.max_abs_error, tolerance_db)


def _keeps(snr_db: float | None, max_abs_error: float | None, tolerance_db: float) -> bool:
    return max_abs_error == 0 if snr_db is None else snr_db >= tolerance_db


def _distance(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """The largest difference; 0 only where all bits are the same, whatever they mean."""
    if np.asarray(one).tobytes() == np.asarray(other).tobytes():
        return 0.0
    with np.errstate(all="ignore"):
        distance = float(np.max(np.abs(np.subtract(one, other, dtype=np.float64))))
    return distance if distance > 0 else math.inf


def split_clips(calls: Sequence[Tensors]) -> tuple[Sequence[Tensors], Sequence[Tensors]]:
    """Two clips that differ, of a few calls each, from a model's trials.

    Raises:
        EvaluationError: There are fewer than two calls.
    """
    if len(calls) < 2:
        raise EvaluationError(f"{len(calls)} call(s); a reset check needs two clips")
    count = min(RESET_CALLS, len(calls) // 2)
    return calls[:count], calls[count : 2 * count]
