from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluators.errors import EvaluationError
from packager.frontends.feeding import feed_features
from packager.frontends.opening import find_frontend, open_frontend
from testpress.errors import RecipeError
from testpress.recipe import need_audio, read_recipe
from testpress.starter import make_starter
from testpress.starting.clips import make_clips
from testpress.starting.draft import Draft, DraftOutput, Rate, find_data_rate, make_draft
from testpress.starting.facts import DataFacts, ModelFacts, TensorFacts
from testpress.starting.task_choice import ChosenTask, choose_task

RATE = Rate(16000, "as you say")
Shape = tuple[int, ...]


def model(inputs: dict[str, Shape], outputs: dict[str, Shape], *, times: dict[str, int] | None = None) -> ModelFacts:
    positional = all(name.startswith("output") for name in outputs)
    return ModelFacts(
        framework="torch",
        inputs=tuple(TensorFacts(name=name, shape=shape, dtype="float32") for name, shape in inputs.items()),
        outputs=tuple(
            TensorFacts(name=name, shape=shape, dtype="float32", time_axis=(times or {}).get(name))
            for name, shape in outputs.items()
        ),
        is_positional=positional,
    )


def data(**changes: Any) -> DataFacts:
    given = {
        "form": "a folder",
        "clips": 4,
        "seconds": 8.0,
        "longest_s": 2.0,
        "rates_hz": {8000: 3, 16000: 1},
        "channels": {1: 4},
        "looked_at": 4,
        "fits": ("tagging", "embedding", "key", "keyword"),
        "classes": ("cat", "dog"),
        "single_label": True,
    }
    return DataFacts(**{**given, **changes})


def choose(found: ModelFacts, has: DataFacts | None, asked: str | None = None, **lists: tuple[str, ...]) -> ChosenTask:
    return choose_task(found, {}, has, asked=asked, lists=lists)


def draft(found: ModelFacts, task: ChosenTask | None = None) -> Draft:
    return make_draft(found, task or ChosenTask("parity"), RATE, framework=None)


@pytest.mark.parametrize(
    ("shape", "time", "output"),
    [
        ((1, 3), None, (("class",), "window")),
        ((1, 10, 3), 1, (("frame", "class"), "frames")),
        ((1, 3, 10), 2, (("axis_1", "frame"), "window")),
        ((1, 3, 10), None, (("axis_1", "axis_2"), "window")),
        ((1, 16000), 1, (("sample",), "audio")),
        ((1, 1, 16000), None, (("channel", "sample"), "audio")),
        ((1, 100), 1, (("frame",), "frames")),
        ((1,), None, ((), "window")),
        ((1, 1, 1), 1, (("frame", "class"), "frames")),
    ],
)
def test_outputs_are_described_by_what_is_known(shape: Shape, time: int | None, output: Any) -> None:
    times = {} if time is None else {"output": time}
    (found,) = draft(model({"audio": (1, 16000)}, {"output": shape}, times=times)).outputs
    assert found == DraftOutput("output", *output)


def test_outputs_that_share_their_first_axis_are_frames() -> None:
    found = draft(model({"audio": (1, 43844, 1)}, {"note": (1, 172, 88), "contour": (1, 172, 264)}))
    assert [(one.name, one.axes, one.kind) for one in found.outputs] == [
        ("note", ("frame", "class"), "frames"),
        ("contour", ("frame", "class"), "frames"),
    ]
    assert (found.window_samples, found.channels) == (43844, 1)


def test_states_are_paired_by_shape_and_name() -> None:
    inputs = {"x": (1, 512), "h": (1, 64), "c": (1, 64), "sr": (1, 3)}
    outputs = {"y": (1, 1), "new_c": (1, 64), "new_h": (1, 64), "sr_out": (1, 3)}
    assert draft(model(inputs, outputs)).state == {"h": "new_h", "c": "new_c", "sr": "sr_out"}


def test_a_tuple_is_named_in_its_order_only_where_states_come_last() -> None:
    inputs = {"audio": (1, 512), "h": (1, 64)}
    last = draft(model(inputs, {"output_0": (1, 1), "output_1": (1, 64)}), ChosenTask("voice_activity", ("speech",)))
    assert ([one.name for one in last.outputs], last.state) == (["speech"], {"h": "h_out"})
    first = draft(model(inputs, {"output_0": (1, 64), "output_1": (1, 1)}), ChosenTask("voice_activity", ("speech",)))
    assert ([one.name for one in first.outputs], first.state) == (["output_0", "output_1"], {"h": "output_0"})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "it takes no input"),
        ({"audio": (1, 16000), "gain": (1,)}, "input 'gain' of shape [1] is no audio, and no state either"),
        ({"image": (1, 3, 224, 224)}, "is neither a window of samples nor frames of features"),
    ],
)
def test_what_cannot_be_played_is_told(inputs: dict[str, Shape], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        draft(model(inputs, {"output": (1, 2)}))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((1, 40, 101), ("batch", "mel", "frame")),
        ((1, 98, 64), ("batch", "frame", "mel")),
        ((1, 1, 100, 128), ("batch", "channel", "frame", "mel")),
        ((1, 30, 17), ("batch", "frame", "mel")),
        ((1, 1, 40), ("batch", "frame", "mel")),
        ((1, 64, 40), ("batch", "frame", "mel")),
    ],
)
def test_a_front_end_that_fits_stands_in(tmp_path: Path, shape: Shape, axes: Shape) -> None:
    found = draft(model({"mel": shape}, {"output": (1, 2)}))
    assert found.stand_in is not None
    assert found.stand_in.axes == axes
    recipe = read_recipe(make_starter(tmp_path, source="python:net:build", systems=(), draft=found).recipe)
    audio = need_audio(recipe)
    assert recipe.written.frontend is not None
    made = open_frontend(find_frontend(recipe.written.frontend, tmp_path), audio)
    assert feed_features("mel", shape, made).feed(np.zeros((1, audio.window_samples), np.float32)).shape == shape


