"""The musical key of a clip, scored as key detection is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
import pydantic

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.decoding.vectors import Vector, pool_vector
from evaluators.errors import EvaluationError
from evaluators.label_columns import Column, LabelColumns
from evaluators.picture_records import Pictures
from evaluators.task import ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

TONICS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
KEYS = tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in TONICS)

_SHOWN = 3
_RIGHT = "a tonic (C, C#, Db … B) and a mode (major, minor, other), for example 'C# minor', or X where there is none"
_METRICS = {
    "key_weighted_score": Metric(
        "ratio",
        "higher",
        "1 for the labelled key, 0.5 for one a fifth above it, 0.3 for the relative, 0.2 for the parallel major or "
        "minor, else 0.",
    ),
    "key_accuracy": Metric("ratio", "higher", "Share of clips whose key is the labelled one."),
}
_AGREEMENT = "agreement_key"


class KeyOptions(Record):
    """What the output's values stand for."""

    keys: Annotated[tuple[str, ...], pydantic.Field(min_length=2, max_length=100)] = KEYS
    """in their order; C# is Db, and so on"""
    pool: Literal["mean", "max"] = "mean"
    """how values of frames or windows become a clip's"""

    @pydantic.field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        strange = [key for key in keys if find_key(key) is None]
        if strange:
            raise ValueError(f"{shorten(repr(strange[0]))} is no key; right is {_RIGHT}")
        known: dict[Any, str] = {}
        for key in keys:
            first = known.setdefault(find_key(key), key)
            if first is not key:
                raise ValueError(f"{first} and {key} are one key; right is a key once")
        return keys


class Key(Task):
    """The key of a clip, from the output `key`: one score a key, `(keys,)`, or `(frames, keys)`, pooled.

    The highest score is the estimate; of equal ones the first counts. Whether scores are probabilities makes no
    difference. The label is one key, as mir_eval writes it: `"C major"`, `"f# minor"`; `"X"` where there is none.

    `key_weighted_score` is `mir_eval.key.weighted_score`. Source: MIREX, "Audio Key Detection". `key_accuracy` is the
    share of clips at its 1.
    """

    Options = KeyOptions
    column_option = "keys"
    label_keys = ("key",)
    label_columns = MappingProxyType({"key": LabelColumns((Column(("key", "label"), "word"),), "value")})
    required_outputs = ("key",)
    metrics = MappingProxyType(_METRICS)
    agreements = MappingProxyType(
        {
            _AGREEMENT: Metric(
                "ratio", "higher", "Share of clips whose key is the same for bundle and source model.", tolerance=0.01
            )
        }
    )
    libraries = ("mir_eval",)

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> str:
        """Read `key`, a tonic and a mode; see `Task.parse_labels`."""
        value = line["key"]
        if not isinstance(value, str) or find_key(value) is None:
            raise EvaluationError(f"{clip.where}: key must be {_RIGHT}; found {shorten(repr(value))}")
        return " ".join(value.split())

    def label_folder(self, name: str, clip: ClipContext) -> Mapping[str, Any]:  # noqa: ARG002
        """The folder's name is the key."""
        return {"key": name}

    def decode(self, outputs: Mapping[str, Stitched]) -> Vector:
        """One score a key; see `Task.decode`."""
        scores = pool_vector(outputs, "key", self.options.pool)
        if len(scores) != len(self.options.keys):
            raise EvaluationError(
                f"output 'key' has {len(scores)} values where task.options.keys names {len(self.options.keys)} keys"
            )
        return scores

    def score(self, labels: str, estimate: Vector) -> Found:
        """Score one clip."""
        import mir_eval.key

        found = self.options.keys[int(estimate.argmax())]
        return {
            "key_weighted_score": mir_eval.key.weighted_score(labels, found),
            "key_accuracy": float(find_key(labels) == find_key(found)),
        }

    def agree(self, clip: SideBySide) -> Found:
        """Whether both give the same key; of equal scores the first counts."""
        return {_AGREEMENT: float(clip.source.argmax() == clip.estimate.argmax())}

    def decide(self, estimate: Vector) -> tuple[str, ...]:
        """The key; of equal scores the first counts."""
        return (self.options.keys[int(estimate.argmax())],)

    def draw(self, labels_or_estimate: str | Vector) -> Pictures:
        """The label, and the highest scores with their keys."""
        if isinstance(labels_or_estimate, str):
            return Pictures(text=labels_or_estimate)
        best = np.argsort(-labels_or_estimate, kind="stable")[:_SHOWN]
        return Pictures(text=", ".join(f"{self.options.keys[place]} {labels_or_estimate[place]:.3g}" for place in best))


def find_key(text: str) -> tuple[int | None, str | None] | None:
    """Tonic, in semitones above C, and mode of a key that mir_eval reads, both None of `X`; None for any other text."""
    import mir_eval.key

    try:
        mir_eval.key.validate_key(text)
    except ValueError:
        return None
    tonic, mode = mir_eval.key.split_key_string(text)
    return tonic, mode


TASK = Key
