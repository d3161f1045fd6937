"""What is seen and heard of a clip: sides in their order, and the baseline's beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.evaluation import ClipScores, Evaluation, VariantResult
from evaluators.picture_records import Note, Pictures
from reports.judging.comparison import compare
from reports.page.clips import ClipLine, ClipSection, list_clips
from reports.page.html import render
from reports.page.listening import Listening
from reports.page.sections import make_keys
from tests.reports.example_evaluation import make_evaluation, ratio
from tests.reports.example_sounds import add_sounds, draw


def list_sections(now: Evaluation, before: Evaluation | None, *folders: Path) -> ClipSection:
    return list_clips(compare(now, before), make_keys(now), *folders)


def stage(line: ClipLine) -> Listening:
    assert line.listening is not None
    return line.listening


def name_tracks(found: Listening) -> list[str]:
    return [f"{'baseline ' if one.is_earlier else ''}{one.side or one.key or one.name}" for one in found.tracks]


def change_clips(evaluation: Evaluation, variant: str, clip: str, **changes: object) -> Evaluation:
    def change(one: ClipScores) -> ClipScores:
        return one.model_copy(update=changes) if one.clip == clip else one

    def pick(one: VariantResult) -> VariantResult:
        clips = tuple(map(change, one.clips)) if one.variant == variant else one.clips
        return one.model_copy(update={"clips": clips})

    return evaluation.model_copy(update={"variants": tuple(map(pick, evaluation.variants))})


@pytest.fixture(scope="module")
def plain() -> Evaluation:
    return make_evaluation()


def test_a_clip_that_became_worse_stands_first_with_the_bundle_that_did(plain: Evaluation) -> None:
    last = list_sections(plain, None).lines[-1].info.clip
    now = change_clips(plain, "tflite-float32", last, scores={"note_f1": ratio(0.2)})
    first = list_sections(now, plain).lines[0]
    assert (first.info.clip, first.worst) == (last, "A")
    assert first.regressed > 0.5
    assert list_sections(now, plain).regressed == 1
    assert name_tracks(stage(first)) == ["labels", "source", "A", "baseline A"]
    page = render(compare(now, plain))
    assert "1 clip that is worse than in the baseline come" in page
    assert "worse than in the baseline</span>" in page


def test_without_a_baseline_of_the_same_clips_there_is_none_beside(plain: Evaluation) -> None:
    other = plain.model_copy(update={"dataset": plain.dataset.model_copy(update={"sha256": "0" * 64})})
    for before in (None, other):
        found = list_sections(plain, before)
        assert found.regressed == 0
        assert not any(track.is_earlier for line in found.lines if line.listening for track in line.listening.tracks)


def test_a_bundle_that_took_anothers_place_is_heard_beside_it(plain: Evaluation) -> None:
    renamed = plain.variants[4].model_copy(update={"variant": "coreml-mixed_float16"})
    now = plain.model_copy(update={"variants": (*plain.variants[:4], renamed, *plain.variants[5:])})
    found = stage(list_sections(now, plain).lines[0])
    assert name_tracks(found)[-2:] == ["E", "baseline E"]
    assert [track.name for track in found.tracks[-2:]] == ["coreml-mixed_float16", "coreml-float16"]


def test_what_is_the_same_is_said_and_not_played_twice(plain: Evaluation) -> None:
    clip = plain.source.clips[0]
    events = (Note(onset_s=0.1, offset_s=0.5, pitch_midi=60),)
    now = plain
    for variant in plain.variants[:7]:
        same = {"notes": None, "pictures": Pictures(events=events), "scores": {"note_f1": ratio(0.01)}}
        now = change_clips(now, variant.variant, clip.clip, **same)
    sources = tuple(
        one.model_copy(update={"notes": None, "pictures": Pictures(events=events)}) if one.clip == clip.clip else one
        for one in plain.source.clips
    )
    now = now.model_copy(update={"source": plain.source.model_copy(update={"clips": sources})})
    found = stage(next(line for line in list_sections(now, None).lines if line.info.clip == clip.clip))
    assert [track.same_as for track in found.tracks] == [None, None, 1]
    assert [track.note for track in found.tracks][1:] == ["1 note", "1 note"]


def test_a_pitch_is_drawn_for_every_side(plain: Evaluation) -> None:
    clip = plain.source.clips[0].clip
    now = plain
    for number, variant in enumerate(plain.variants[:7]):
        scores = {"note_f1": ratio(0.01)}
        now = change_clips(now, variant.variant, clip, notes=None, pictures=draw(number, ""), scores=scores)
    found = stage(list_sections(now, plain).lines[0])
    assert (found.kind, name_tracks(found)) == ("pitch", ["A"])  # the source and the labels have no such pitch
    assert found.tracks[0].lane.count("M") == 2


def change_tracks(evaluation: Evaluation) -> Evaluation:
    """Without what models made."""
    variants = (
        one.model_copy(update={"clips": tuple(clip.model_copy(update={"tracks": ()}) for clip in one.clips)})
        for one in evaluation.variants
    )
    return evaluation.model_copy(update={"variants": tuple(variants)})


def test_models_sound_is_heard_beside_the_baselines_own(plain: Evaluation, tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    few = plain.model_copy(update={"variants": plain.variants[:3]})
    now, before = add_sounds(few, new), add_sounds(few, old, seed=100)
    found = stage(list_sections(now, before, new, old).lines[0])
    names = name_tracks(found)
    assert names[:3] == ["reference", "input", "source"]
    bundles = names[3:]
    assert bundles[1::2] == [f"baseline {key}" for key in bundles[::2]]
    assert all(track.player is None or track.player.source for track in found.tracks)
    # Its files are looked for beside its own evaluation, and hold what that says.
    for file in (old / "previews").iterdir():
        file.write_bytes(b"fLaC, or so it says")
    alone = stage(list_sections(now, before, new, old).lines[0])
    problems = [track.player.problem for track in alone.tracks if track.is_earlier and track.player]
    assert problems
    assert all(problem and "not the FLAC file" in problem for problem in problems)
    silent = change_tracks(before)
    assert "the baseline kept no sound of this clip" in stage(list_sections(now, silent, new, old).lines[0]).remark
    without = stage(list_sections(now, before, new).lines[0])
    assert {track.player.problem for track in without.tracks if track.is_earlier and track.player} == {
        "the sound is not beside this page"
    }
