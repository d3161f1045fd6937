"""Padding in both formats: the values, and in TFLite no table as long as the signal."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pad = torch.nn.functional.pad

pytestmark = [pytest.mark.slow, pytest.mark.coreml, pytest.mark.tflite]

CASES = {
    "reflected on both sides": ((2, 3, 400), lambda x: pad(x, (7, 20), mode="reflect")),
    "reflected before": ((3, 400), lambda x: pad(x, (5, 0), mode="reflect")),
    "reflected by all there is": ((1, 1, 40), lambda x: pad(x, (39, 39), mode="reflect")),
    "a picture, reflected": ((1, 2, 20, 30), lambda x: pad(x, (2, 3, 4, 1), mode="reflect")),
    "repeated after": ((2, 3, 400), lambda x: pad(x, (0, 9), mode="replicate")),
    "a picture, repeated": ((1, 2, 20, 30), lambda x: pad(x, (2, 3, 4, 1), mode="replicate")),
    "circular": ((1, 2, 400), lambda x: pad(x, (7, 1), mode="circular")),
    "a module": ((1, 2, 400), torch.nn.ReflectionPad1d(12)),
}


@pytest.mark.parametrize("case", CASES)
def test_values_are_laid_where_they_belong(prove_both: Any, audio: SimpleNamespace, case: str) -> None:
    shape, formula = CASES[case]
    assert min(prove_both(formula, audio.noise(*shape)).values()) == float("inf")


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_no_table_is_as_long_as_the_signal(prove_both: Any, audio: SimpleNamespace, mode: str, tmp_path: Path) -> None:
    prove_both(lambda x: pad(x, (200, 200), mode=mode), audio.noise(1, 1, 16000))
    assert (tmp_path / "model.tflite").stat().st_size < 4000
