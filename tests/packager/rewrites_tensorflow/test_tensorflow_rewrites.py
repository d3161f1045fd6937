"""Each rewrite of TensorFlow's ops, proven on noise and a chirp: bundles in both formats beside the source."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from packager.jobs.workers import Job, Limits, run_job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorflow,
    pytest.mark.coreml,
    pytest.mark.tflite,
    pytest.mark.skipif(importlib.util.find_spec("tf_keras") is None, reason="tf-keras is not installed"),
]

PROOFS = "tests.packager.rewrites_tensorflow.tensorflow_proofs"
WINDOW = 2048

COMPLEX = {"complex_numbers", "fourier"}
LISTS = {"tensor_lists"}
MOVES = {"arrangement", "counting", "cumulation"}
FOUND: dict[str, dict[str, set[str]]] = {
    "masked": {"tflite": COMPLEX, "coreml": COMPLEX},
    "phase_kept": {"tflite": COMPLEX, "coreml": {*COMPLEX, "elementary"}},
    "mfcc": {"tflite": COMPLEX},
    "arithmetic": {"tflite": {"complex_numbers"}, "coreml": {"complex_numbers"}},
    "envelope": {"tflite": COMPLEX},
    "odd_lengths": {"tflite": COMPLEX},
    "phase_of_ends": {"tflite": COMPLEX, "coreml": {*COMPLEX, "elementary"}},
    "large_prime": {"tflite": COMPLEX, "coreml": COMPLEX},
    "two_axes": {"tflite": COMPLEX},
    "lapped": {"tflite": COMPLEX},
    "biquad": {"tflite": LISTS},
    "written_list": {"tflite": LISTS, "coreml": LISTS},
    "complex_loop": {"tflite": {*COMPLEX, *LISTS}, "coreml": {*COMPLEX, *LISTS}},
    "as_long_as": {"tflite": set(), "coreml": set()},
    "choice": {"tflite": set(), "coreml": set()},
    "elementary": {"tflite": {"elementary"}, "coreml": {"elementary"}},
    "reciprocals": {"coreml": {"reciprocals"}},
    "moved": {"tflite": MOVES, "coreml": MOVES},
    "resized": {"tflite": {"resize"}},
    "lstm": {"tflite": LISTS, "coreml": {"recurrence", *LISTS}},
    "lstm_backward": {"coreml": {"recurrence", *LISTS}},
    "lstm_of_relu": {"coreml": LISTS},
    "gru": {"tflite": LISTS, "coreml": LISTS},
    "gru_reset_before": {"tflite": LISTS},
    "simple_rnn": {"tflite": LISTS},
    "time_distributed": {"tflite": {"unrolled_frames"}},
    "two_ways": {"tflite": LISTS, "coreml": LISTS},
}
"""by function and format: the rewrites applied; Core ML only where the rewritten graph is another than for TFLite"""
CASES = [(name, format_) for name, formats in FOUND.items() for format_ in formats]

LEAST_DECIBELS = 100.0
"""float32 keeps 24 bits, 144 dB; sums in another order and differences of near numbers take some of it"""


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    request = {"functions": {name: list(formats) for name, formats in FOUND.items()}, "window": WINDOW}
    log = tmp_path_factory.mktemp("proofs") / "log"
    events = run_job(Job(f"{PROOFS}:prove", request, log, Limits(time_s=900)))
    return {(event["name"], event["format"]): event for event in events}


@pytest.mark.parametrize(("name", "format_"), CASES)
def test_a_bundle_gives_what_its_source_gives(
    proofs: dict[tuple[str, str], dict[str, Any]], name: str, format_: str
) -> None:
    proof = proofs[name, format_]
    assert min(proof["decibels"].values()) >= LEAST_DECIBELS, proof
    assert set(proof["rewrites"]) == FOUND[name][format_]


def test_the_phase_of_reflected_audio(tmp_path: Path) -> None:
    """Imaginary parts near 0 keep their sign, by which a phase is pi or -pi; the frames' float64 spectra tell it."""
    request = {"functions": {"phase_of_reflected": ["tflite", "coreml"]}, "window": WINDOW}
    events = list(run_job(Job(f"{PROOFS}:run", request, tmp_path / "log", Limits(time_s=300))))
    assert len(events) == 2
    for event in events:
        for call in event["outputs"]:
            expected = np.angle(np.fft.rfft(np.asarray(call["frames"], np.float64)))
            assert np.abs(np.asarray(call["phases"]) - expected).max() < 1e-2
