"""Several short clips one after another as one, with their labels moved to where each now is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluators.datasets.builtin.collection import LabelledClip
from evaluators.errors import EvaluationError


def join_clips(name: str, clips: Sequence[LabelledClip], pauses_s: Sequence[float] = ()) -> LabelledClip:
    """One clip of many. Pauses are digital silence.

    `text` is the clips' with spaces between, `labels` are all of theirs, `tags` each of theirs once, `speech` theirs
    moved; another label is kept where all have the same.

    Args:
        name: Of the clip that is made.
        clips: At least one, all of one rate.
        pauses_s: Seconds of silence before each clip, and after the last one: one more than there are clips, or none.

    Raises:
        EvaluationError: They are not of one rate.
    """
    rates = {clip.sample_rate_hz for clip in clips}
    if len(rates) != 1:
        raise EvaluationError(
            f"{name}: joins clips of {', '.join(f'{rate} Hz' for rate in sorted(rates))}; right is one"
        )
    (rate_hz,) = rates
    parts: list[np.ndarray] = []
    starts_s: list[float] = []
    count = 0
    for clip, pause_s in zip((*clips, None), pauses_s or [0.0] * (len(clips) + 1), strict=True):
        parts.append(np.zeros(round(pause_s * rate_hz), np.float32))
        count += len(parts[-1])
        if clip is not None:
            starts_s.append(count / rate_hz)
            parts.append(clip.samples)
            count += len(clip.samples)
    labels = {key: _join_labels(key, clips, starts_s) for key in _shared_keys(clips)}
    return LabelledClip(name, np.concatenate(parts), rate_hz, labels)


def _shared_keys(clips: Sequence[LabelledClip]) -> list[str]:
    """What all have, since the label of a part is not one of the whole."""
    return [key for key in clips[0].labels if all(key in clip.labels for clip in clips) and _can_be_joined(key, clips)]


def _can_be_joined(key: str, clips: Sequence[LabelledClip]) -> bool:
    return key in ("text", "labels", "tags", "speech") or all(
        clip.labels[key] == clips[0].labels[key] for clip in clips
    )


def _join_labels(key: str, clips: Sequence[LabelledClip], starts_s: Sequence[float]) -> Any:
    values = [clip.labels[key] for clip in clips]
    if key == "text":
        return " ".join(values)
    if key in ("labels", "tags"):
        return list(dict.fromkeys(word for value in values for word in value))
    if key == "speech":
        return [
            [round(start + start_s, 4), round(end + start_s, 4)]
            for value, start_s in zip(values, starts_s, strict=True)
            for start, end in value
        ]
    return values[0]
