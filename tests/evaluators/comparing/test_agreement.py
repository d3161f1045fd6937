"""On how many clips a bundle is no worse, and what of a task is asked how."""

from __future__ import annotations

from typing import Any

import pytest

from evaluators.comparing.agreement import Agreement, count_not_worse
from evaluators.errors import EvaluationError
from evaluators.evaluation import ClipScores
from evaluators.score import Score
from evaluators.task import Found, Metric, SideBySide, Task, make_scores
from evaluators.task_asking import ask_task
from evaluators.task_loading import TaskInfo, find_task

NOTES = ask_task(find_task("note_transcription"))
SOUND = ask_task(find_task("enhancement"))


def _clips(metric: str, values: list[float | None], *, direction: Any = "higher") -> list[ClipScores]:
    scores = [
        Score(
            value=value,
            unit="x",
            direction=direction,
            basis="emulated",
            reason=None if value is not None else "no note",
        )
        for value in values
    ]
    return [ClipScores(clip=str(number), scores={metric: score}) for number, score in enumerate(scores)]


def _count(
    task: TaskInfo, metric: str, source: list[float | None], bundle: list[float | None], *, direction: Any = "higher"
) -> Score:
    sides = _clips(metric, source, direction=direction), _clips(metric, bundle, direction=direction)
    return count_not_worse(*sides, task, [None] * len(source))


def test_clips_that_are_better_or_equal_count_and_those_without_a_value_do_not() -> None:
    found = _count(NOTES, "note_f1", [0.5, 0.5, 0.5, None, 0.5], [0.4, 0.5, 0.6, 0.0, None])
    assert found.value == pytest.approx(2 / 3)
    assert (found.unit, found.direction, found.low, found.high) == ("ratio", "higher", 0.0, 1.0)


def test_the_metrics_tolerance_holds() -> None:
    assert SOUND.metrics["si_sdr_db"].tolerance == 0.1
    assert _count(SOUND, "si_sdr_db", [10.0, 10.0], [9.95, 9.85]).value == 0.5


def test_where_lower_is_better_more_is_worse() -> None:
    info = NOTES.metrics["note_f1"].model_copy(update={"direction": "lower"})
    task = NOTES.model_copy(update={"metrics": {"errors": info}})
    assert _count(task, "errors", [2.0, 2.0, 2.0], [1.0, 2.0, 3.0], direction="lower").value == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("task", "values", "reason"),
    [
        (ask_task(find_task("note_transcription", labels=False)), [0.5], "the clips have no labels"),
        (ask_task(find_task("tagging")), [0.5], "the task scores no clip by itself"),
        (NOTES, [None, None], "no clip has values: no note"),
    ],
)
def test_where_nothing_is_counted_the_reason_is_told(task: TaskInfo, values: list[float | None], reason: str) -> None:
    found = _count(task, "note_f1", values, values)
    assert (found.value, found.reason) == (None, reason)


class _Words(Task):
    agreements = {"agreement_words": Metric("ratio", "higher", "Same words.")}

    def agree(self, clip: SideBySide) -> Found:
        return {"agreement_word": 1.0}


def test_an_agreement_that_is_not_declared_is_told_by_the_tasks_own_name() -> None:
    agreement = Agreement(_Words())
    with pytest.raises(
        EvaluationError, match=r'_Words.agree returned agreement_word; right are .* "clip": agreement_words'
    ):
        make_scores(agreement, agreement.score(SideBySide(1, 1), 1), "clip", basis="emulated")
