"""No labels and no score: only how far a bundle's outputs lie from its source's. Any model that hears audio will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluators.task import ClipContext, Task
from evaluators.windows import Stitched


class Parity(Task):
    """Clips are heard by source and bundle, and their outputs compared; nothing could be right or wrong."""

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> None:
        """There are none."""

    def decode(self, outputs: Mapping[str, Stitched]) -> None:
        """Outputs are compared as they are."""


TASK = Parity
