from __future__ import annotations

from typing import Any

import mir_eval.key
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.errors import EvaluationError
from evaluators.task import ClipContext, make_scores
from evaluators.task_loading import load_task
from evaluators.tasks.key import KEYS, Key, KeyOptions
from evaluators.windows import Stitched

TASK = Key()
CLIP = ClipContext(2.0, "k.jsonl:3")
RIGHT = "a tonic (C, C#, Db … B) and a mode (major, minor, other), for example 'C# minor', or X where there is none"


def _found(key: str) -> np.ndarray:
    values = np.zeros(len(KEYS))
    values[KEYS.index(key)] = 0.9
    return values


def _output(values: Any, kind: Any = "clip") -> dict[str, Stitched]:
    array = np.asarray(values, np.float32)
    return {"key": Stitched(array, np.arange(1 if kind == "clip" else len(array)) * 1.0, kind)}


@pytest.mark.parametrize("key", ["C major", "Db minor", "c# minor", "F#  other", "x"])
def test_a_label_is_a_key(key: str) -> None:
    assert TASK.parse_labels({"key": key}, CLIP) == " ".join(key.split())


@pytest.mark.parametrize(
    "value", ["C", "C maj", "C Major", "H minor", "C major minor", "X major", "", 3, None, ["C major"], "Cb major"]
)
def test_bad_label(value: Any) -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.parse_labels({"key": value}, CLIP)
    assert str(caught.value) == f"k.jsonl:3: key must be {RIGHT}; found {value!r}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keys": ["C major", "D mayor"]}, f"'D mayor' is no key; right is {RIGHT}"),
        ({"keys": ["C# major", "D major", "Db major"]}, "C# major and Db major are one key; right is a key once"),
        ({"keys": ["C major"]}, "keys"),
        ({"pool": "median"}, "pool"),
    ],
)
def test_bad_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        load_task("key", options)
    assert message in str(caught.value)


def test_frames_are_pooled() -> None:
    frames = np.zeros((3, 24))
    frames[:, 2], frames[1, 7] = 0.4, 0.9
    assert TASK.decode(_output(frames, "frames")).argmax() == 2
    assert Key(KeyOptions(pool="max")).decode(_output(frames, "frames")).argmax() == 7


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (_output(np.zeros(12)), "output 'key' has 12 values where task.options.keys names 24 keys"),
        (_output(np.full(24, np.nan)), "output 'key' is not finite, first at 0.000 s"),
        (_output(np.zeros((0, 24)), "frames"), "output 'key' has no frame within the clip"),
        ({}, "the task needs the output 'key'; the model has none"),
    ],
)
def test_decode_refuses(outputs: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match="^" + message.replace("'", ".")):
        TASK.decode(outputs)


# mir_eval's own ten fixtures, and what it stores as their scores.
@pytest.mark.parametrize(
    ("label", "found", "score"),
    [
        ("C major", "C major", 1.0),
        ("G minor", "G minor", 1.0),
        ("Db minor", "Ab minor", 0.5),
        ("A minor", "D major", 0.0),
        ("A major", "Gb minor", 0.3),
        ("F# minor", "A major", 0.3),
        ("Gb major", "Gb minor", 0.2),
        ("G minor", "G major", 0.2),
        ("G major", "C major", 0.0),
        ("A minor", "C minor", 0.0),
        ("C# minor", "Db minor", 1.0),
        ("X", "C major", 0.0),
    ],
)
def test_scores_are_mir_evals(label: str, found: str, score: float) -> None:
    scores = TASK.score(label, _found(found))
    make_scores(TASK, scores, "clip", basis="emulated")
    assert scores == {"key_weighted_score": score, "key_accuracy": float(score == 1)}


def test_no_key_can_be_found_where_the_model_says_so() -> None:
    task = Key(KeyOptions(keys=("C major", "X")))
    assert task.score("x", np.array([0.1, 0.9])) == {"key_weighted_score": 1.0, "key_accuracy": 1.0}


@given(st.sampled_from(KEYS), st.lists(st.floats(-10, 10), min_size=24, max_size=24))
def test_scores_are_those_of_the_highest_value(label: str, values: list[float]) -> None:
    scores = TASK.score(label, np.array(values))
    best = KEYS[max(range(24), key=values.__getitem__)]
    assert scores["key_weighted_score"] == mir_eval.key.weighted_score(label, best)
    assert (scores["key_accuracy"] == 1) == (label == best)


def test_what_is_drawn() -> None:
    assert TASK.draw("C major").text == "C major"
    assert TASK.draw(_found("B minor")).text == "B minor 0.9, C major 0, Db major 0"
