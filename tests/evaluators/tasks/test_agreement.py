"""Every task's agreement of a bundle with its source: properties on random outputs, numbers on small ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.comparing.agreement import Agreement
from evaluators.comparing.speech_time import Speech
from evaluators.picture_records import Note
from evaluators.score import Score
from evaluators.task import Absent, SideBySide, Task, make_scores
from evaluators.task_loading import list_tasks, load_task
from evaluators.tasks.beat import Beat
from evaluators.tasks.chords import Chord, Chords
from evaluators.tasks.codec import Codec
from evaluators.tasks.embedding import Embedding
from evaluators.tasks.enhancement import Enhancement
from evaluators.tasks.key import Key
from evaluators.tasks.keyword import Detections, Keyword, KeywordOptions, Keywords, Spoken
from evaluators.tasks.note_transcription import NoteTranscription
from evaluators.tasks.pitch import Pitch, PitchTrack
from evaluators.tasks.sound_events import Events, SoundEvents
from evaluators.tasks.speech_recognition import SpeechRecognition
from evaluators.tasks.tagging import Tagging, TaggingOptions
from evaluators.tasks.voice_activity import VoiceActivity
from evaluators.unlabelled import Unlabelled
from evaluators.windows import Stitched

FRAME_S = 0.02
FRAMES = 400
DURATION_S = FRAMES * FRAME_S
Random = np.random.Generator
Arrays = dict[str, np.ndarray]


def _blocks(random: Random, low: float, high: float) -> np.ndarray:
    """Stretches of 30 frames, each high or low, the first two one of each."""
    levels = [low, high, *random.choice([low, high], FRAMES // 30 - 1)]
    return np.repeat(levels, 30)[:FRAMES]


def _notes(random: Random) -> Arrays:
    note, onset = np.zeros((2, FRAMES, 88))
    for start in range(10, FRAMES - 60, 60):
        key = random.integers(88)
        note[start : start + 40, key], onset[start, key] = 0.9, 0.9
    return {"note": note, "onset": onset}


def _peaks(random: Random) -> np.ndarray:
    values = np.zeros(FRAMES)
    values[random.integers(0, 9) + np.arange(15, FRAMES - 9, 75)] = 0.9
    return values


def _pitch(random: Random) -> np.ndarray:
    return 220 * 2 ** random.uniform(0, 1, FRAMES) * (_blocks(random, 0, 1) > 0)


@dataclass(frozen=True)
class Case:
    """A task, outputs of a source model, and what another model might give that decides otherwise."""

    task: Task
    draw: Callable[[Random], Arrays]
    damage: Callable[[np.ndarray], np.ndarray] = lambda values: np.roll(values, 40, axis=0)
    kind: Any = "frames"
    best: dict[str, float] = field(default_factory=dict)
    """of an agreement that is not best at 1, or at 0 where lower is better"""

    def decode(self, arrays: Arrays) -> Any:
        step_s = 1 / 8000 if self.kind == "audio" else FRAME_S
        outputs = {
            name: Stitched(
                values, np.arange(values.shape[-1] if self.kind == "audio" else len(values)) * step_s, self.kind
            )
            for name, values in arrays.items()
        }
        return self.task.decode(outputs)

    def compare(self, seed: int, *, damage: bool) -> SideBySide:
        arrays = self.draw(np.random.default_rng(seed))
        other = {name: self.damage(values) if damage else values.copy() for name, values in arrays.items()}
        return SideBySide(self.decode(arrays), self.decode(other), duration_s=DURATION_S)


CASES = {
    "note_transcription": Case(NoteTranscription(), _notes),
    "pitch": Case(Pitch(), lambda random: {"pitch_hz": _pitch(random)}),
    "beat": Case(Beat(), lambda random: {"beat": _peaks(random)}),
    "chords": Case(Chords(), lambda random: {"chords": np.stack([_blocks(random, 0, 1) for _ in range(25)], axis=1)}),
    "key": Case(Key(), lambda random: {"key": random.uniform(size=24)}, lambda v: 1 - v, kind="clip"),
    "sound_events": Case(
        SoundEvents(), lambda random: {"events": np.stack([_blocks(random, 0.1, 0.9) for _ in range(3)], axis=1)}
    ),
    "voice_activity": Case(VoiceActivity(), lambda random: {"speech": _blocks(random, 0.1, 0.9)}),
    "keyword": Case(Keyword(), lambda random: {"keyword": _peaks(random)}),
    "tagging": Case(
        Tagging(), lambda random: {"tags": np.append(random.uniform(0, 0.9, 9), 0.95)}, lambda v: 1 - v, kind="clip"
    ),
    "embedding": Case(
        Embedding(),
        lambda random: {"embedding": random.normal(size=16)},
        lambda v: v * np.linspace(-1, 2, 16),
        kind="clip",
    ),
    "speech_recognition": Case(SpeechRecognition(), lambda random: {"logits": random.normal(size=(60, 29))}),
    "enhancement": Case(
        Enhancement(),
        lambda random: {"enhanced": random.normal(size=(1, 4096))},
        lambda v: v + 0.1 * v[:, ::-1],
        kind="audio",
        best={"agreement_si_sdr_db": 100.0, "agreement_sdr_db": 100.0},
    ),
    "codec": Case(
        Codec(),
        lambda random: {"decoded": random.normal(size=(1, 4096))},
        lambda v: np.cumsum(v, axis=1),
        kind="audio",
    ),
}


def _agree(task: Task, clips: list[SideBySide]) -> dict[str, Score]:
    """All agreements: those of each clip as their mean."""
    agreement, pairs = Agreement(task), [(clip, clip.estimate) for clip in clips]
    scores = make_scores(agreement, agreement.score_dataset(pairs), "dataset", basis="emulated")
    each = [make_scores(agreement, agreement.score(*pair), "clip", basis="emulated") for pair in pairs]
    for name in agreement.names_of_scope("clip"):
        values = [found[name].value for found in each if found[name].value is not None]
        scores[name] = each[0][name].model_copy(update={"value": float(np.mean(values))} if values else {})
    return scores


def test_every_task_but_parity_tells_of_agreement() -> None:
    assert {*CASES, "parity"} == set(list_tasks())
    assert [kind for kind in CASES if not load_task(kind).agreements] == []


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=8)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=3, max_size=6, unique=True))
def test_agreement_is_whole_for_an_equal_bundle_and_less_for_another(kind: str, seeds: list[int]) -> None:
    case = CASES[kind]
    task = Unlabelled(case.task)
    equal = _agree(task, [case.compare(seed, damage=False) for seed in seeds])
    assert set(equal) == set(task.agreements)
    for name, score in equal.items():
        best = case.best.get(name, float(score.direction == "higher"))
        assert score.value == pytest.approx(best, abs=1e-12), name
    damaged = _agree(task, [case.compare(seed, damage=True) for seed in seeds])
    losses = [(equal[name].goodness or 0.0) - (damaged[name].goodness or 0.0) for name in task.agreements]
    assert min(losses) > -1e-9
    assert max(losses) > 1e-3
    for score in damaged.values():
        assert score.value is not None
        assert score.unit != "ratio" or score.direction == "lower" or 0 <= score.value <= 1


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=8)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=3, max_size=5, unique=True), damage=st.booleans())
def test_the_order_of_clips_does_not_matter(kind: str, seeds: list[int], damage: bool) -> None:
    case = CASES[kind]
    clips = [case.compare(seed, damage=damage) for seed in seeds]
    task = Unlabelled(case.task)
    forth, back = _agree(task, clips), _agree(task, clips[::-1])
    assert {n: s.value for n, s in forth.items()} == pytest.approx({n: s.value for n, s in back.items()})


def _found(task: Task, source: Any, estimate: Any, *, duration_s: float = 10.0, labels: Any = None) -> dict[str, Any]:
    clip = SideBySide(source, estimate, labels, duration_s)
    found = {**task.agree(clip), **task.agree_dataset([clip])}
    return {name: value.reason if isinstance(value, Absent) else value for name, value in found.items()}


def _note(onset_s: float, offset_s: float, pitch: int) -> Note:
    return Note(onset_s=onset_s, offset_s=offset_s, pitch_midi=pitch)


def test_notes() -> None:
    source = (_note(0, 1, 60), _note(1, 2, 62), _note(2, 3, 64))
    # One is the same, one ends a second late, one is another pitch, and one is only the bundle's: 2 of 3, 2 of 4.
    found = (_note(0.04, 1, 60), _note(1, 3, 62), _note(2, 3, 65), _note(4, 5, 65))
    assert _found(NoteTranscription(), source, found) == pytest.approx(
        {"agreement_note_f1": 4 / 7, "agreement_note_with_offset_f1": 2 / 7}
    )
    none = "neither the source nor the bundle finds a note"
    assert set(_found(NoteTranscription(), (), ()).values()) == {none}
    assert set(_found(NoteTranscription(), (), found).values()) == {0.0}
    assert set(_found(NoteTranscription(), source, ()).values()) == {0.0}


def _track(*pitch_hz: float, voiced: tuple[bool, ...] | None = None) -> PitchTrack:
    values = np.array(pitch_hz)
    return PitchTrack(np.arange(len(values)) * 0.01, values, values > 0 if voiced is None else np.array(voiced))


def test_pitch() -> None:
    up = 2 ** (40 / 1200)
    # Of four voiced frames one is 40 cents off, one an octave, and one is right but found unvoiced.
    source, found = (
        _track(200, 200, 200, 200, 0),
        _track(200 * up, 400, 200, 200, 300, voiced=(True, True, True, False, True)),
    )
    assert _found(Pitch(), source, found) == pytest.approx(
        {
            "agreement_pitch_accuracy": 3 / 4,
            "agreement_pitch_cents": (40 + 1200 + 0) / 3,
            "agreement_pitch_voicing": 3 / 5,
        }
    )
    assert _found(Pitch(), _track(0, 0), _track(0, 100)) == {
        "agreement_pitch_accuracy": "the source finds no frame voiced",
        "agreement_pitch_cents": "no frame is voiced in both",
        "agreement_pitch_voicing": 0.5,
    }
    assert set(_found(Pitch(), _track(), _track()).values()) == {"the models gave no frame"}


def test_pitch_accuracy_is_mir_evals_raw_pitch_accuracy() -> None:
    random = np.random.default_rng(3)
    source = _track(*(_pitch(random)))
    found = _track(*(source.pitch_hz * 2 ** (random.normal(0, 60, FRAMES) / 1200)))
    labels = PitchTrack(source.times_s, np.where(source.voiced, source.pitch_hz, 0), source.voiced)
    expected = Pitch().score(labels, found)["pitch_raw_accuracy"]
    assert 0.3 < _found(Pitch(), source, found)["agreement_pitch_accuracy"] < 0.9
    assert _found(Pitch(), source, found)["agreement_pitch_accuracy"] == pytest.approx(expected)


def test_beats() -> None:
    # Within the first five seconds too, and two of three are within 70 ms.
    assert _found(Beat(), (1.0, 2.0, 3.0), (1.06, 2.0, 3.08)) == pytest.approx({"agreement_beat_f1": 2 / 3})
    assert _found(Beat(), (), (1.0,)) == {"agreement_beat_f1": 0.0}
    assert _found(Beat(), (), ()) == {"agreement_beat_f1": "neither the source nor the bundle finds a beat"}


def test_chords() -> None:
    # Of ten seconds one has another chord, and of the last two the bundle says nothing where the source names one.
    source = (Chord(0.0, 4.0, "C:maj"), Chord(4.0, 10.0, "A:min"))
    found = (Chord(-1.0, 5.0, "C:maj"), Chord(5.0, 8.0, "A:min"))
    assert _found(Chords(), source, found) == pytest.approx({"agreement_chord_time": 0.7})
    assert _found(Chords(), (), ()) == {"agreement_chord_time": 1.0}
    assert _found(Chords(), (Chord(0.0, float("inf"), "C:maj"),), ()) == {"agreement_chord_time": 0.0}


def test_keys() -> None:
    source = np.arange(24.0)
    assert _found(Key(), source, source * 2) == {"agreement_key": 1.0}
    assert _found(Key(), source, -source) == {"agreement_key": 0.0}


def test_sound_events() -> None:
    source = Events({0: ((-1.0, 2.0), (4.0, 5.0)), 1: ((4.0, 5.0),)}, 2)
    # One begins late, one is the same, and one is of another class: 1 of 3, 1 of 3.
    found = Events({0: ((0.5, 2.0), (4.1, 5.1), (7.0, 8.0))}, 2)
    assert _found(SoundEvents(), source, found) == pytest.approx({"agreement_event_f1": 1 / 3})
    none = "neither the source nor the bundle finds an event"
    assert _found(SoundEvents(), Events({}, 2), Events({}, 2)) == {"agreement_event_f1": none}
    assert _found(SoundEvents(), source, Events({}, 2)) == {"agreement_event_f1": 0.0}


def test_voice_activity() -> None:
    # Half a second is missed, and a quarter of one found beyond; what lies outside the clip does not count.
    found = _found(VoiceActivity(), Speech(((-1.0, 2.0), (4.0, 5.0))), Speech(((0.5, 2.25), (4.0, 5.0), (9.0, 99.0))))
    assert found == pytest.approx({"agreement_speech_time": 1 - (0.5 + 0.25 + 1.0) / 10})
    assert _found(VoiceActivity(), Speech(()), Speech(())) == {"agreement_speech_time": 1.0}
    assert _found(VoiceActivity(), Speech(((0.0, float("inf")),)), Speech(())) == {"agreement_speech_time": 0.0}


def test_tags() -> None:
    source, found = np.array([0.9, 0.6, 0.2]), np.array([0.7, 0.8, 0.6])
    assert _found(Tagging(), source, found) == {"agreement_top1": 0.0, "agreement_labels": 2 / 3}
    assert _found(Tagging(TaggingOptions(single_label=True)), source, source * 2) == {"agreement_top1": 1.0}
    none = "neither the source nor the bundle decides on a class"
    assert _found(Tagging(), source / 9, found / 9) == {"agreement_top1": 0.0, "agreement_labels": none}


def _angles(*degrees: float) -> list[np.ndarray]:
    return [np.array([np.cos(each), np.sin(each)]) for each in np.deg2rad(degrees)]


def test_embeddings() -> None:
    clips = [SideBySide(*each) for each in zip(_angles(0, 10, 90, 110), _angles(60, 10, 100, 110), strict=True)]
    # Nearest by the source: 1, 0, 3, 2; by the bundle: 2 (40 degrees) of 0, 0 of 1, 3 of 2, 2 of 3.
    assert Embedding().agree_dataset(clips) == {"agreement_nearest_neighbour": 3 / 4}
    assert Embedding().agree(clips[0]) == {"agreement_cosine": pytest.approx(0.5)}
    few = Embedding().agree_dataset(clips[:2])["agreement_nearest_neighbour"]
    assert few == Absent("fewer than three clips, so that there is no choice of a neighbour")


def test_drawn_clips_keep_the_neighbours_that_they_have_among_all() -> None:
    task = Embedding()
    clips = [SideBySide(*each) for each in zip(_angles(0, 10, 90, 110), _angles(60, 10, 100, 110), strict=True)]
    task.agree_dataset(clips)
    assert task.agree_dataset([clips[0], clips[0], clips[1]]) == {"agreement_nearest_neighbour": pytest.approx(1 / 3)}


def test_words() -> None:
    task = SpeechRecognition()
    clips = [SideBySide("turn the light on", "turn a light"), SideBySide("stop", "stop"), SideBySide("", "")]
    found = task.agree_dataset(clips)
    # One word is another and one is missing, of five; "the" to "a" are three edits, " on" three more.
    assert found["agreement_word_error_rate"] == 2 / 5
    assert found["agreement_character_error_rate"] == 6 / 21
    assert [task.agree(clip)["agreement_same_text"] for clip in clips] == [0.0, 1.0, 1.0]
    assert set(task.agree_dataset(clips[2:]).values()) == {Absent("the source hears no word in any clip")}


def test_sounds() -> None:
    task, silent = Enhancement(), np.zeros((1, 2))
    rate = CASES["enhancement"].decode({"enhanced": np.ones((1, 9))})

    def compare(source: Any, estimate: Any) -> dict[str, Any]:
        sides = (type(rate)(np.array([each], float), rate.rate_hz) for each in (source, estimate))
        return _found(task, *sides)

    # The error is at right angles and a tenth as long; half the gain is nothing to SI-SDR.
    assert compare([1, 0], [1, 0.1]) == pytest.approx({"agreement_si_sdr_db": 20, "agreement_sdr_db": 20})
    assert compare([1, 0], [0.5, 0.05])["agreement_si_sdr_db"] == pytest.approx(20)
    assert compare([1, 0], [0.5, 0])["agreement_si_sdr_db"] == 100.0
    assert compare([1, 1], [1, 1 + 1e-9]) == {"agreement_si_sdr_db": 100.0, "agreement_sdr_db": 100.0}
    assert set(compare(silent[0], silent[0]).values()) == {100.0}
    assert set(compare(silent[0], [1, 1]).values()) == {"the source's output is silent"}


def _detections(task: Keyword, *peaks: tuple[float, float]) -> Detections:
    values = np.zeros(600)
    for time_s, probability in peaks:
        values[round(time_s * 10)] = probability
    return task.decode({"keyword": Stitched(values, np.arange(600) * 0.1)})


def test_keywords_without_labels() -> None:
    task = Keyword()
    source = _detections(task, (5, 0.9), (20, 0.9), (40, 0.9))
    # One is 0.4 s late, within the tolerance; one is missed, and one is only the bundle's.
    found = _detections(task, (5.4, 0.9), (40, 0.9), (50, 0.9))
    assert _found(task, source, found) == {"agreement_keyword_f1": 4 / 6, "agreement_keyword_differences": 2.0}
    quiet = _detections(task)
    none = "neither the source nor the bundle detects a keyword"
    assert _found(task, quiet, quiet) == {"agreement_keyword_f1": none, "agreement_keyword_differences": 0.0}
    assert _found(task, quiet, source) == {"agreement_keyword_f1": 0.0, "agreement_keyword_differences": 3.0}


def test_keywords_at_the_threshold_that_is_fixed_on_the_source() -> None:
    # The source's one false accept scores 0.6, so that the least threshold without any in this minute is 0.61.
    task = Keyword()
    labels = Keywords((Spoken(5, 6, "keyword"), Spoken(20, 21, "keyword")), 60.0)
    source = _detections(task, (5.5, 0.9), (20.5, 0.7), (40, 0.6))
    moved = _detections(task, (5.5, 0.8), (20.5, 0.6), (40, 0.65), (50, 0.62), (55, 0.61 - 1e-3))
    names = "keyword_miss_rate_at_source_threshold", "keyword_false_accepts_per_hour_at_source_threshold"

    def at_sources(task: Keyword, source: Detections, found: Detections, labels: Keywords = labels) -> list[Any]:
        found_ = _found(task, source, found, labels=labels)
        return [found_[name] for name in names]

    assert at_sources(task, source, source) == [0.0, 0.0]
    assert at_sources(task, source, moved) == [0.5, pytest.approx(120)]
    # 60 an hour are allowed: the threshold is the lowest of all, where all that the bundle hears counts.
    lenient = Keyword(KeywordOptions(accepts_per_hour=60))
    assert at_sources(lenient, source, moved) == [0.0, pytest.approx(180)]
    loud = _detections(task, (40, 1.0))
    reason = "the source makes more than 1 false accepts an hour at every threshold"
    assert at_sources(task, loud, source) == [reason, reason]
    assert at_sources(task, source, source, Keywords((), 60.0))[0] == "no labelled keyword"
