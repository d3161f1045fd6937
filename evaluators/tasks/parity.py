"""No labels and no score: only how far a bundle's outputs lie from its source's. Any model that hears audio will do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from evaluators.evaluation import Basis, Note, Score
from evaluators.task import Metric, Task
from evaluators.windows import Stitched


@dataclass(frozen=True)
class Parity:
    """Clips are heard by source and bundle, and their outputs compared; nothing could be right or wrong."""

    kind: str = "parity"
    label_keys: tuple[str, ...] = ()
    required_outputs: tuple[str, ...] = ()

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """None."""
        return MappingProxyType({})

    def parse_labels(self, line: Mapping[str, Any], duration_s: float, where: str) -> None:
        """There are none."""

    def decode(self, outputs: Mapping[str, Stitched]) -> None:
        """Outputs are compared as they are."""

    def score(self, reference: Any, estimate: Any, *, basis: Basis = "emulated") -> dict[str, Score]:  # noqa: ARG002
        """Nothing is scored."""
        return {}

    def notes(self, labels_or_estimate: Any) -> tuple[Note, ...] | None:  # noqa: ARG002
        """There are none."""
        return None


TASK: Task = Parity()
