from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.evaluation import Evaluation
from reports.judging.comparison import compare
from reports.page.clips import list_clips
from reports.page.sections import make_keys
from tests.reports.example_pictures import add_pictures, without_a_metric


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def pictured(evaluation: Evaluation, folder: Path) -> Evaluation:
    return add_pictures(evaluation, folder)


@pytest.mark.slow
def test_the_worst_clips_are_seen_and_heard(pictured: Evaluation, folder: Path) -> None:
    found = list_clips(compare(pictured), make_keys(pictured), folder)
    assert found.has_source
    assert len(found.lines) == 24
    stages = [line.listening and line.listening.tracks[0] for line in found.lines]
    heard = [stage is not None and bool(stage.player and stage.player.source) for stage in stages]
    assert heard == [number < len([each for each in heard if each]) for number in range(24)]
    first, last = found.lines[0].pictures, found.lines[-1].pictures
    stage = found.lines[0].listening
    assert stage is not None
    assert [track.side or track.key for track in stage.tracks] == ["clip", "labels", "source", found.lines[0].worst]
    assert stage.tracks[0].spectrogram is not None
    assert (stage.kind, stage.reference) == ("notes", 1)
    assert [curve.output for curve in first.curves] == ["pitch"]
    assert last.empty


@pytest.mark.slow
def test_a_task_without_a_metric_ranks_clips_by_their_largest_error(pictured: Evaluation, folder: Path) -> None:
    bare = without_a_metric(pictured)
    found = list_clips(compare(bare), make_keys(bare), folder)
    assert (found.metric, found.direction, found.has_source) == ("max_abs_error", "lower", False)
    worst = [max(cell.score.value or 0 for cell in line.cells if cell.score) for line in found.lines]
    assert worst == sorted(worst, reverse=True)
    assert all(line.worst == "E" for line in found.lines)  # coreml-float16, which is the farthest off
    assert all(sum(cell.worst for cell in line.cells) == 1 for line in found.lines)
    assert found.lines[0].listening is None
    assert found.lines[0].pictures.curves


def test_without_the_evaluations_folder_nothing_is_heard(pictured: Evaluation) -> None:
    found = list_clips(compare(pictured), make_keys(pictured))
    assert {line.player for line in found.lines} == {None}
    assert not any(track.player for line in found.lines if line.listening for track in line.listening.tracks)


def test_an_evaluation_without_clips_has_no_section(evaluation: Evaluation) -> None:
    bare = tuple(variant.model_copy(update={"clips": ()}) for variant in evaluation.variants)
    found = list_clips(compare(evaluation.model_copy(update={"variants": bare})), make_keys(evaluation))
    assert found.lines == ()
