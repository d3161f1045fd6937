"""Minutes of audio of a dataset's clips: a round of them, digital silence, and the same round again.

The second round is what makes growth plain: the same audio at two times, so that loud and quiet clips are no trend. All
parts are whole numbers of hops, so that the windows of both rounds are the same to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from device_profiles.record import Record
from evaluators.datasets.dataset_job import DatasetJob, Result, run_dataset_job
from evaluators.datasets.inputs import write_windows
from evaluators.datasets.place import Place
from evaluators.datasets.prepared import Span, Windows, read_clip
from evaluators.errors import EvaluationError
from evaluators.long_run_records import LongRunSpec, StreamPlan
from evaluators.windows import Samples
from packager.bundle import AudioContract
from packager.jobs.code import digest_job_code
from packager.jobs.inputs import Input
from packager.jobs.results import Made
from packager.seals import is_whole, trust_seal
from packager.stitching import count_windows, find_lead_in
from packager.storage import digest_facts

STRETCH_S = 1.0
SEED = 20261130
_MOST_STRETCHES = 300
_LEAST_STRETCHES = 3
"""of a round: with fewer nothing can be said of growth"""
_MOST_BYTES = 2_000_000_000
"""of windows on disk"""
_TARGET = "evaluators.datasets.long_stream:join_clips"
_CODE = ("packager.jobs.worker", "evaluators.datasets.long_stream")
_WINDOWS = "windows"


class StreamRequest(Record):
    """What to join, and how."""

    windows: str
    """`.npy`, float32 (windows, channels, window_samples)"""
    spans: tuple[Span, ...]
    audio: AudioContract
    plan: StreamPlan


class Joined(Record):
    """What a worker made."""

    samples: int


def plan_stream(spec: LongRunSpec, spans: tuple[Span, ...], audio: AudioContract) -> StreamPlan:
    """How many windows of what are heard.

    Args:
        spec: What the recipe asks.
        spans: The dataset's clips.
        audio: The contract.

    Raises:
        EvaluationError: The windows are too long for the minutes that are asked, or too many.
    """
    hop_s = audio.hop_samples / audio.sample_rate_hz
    total_s = spec.minutes * 60
    stretch = max(1, round(max(STRETCH_S, total_s / _MOST_STRETCHES) / hop_s))
    stretch_s = stretch * hop_s
    silent = math.ceil(spec.silence_s / stretch_s - 1e-9)
    rounds = int((total_s / stretch_s - silent) // 2)
    if rounds < _LEAST_STRETCHES:
        raise EvaluationError(
            f"a long run of {spec.minutes:g} minutes with {spec.silence_s:g} s of silence holds {max(rounds, 0)} "
            f"stretches of {stretch_s:.3g} s twice; at least {_LEAST_STRETCHES} are needed: give long_run.minutes more"
        )
    windows = (2 * rounds + silent) * stretch
    if windows * audio.window_samples * audio.channels * 4 > _MOST_BYTES:
        raise EvaluationError(
            f"a long run of {spec.minutes:g} minutes is {windows} windows, more than {_MOST_BYTES // 10**9} GB; "
            "give long_run.minutes less"
        )
    samples = rounds * stretch * audio.hop_samples
    clips = sum(1 for _ in _order(spans, samples))
    return StreamPlan(
        round_windows=rounds * stretch,
        silent_windows=silent * stretch,
        stretch_windows=stretch,
        stretch_s=stretch_s,
        clips=clips,
    )


def _order(spans: tuple[Span, ...], samples: int) -> Iterator[int]:
    """The clips of a round, each once before any comes again, in a seeded order."""
    generator, held = np.random.default_rng(SEED), 0
    while True:
        for place in generator.permutation(len(spans)):
            yield int(place)
            held += spans[place][2]
            if held >= samples:
                return


def store_stream(windows: Windows, plan: StreamPlan, *, audio: AudioContract, place: Place) -> Windows:
    """Join the clips, unless that is done already and what was stored is whole.

    Args:
        windows: The dataset, cut.
        plan: What is heard.
        audio: The contract.
        place: Where, and by whom.

    Returns:
        The stream as a dataset of one clip.

    Raises:
        EvaluationError: The worker fails.
    """
    facts = {
        "windows": windows.path.parent.name,
        "plan": plan.model_dump(mode="json"),
        "code": digest_job_code(*_CODE),
    }
    folder = place.out / "cache" / "windows" / digest_facts(facts)[:32]
    samples = (2 * plan.round_windows + plan.silent_windows) * audio.hop_samples
    stream = Windows(folder / "windows.npy", ((0, count_windows(samples, audio), samples),))
    if is_whole(folder):
        return stream
    request = StreamRequest(windows=str(windows.path.resolve()), spans=windows.spans, audio=audio, plan=plan)
    fault = "the audio of the long run cannot be made"
    job = DatasetJob(_TARGET, _CODE, (Input(windows.path.resolve()),), {_WINDOWS: folder}, fault)
    found = run_dataset_job(job, request, Joined, place)
    if found.samples != samples:
        raise EvaluationError(f"{fault}: the worker joined {found.samples} of {samples} samples")
    trust_seal(folder)
    return stream


def join_clips(request: dict[str, Any], folder: Path) -> Iterator[Result | Made]:
    """Inside a worker: join, cut and store.

    Raises:
        EvaluationError: A window cannot be read.
    """
    parsed = StreamRequest.model_validate(request, strict=False)
    audio, plan = parsed.audio, parsed.plan
    heard = _join_round(parsed, plan.round_windows * audio.hop_samples)
    silence = np.zeros((audio.channels, plan.silent_windows * audio.hop_samples), np.float32)
    stream = np.concatenate([heard, silence, heard], axis=1)
    with write_windows(folder / _WINDOWS, audio) as writer:
        writer.add(stream)
    yield Made(made=_WINDOWS)
    yield Result(result=Joined(samples=stream.shape[1]).model_dump(mode="json"))


def _join_round(parsed: StreamRequest, samples: int) -> Samples:
    windows = np.load(parsed.windows, mmap_mode="r")
    parts = [read_clip(windows, parsed.spans[place], parsed.audio) for place in _order(parsed.spans, samples)]
    whole: Samples = np.concatenate(parts, axis=1)[:, :samples]
    return whole


def find_algorithmic_latency_ms(audio: AudioContract) -> float:
    """The longest that a sample waits until the call that its result is kept of can begin, in ms.

    What is kept of a window starts half an overlap after its own start (`windows.py`), and the call begins when the
    window's last sample is there.
    """
    return 1000 * (audio.window_samples - find_lead_in(audio)) / audio.sample_rate_hz