@pytest.mark.parametrize(
    ("found", "has", "asked", "kind"),
    [
        (model({"a": (1, 999)}, {"output": (1, 2)}), data(), None, "tagging"),
        (model({"a": (1, 999)}, {"output": (1, 3)}), data(), None, "parity"),
        (model({"a": (1, 999)}, {"output": (1, 2)}), None, None, "parity"),
        (model({"a": (1, 999)}, {"tags": (1, 3)}), data(), None, "tagging"),
        (model({"a": (1, 999)}, {"keyword": (1, 3)}), data(), None, "keyword"),
        (model({"a": (1, 999)}, {"output": (1, 2)}), data(), "embedding", "embedding"),
        (model({"a": (1, 999)}, {"output": (1, 2)}), None, "voice_activity", "voice_activity"),
    ],
)
def test_a_task_is_taken_where_it_is_certain(
    found: ModelFacts, has: DataFacts | None, asked: str | None, kind: str
) -> None:
    chosen = choose(found, has, asked)
    assert chosen.kind == kind
    assert chosen.found[0].startswith(f"task: {kind}")
    assert chosen.labels == (kind != "voice_activity")


def test_classes_come_in_the_order_of_the_models_code() -> None:
    found = model({"a": (1, 999)}, {"output": (1, 2)})
    assert choose(found, data(), None, NAMES=("dog", "cat")).options == {
        "classes": ["dog", "cat"],
        "single_label": True,
    }
    guessed = choose(found, data(), None, NAMES=("dog", "bird"))
    assert guessed.options["classes"] == ["cat", "dog"]
    assert "in the order of the alphabet, which is assumed" in guessed.found[-1]


def test_words_are_named_as_classes_are() -> None:
    found = choose(model({"a": (1, 999)}, {"output": (1, 3)}), data(), "keyword")
    assert found.options == {"words": ["cat", "dog"]}
    assert found.found[-1] == "but the output has 3 values: let words in [task] name one each, in order"


def test_a_task_that_there_is_not() -> None:
    with pytest.raises(EvaluationError, match="no task of kind 'taging'; did you mean 'tagging'"):
        choose(model({"a": (1, 999)}, {"output": (1, 2)}), data(), "taging")


def test_the_rate_is_that_of_most_clips() -> None:
    told = "that of most of 4 clips; if the model expects another one, say --sample-rate"
    assert find_data_rate(data()) == Rate(8000, told)
    assert find_data_rate(data(rates_hz={})) is None
    assert find_data_rate(None) is None


@pytest.mark.parametrize("task", ["tagging", "keyword", "voice_activity", "parity", "speech_recognition", "embedding"])
def test_every_draft_is_a_recipe(tmp_path: Path, task: str) -> None:
    found = model({"audio": (1, 4000), "h": (1, 7)}, {"output_0": (1, 2), "output_1": (1, 7)})
    chosen = choose_task(found, {"h": "output_1"}, data(), asked=task, lists={})
    made = make_starter(tmp_path, source="python:net:build", draft=draft(found, chosen), devices=("pixel-2",))
    recipe = read_recipe(made.recipe)
    assert recipe.written.model.state == {"h": "h_out"}
    assert recipe.written.task is not None
    assert (recipe.written.task.kind, recipe.written.task.dataset) == (task, "sample_clips")
    assert sorted(path.name for path in (tmp_path / "sample_clips").iterdir()) == [
        "beats.wav",
        "melody.wav",
        "murmur.wav",
        "sweep.wav",
    ]


@pytest.mark.parametrize(("rate_hz", "channels", "window"), [(8000, 1, 100), (48000, 2, 96000), (16000, 1, 16000 * 40)])
def test_sample_clips_sound_and_differ(rate_hz: int, channels: int, window: int) -> None:
    found = list(make_clips(rate_hz, channels, window).values())
    assert all(clip.shape == found[0].shape and clip.shape[1] == channels for clip in found)
    assert len(found[0]) >= min(2 * window, rate_hz * 40)
    assert all(np.isfinite(clip).all() and 0.4 < np.abs(clip).max() <= 0.5 for clip in found)
    assert len({clip.tobytes() for clip in found}) == 4
    again = make_clips(rate_hz, channels, window).values()
    assert [clip.tobytes() for clip in again] == [clip.tobytes() for clip in found]
