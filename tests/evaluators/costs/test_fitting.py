"""The fit: that it finds what it was given, and that what is left out did not help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluators.costs.fitting import Stack, fit, leave_out, log_errors, rows_of
from evaluators.costs.published import COMPUTES, read_rows

CPU = COMPUTES["tflite_cpu_float"]
ROWS = rows_of(read_rows(), CPU)


@pytest.mark.slow
def test_fit_finds_coefficients_it_was_given() -> None:
    """Latencies made from known coefficients; the prior draws a little where the rows do not tell them apart."""
    found = fit(ROWS, CPU)
    true = replace(found, coefficients=replace(found.coefficients, conv=0.5, depthwise=0.4, fork_us=80.0))
    made = [replace(row, latency_ms=float(ms)) for row, ms in zip(ROWS, Stack.of(ROWS).predict(true), strict=True)]
    again = fit(made, CPU)
    assert np.max(np.abs(log_errors(again, made))) < 0.1
    for name in ("conv", "depthwise", "fork_us"):
        assert getattr(again.coefficients, name) == pytest.approx(getattr(true.coefficients, name), rel=0.2), name


def test_a_factor_of_other_kernels_is_each_units_own() -> None:
    newer = [replace(row, runtime="LiteRT 2.2.0 CompiledModel") for row in ROWS[:3]]
    gpu = [replace(row, compute=COMPUTES["tflite_gpu"]) for row in newer]
    assert not Stack.of(newer).is_library.any()
    assert Stack.of(gpu).is_library.all()


def test_one_group_alone_cannot_be_left_out() -> None:
    assert np.isnan(leave_out(ROWS[:3], CPU, lambda _: "same")).all()


QUOTED = {
    # mean absolute percentage error of rows on families left out: a bound, from benchmarks/latency_model.py
    "tflite_cpu_int8": 0.20,
    "tflite_npu_int8": 0.20,
    "coreml_gpu": 0.17,
    "coreml_npu": 0.22,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(QUOTED))
def test_errors_on_families_left_out_are_what_the_documents_quote(kind: str) -> None:
    errors = leave_out(read_rows(), COMPUTES[kind], lambda row: row.family)
    error = float(np.mean(np.abs(np.exp(-errors) - 1)))
    assert QUOTED[kind] - 0.05 <= error <= QUOTED[kind]


@pytest.mark.slow
def test_families_left_out_of_androids_cpus_are_predicted_as_the_documents_say() -> None:
    unseen = leave_out(ROWS, CPU, lambda row: row.family)
    # They did not help to fit their own error.
    assert np.mean(unseen**2) > 1.2 * np.mean(log_errors(fit(ROWS, CPU), ROWS) ** 2)
    is_audio = np.array([row.is_audio for row in ROWS])
    relative = np.abs(np.exp(-unseen) - 1)
    assert is_audio.sum() >= 70
    assert np.mean(relative[is_audio]) <= 0.30
    assert np.max(np.abs(unseen[is_audio])) <= np.log(2.5)
    assert np.mean(relative[~is_audio]) <= 0.15
