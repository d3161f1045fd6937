"""A sample of the corpus, each model in both formats: made, run beside its source, and as close as its precision says.

The whole corpus is packaged by `python -m benchmarks.support_matrix`, which writes docs/support_matrix.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packager.jobs.workers import Job, Limits, run_jobs

pytestmark = [pytest.mark.slow, pytest.mark.pytorch, pytest.mark.tflite, pytest.mark.coreml]

ROOT = Path(__file__).resolve().parents[2]

SAMPLE = (
    "squeeze_excite",  # overlapping frames by unfold
    "lstm_vad",  # LSTM with explicit state
    "stft_masking",  # STFT, complex mask, iSTFT
    "vq_codec",  # cdist, argmin, embedding, transposed convolution with output padding
    "transformer_tagger",  # attention's fast path
    "spectral_resizer",  # bicubic and linear resizing
    "speaker_lstm",  # LSTM with a projection
)
"""one model for each thing that the bare converters refuse; chosen for speed among those"""

FORMATS = ("tflite", "coreml")
PRECISIONS = ("float32", "float16")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], dict[str, Any]]]:
    """Events by (model, variant); one worker a format, both at once."""
    out = tmp_path_factory.mktemp("corpus")
    requests = [{"models": SAMPLE, "format": format_, "precisions": PRECISIONS, "out": str(out)} for format_ in FORMATS]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    jobs = [
        Job("tests.corpus.batches:package_all", request, out / f"{request['format']}.log", Limits(time_s=900))
        for request in requests
    ]
    ended = run_jobs(jobs, lambda _, event: found.update({(event["model"], event["variant"]): event}), parallel=2)
    assert [end.reason for end in ended] == [None, None]
    yield found


@pytest.mark.parametrize("model", SAMPLE)
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_model_keeps_its_promise(
    packaged: dict[tuple[str, str], dict[str, Any]], model: str, format_: str, precision: str
) -> None:
    event = packaged[model, f"{format_}-{precision}"]
    assert event["reason"] is None
    proof = event["proof"]
    assert proof["tolerance_db"] == {"float32": 60.0, "float16": 30.0}[precision]
    assert proof["holds"] or (precision == "float16" and proof["breaks_at"]), proof
