"""What the schema of an evaluation refuses: numbers beyond their bounds, and names that are there twice."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from device_profiles.errors import TestpressError
from device_profiles.record import parse_record
from evaluators.evaluation import Evaluation

STORED = json.loads((Path(__file__).parents[1] / "reports" / "data" / "evaluation-v1.json").read_text(encoding="utf-8"))


def parse(place: str, value: Any) -> Evaluation:
    """The stored evaluation with one value put at a place such as `variants/0/timing/samples_ns`."""
    data: Any = copy.deepcopy(STORED)
    *path, last = place.split("/")
    at = data
    for part in path:
        at = at[int(part)] if isinstance(at, list) else at[part]
    at[int(last) if isinstance(at, list) else last] = value
    return parse_record(data, Evaluation, where="e", error=TestpressError)


def part(place: str) -> Any:
    at: Any = STORED
    for name in place.split("/"):
        at = at[int(name)] if isinstance(at, list) else at[name]
    return at


def test_the_stored_evaluation_is_read() -> None:
    assert parse("task", STORED["task"]).task == STORED["task"]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("audio/window_samples", 10**18, "e: audio.window_samples: Input should be less than or equal to 9007199254"),
        ("audio/window_samples", 22050 * 1800 + 1, "e: audio: window_samples 39690001 is longer than 1800 s"),
        ("audio/sample_rate_hz", 4_000_000_000, "e: audio.sample_rate_hz: Input should be less than or equal to 768"),
        ("audio/channels", 1025, "e: audio.channels: Input should be less than or equal to 1024"),
        ("audio/frame_rate_hz", 5e-324, "e: audio.frame_rate_hz: Input should be greater than or equal to 0.0005555"),
        ("variants/0/timing/samples_ns", [10**400], "e: variants[0].timing.samples_ns[0]: "),
        ("variants/0/timing/samples_ns", [2**53], "e: variants[0].timing.samples_ns[0]: Input should be less than"),
        ("variants/0/timing/samples_ns", [-1], "e: variants[0].timing.samples_ns[0]: Input should be greater than"),
        ("variants/0/timing/threads", 10**30, "e: variants[0].timing.threads: Input should be less than"),
        ("environment/cores", -1, "e: environment.cores: Input should be greater than or equal to 0"),
        ("dataset/clips/0/duration_s", -0.5, "e: dataset.clips[0].duration_s: Input should be greater than"),
        (
            "source/clips/0/notes",
            [{"onset_s": 0.0, "offset_s": 1.0, "pitch_midi": 128}],
            "e: source.clips[0].notes[0].pitch_midi: Input should be less than or equal to 127",
        ),
        (
            "source/scores/note_f1",
            {"value": 0.5, "unit": "ratio", "direction": "higher", "basis": "emulated", "low": 0.6, "high": 0.4,
             "confidence": 0.95},
            "e: source.scores.note_f1: an interval's low end 0.6 is above its high end 0.4",
        ),
        (
            "source/scores/note_f1",
            {"value": 0.5, "unit": "ratio", "direction": "higher", "basis": "emulated", "low": 0.4, "high": 0.6,
             "confidence": 1.0},
            "e: source.scores.note_f1.confidence: Input should be less than 1",
        ),
    ],
)  # fmt: skip
def test_a_number_beyond_its_bounds_is_refused(place: str, value: Any, message: str) -> None:
    with pytest.raises(TestpressError) as caught:
        parse(place, value)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("variants", "e: (the whole file): variant 'tflite-float16' is there twice; each is named once"),
        ("variants/0/devices", "e: variants[0]: phone '"),
        ("variants/0/parity", "e: variants[0]: output '"),
        ("variants/0/clips", "e: variants[0]: clip '"),
        ("source/clips", "e: source: clip '"),
        ("dataset/clips", "e: dataset: clip '"),
    ],
)
def test_a_name_that_is_there_twice_is_refused(place: str, message: str) -> None:
    members = part(place)
    with pytest.raises(TestpressError) as caught:
        parse(place, [*members, members[0]])
    assert str(caught.value).startswith(message)
    assert "is there twice" in str(caught.value)


@pytest.mark.parametrize("place", ["source/clips", "variants/0/clips"])
def test_a_clip_that_the_dataset_has_not_is_refused(place: str) -> None:
    members = copy.deepcopy(part(place))
    members[0]["clip"] = "another"
    with pytest.raises(TestpressError, match="has a clip 'another' that the dataset has not"):
        parse(place, members)
