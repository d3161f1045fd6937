"""Tasks with labels, from the manifest to scores with intervals, on a TFLite model that gives its input back.

A window's 88 samples are the values of one vector, so that a clip is written as what the model is to say of it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evaluators.datasets.place import Place
from evaluators.datasets.preparation import prepare_dataset
from evaluators.playing.schedule import TrialSetup, _trial_request
from evaluators.playing.trial import TrialResult, play
from evaluators.task_asking import ask_task
from evaluators.task_loading import find_task
from evaluators.tasks.chords import ROOTS
from packager.model import OutputSpec
from tests.benches import AUDIO, make_bench, write_model

pytestmark = [pytest.mark.slow, pytest.mark.tflite]

SIZE = AUDIO.window_samples


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> TrialSetup:
    return make_bench(tmp_path_factory.mktemp("bench"))


def _rows(*columns: int) -> np.ndarray:
    """Windows, each with one value that is greater than all others."""
    return 0.1 + 0.8 * np.eye(SIZE)[list(columns)]


def _play(bench: TrialSetup, task: dict[str, Any], clips: list[tuple[Any, np.ndarray]], folder: Path) -> TrialResult:
    for index, (_, windows) in enumerate(clips):
        soundfile.write(folder / f"{index}.wav", windows.reshape(-1), AUDIO.sample_rate_hz, subtype="FLOAT")
    lines = [json.dumps({"audio": f"{index}.wav", **labels}) for index, (labels, _) in enumerate(clips)]
    (folder / "clips.jsonl").write_text("\n".join(lines))
    info = ask_task(find_task(task["kind"], task.get("options")))
    place = Place(folder / "out")
    dataset = prepare_dataset(folder / "clips.jsonl", task=info, audio=AUDIO, place=place)
    windows, (output,) = dataset.found.find_windows(place.out), info.required_outputs
    (folder / "reference").mkdir()
    np.save(folder / "reference" / f"{output}.npy", np.load(windows.path).repeat(2, axis=1))
    setup = replace(
        bench,
        dataset=dataset.path,
        task=info,
        folder=dataset.folder,
        outputs={output: OutputSpec(axes=("frame", "value"))},
        windows=windows,
        reference=folder / "reference",
    )
    model = write_model(folder / "m.tflite", onset=(1.0, 1.0), onset_name=output)
    *_, last = play(_trial_request(model, setup).model_dump(mode="json"))
    return TrialResult.model_validate(last["result"], strict=False)


def _values(result: TrialResult) -> dict[str, float | None]:
    return {name: found.score.value for name, found in result.dataset_scores.items()}


def test_tagging(bench: TrialSetup, tmp_path: Path) -> None:
    clips = [({"labels": [3]}, _rows(3, 3)), ({"labels": [5, 3]}, _rows(5, 3)), ({"labels": []}, _rows(7))]
    result = _play(bench, {"kind": "tagging", "options": {"threshold": 0.6, "pool": "max"}}, clips, tmp_path)
    assert _values(result) == {"mean_average_precision": 1.0, "macro_f1": 1.0, "roc_auc": 1.0}
    assert result.dataset_scores["macro_f1"].score.low == 1.0
    drawn = result.clips[1].pictures
    assert drawn is not None and drawn.text is not None
    assert drawn.text.startswith("3 0.9, 5 0.9, 0 0.1")
    assert result.charts is not None and result.charts.classes is not None
    assert (result.charts.classes.classes, result.charts.classes.clips) == (("3", "5"), (2, 1))


def test_where_nothing_is_drawn_the_scores_are_the_same(bench: TrialSetup, tmp_path: Path) -> None:
    clips = [({"labels": [3]}, _rows(3, 3)), ({"labels": [5, 3]}, _rows(5, 3))]
    results = []
    for draws in (True, False):
        folder = tmp_path / str(draws)
        folder.mkdir()
        results.append(_play(replace(bench, draws=draws), {"kind": "tagging"}, clips, folder))
    drawn, plain = results
    assert drawn.charts is not None
    assert plain.charts is None
    assert [(clip.curves, clip.pictures) for clip in plain.clips] == [((), None)] * 2
    assert [clip.scores for clip in plain.clips] == [clip.scores for clip in drawn.clips]
    assert plain.dataset_scores == drawn.dataset_scores


def test_embedding(bench: TrialSetup, tmp_path: Path) -> None:
    clips = [({"identity": name}, _rows(column)) for name, column in (("ann", 1), ("ann", 1), ("ben", 2), ("ben", 3))]
    result = _play(bench, {"kind": "embedding"}, clips, tmp_path)
    # The two of ann are alike, those of ben as little as all others: 1/2 of misses at 0, then all are accepted.
    assert _values(result) == {
        "equal_error_rate": pytest.approx(1 / 3),
        "min_dcf": pytest.approx(1 / 2),
        "agreement_nearest_neighbour": 1.0,
    }
    assert [clip.scores["agreement_cosine"].value for clip in result.clips] == [pytest.approx(1.0)] * 4
    assert result.dataset_scores["min_dcf"].units == 2
    assert result.charts is not None
    (curve,) = result.charts.curves
    assert curve.points == ((0.0, 1.0), (0.0, 0.5), (1.0, 0.0))


def test_speech_recognition(bench: TrialSetup, tmp_path: Path) -> None:
    vocabulary = ["-", " ", "a", "b", *map(str, range(4, SIZE))]
    # Each window is two frames: what is said twice in a row is one letter unless a blank is between.
    clips = [
        ({"text": "Abb a!", "speaker": "ann"}, _rows(2, 2, 3, 0, 3, 1, 2, 1, 3, 2)),
        ({"text": "b", "speaker": "ben"}, _rows(0, 0)),
    ]
    options = {"vocabulary": vocabulary, "speakers": True}
    result = _play(bench, {"kind": "speech_recognition", "options": options}, clips, tmp_path)
    # "abb a ba" has a word too many, and nothing is heard of the second clip.
    found = _values(result)
    assert found["word_error_rate"] == pytest.approx(2 / 3)
    assert (found["substitution_rate"], found["insertion_rate"], found["deletion_rate"]) == (0, 1 / 3, 1 / 3)
    assert found["character_error_rate"] == pytest.approx(4 / 6)
    texts = [None if clip.pictures is None else clip.pictures.text for clip in result.clips]
    assert texts == ["abb a ba", ""]
    assert result.charts is None, "nothing is drawn of the whole"


def test_sound_events(bench: TrialSetup, tmp_path: Path) -> None:
    # A window is 0.1 s; the second clip is all of the other class.
    clips = [
        ({"events": [[0, 0.5, 3], [0.5, 1.0, 5]]}, _rows(3, 3, 3, 3, 3, 5, 5, 5, 5, 5)),
        ({"events": [[0, 1.0, 3]]}, _rows(*10 * [5])),
    ]
    result = _play(bench, {"kind": "sound_events"}, clips, tmp_path)
    found = _values(result)
    assert found["event_macro_f1"] == found["segment_macro_f1"] == pytest.approx(2 / 3)
    assert found["segment_micro_error_rate"] == pytest.approx(1 / 3)
    assert [clip.scores["event_errors"].value for clip in result.clips] == [0, 2]
    drawn = result.clips[0].pictures
    assert drawn is not None and drawn.spans is not None
    assert [span.label for span in drawn.spans] == ["3", "5"]


def test_chords(bench: TrialSetup, tmp_path: Path) -> None:
    qualities = ("maj", "min", "7", "maj7", "min7", "dim", "aug", "sus4")
    classes = [*[f"{root}:{quality}" for quality in qualities for root in ROOTS][: SIZE - 1], "N"]
    clips = [
        ({"chords": [[0, 0.5, "C"], [0.5, 1.0, "N"]]}, _rows(0, 0, 0, 0, 0, *5 * [SIZE - 1])),
        ({"chords": [[0, 1.0, "C:7"]]}, _rows(*10 * [0])),
    ]
    result = _play(bench, {"kind": "chords", "options": {"classes": classes}}, clips, tmp_path)
    assert [clip.scores["chord_majmin"].value for clip in result.clips] == [pytest.approx(1), pytest.approx(1)]
    assert [clip.scores["chord_sevenths"].value for clip in result.clips] == [pytest.approx(1), 0]
    drawn = result.clips[0].pictures
    assert drawn is not None and drawn.spans is not None
    assert [span.label for span in drawn.spans] == ["C:maj", "N"]
