"""What `test_tflite.py` does in workers: a damaged file may end the process that opens it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.targets import open_model


def open_and_run(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    emulator = open_model(Path(request["path"]))
    outputs = emulator.run({name: np.ones(t.shape, t.dtype) for name, t in emulator.inputs.items()})
    yield {"outputs": sorted(outputs)}
