"""Clips of a built-in dataset for scripts that make audio of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.datasets.builtin.making import find_dataset, locate_builtin


def read_clips(
    name: str, label_keys: Sequence[str] = (), *, rate_hz: int, options: Mapping[str, Any] | None = None
) -> Iterator[tuple[dict[str, Any], npt.NDArray[np.float32]]]:
    """The lines of a dataset with their audio; the dataset is fetched and made where it is not there.

    Args:
        name: As `testpress datasets` lists it.
        label_keys: The labels that a clip must have; others are left out.
        rate_hz: What the audio is brought to.
        options: The dataset's, by name; what is not said has its default.

    Yields:
        A line of the manifest, and its samples, `(samples,)`, float32, mixed down to mono.

    Raises:
        EvaluationError: There is no such dataset, option or label, or it cannot be fetched or made.
    """
    import soundfile
    import soxr

    manifest = locate_builtin(find_dataset(name, options), label_keys)
    for text in manifest.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        samples, found_hz = soundfile.read(manifest.parent / line["audio"], dtype="float32", always_2d=True)
        yield line, np.asarray(soxr.resample(samples.mean(axis=1), found_hz, rate_hz), np.float32)
