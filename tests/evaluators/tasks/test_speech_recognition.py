from __future__ import annotations

import importlib.metadata
from typing import Any

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.comparing.dataset_scores import score_dataset
from evaluators.errors import EvaluationError
from evaluators.task import Absent, ClipContext
from evaluators.task_asking import ask_task
from evaluators.task_loading import find_task, load_task
from evaluators.tasks.speech_recognition import Said, SpeechOptions, SpeechRecognition
from evaluators.windows import Stitched

TASK = SpeechRecognition()
VOCABULARY = TASK.options.vocabulary
RATES = ("word_error_rate", "substitution_rate", "insertion_rate", "deletion_rate", "character_error_rate")


def _stitched(values: Any, kind: Any = "frames") -> Stitched:
    array = np.array(values, np.float32)
    return Stitched(array, np.arange(len(array)) * 0.02, kind)


def _outputs(columns: list[int], width: int = len(VOCABULARY)) -> dict[str, Stitched]:
    return {"logits": _stitched(np.eye(width)[columns])}


def _spell(text: str) -> list[int]:
    return [VOCABULARY.index(each) for each in text]


def _rates(*texts: tuple[str, str]) -> dict[str, float | None]:
    found = TASK.score_dataset([(Said(reference), estimate) for reference, estimate in texts])
    return {name: None if isinstance(found[name], Absent) else found[name] for name in RATES}


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ("__aa_", "a"),
        ("a_a", "aa"),
        ("aaab__b", "abb"),
        ("_cc_aa_t_ _s_aat_", "cat sat"),
        ("  _ a_ _ b  ", "a b"),
        ("____", ""),
        ("", ""),
        ("it''s", "its"),
    ],
)
def test_greedy_decoding(frames: str, text: str) -> None:
    assert TASK.decode(_outputs(_spell(frames))) == text


def test_logarithms_of_probabilities_may_be_minus_infinite() -> None:
    task = SpeechRecognition(SpeechOptions(output="log_probs", vocabulary="-ab", blank=0))
    assert task.required_outputs == ("log_probs",)
    with np.errstate(divide="ignore"):
        values = np.log(np.eye(3)[[1, 0, 2]])
    assert task.decode({"log_probs": _stitched(values)}) == "ab"


@pytest.mark.parametrize(
    ("options", "columns", "text"),
    [
        ({"vocabulary": "ab|-", "blank": 3, "word_separator": "|"}, [0, 3, 2, 1], "a b"),
        ({"vocabulary": ["<pad>", "▁the", "▁c", "at"], "word_separator": "▁"}, [1, 0, 2, 3], "the cat"),
        ({"vocabulary": "-A.", "lower_case": False}, [1, 2], "A"),
        ({"vocabulary": "-A.", "strip_punctuation": False}, [1, 2], "a."),
    ],
)
def test_what_columns_are(options: dict[str, Any], columns: list[int], text: str) -> None:
    task = load_task("speech_recognition", options)
    assert task.decode(_outputs(columns, len(options["vocabulary"]))) == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": "a"}, "vocabulary"),
        ({"blank": 29}, "blank 29 is no column; the vocabulary has 29"),
        ({"blank": -1}, "blank"),
        ({"word_separator": ""}, "word_separator"),
        ({"output": "probabilities"}, "output"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=r"task\.options") as caught:
        load_task("speech_recognition", options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "speech recognition needs the output 'logits'; the model has none"),
        (
            {"logits": _stitched(np.zeros((4, 30)))},
            "output 'logits' must be (frames, 29), one column an entry of task.options.vocabulary; found (4, 30) of",
        ),
        ({"logits": _stitched(np.zeros((4, 29)), "window")}, 'found (4, 29) of kind "window"'),
        ({"logits": _stitched([[0.0] * 29, [np.nan] * 29])}, "output 'logits' is not finite, first at 0.020 s"),
        ({"logits": _stitched([[np.inf] * 29])}, "output 'logits' is not finite, first at 0.000 s"),
    ],
)
def test_decode_refuses(outputs: dict[str, Stitched], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        TASK.decode(outputs)
    assert message in str(caught.value)


def test_labels_are_normalised() -> None:
    clip = ClipContext(1, "x")
    assert TASK.parse_labels({"text": "  Well -  it's «Cafe\u0301», 3!\n"}, clip) == Said("well its caf\u00e9 3")
    assert TASK.parse_labels({"text": ""}, clip) == Said("")
    plain = SpeechRecognition(SpeechOptions(lower_case=False, strip_punctuation=False))
    assert plain.parse_labels({"text": "It's  me."}, clip).text == "It's me."


def test_speakers_are_labels_where_they_are_asked_for() -> None:
    task = SpeechRecognition(SpeechOptions(speakers=True))
    assert task.label_keys == ("text", "speaker")
    said = task.parse_labels({"text": "yes", "speaker": "anna"}, ClipContext(1, "x"))
    assert (task.group(said), TASK.group(Said("yes"))) == ("anna", None)


@pytest.mark.parametrize(
    ("line", "messages"),
    [
        ({"text": 3, "speaker": "a"}, ["text must be what is said, \"\" for nothing; found 3"]),
        ({"text": ["a"], "speaker": ""}, ["text must be what is said, \"\" for nothing; found ['a']",
                                          "speaker must be a name; found ''"]),
        ({"text": "a", "speaker": 7}, ["speaker must be a name; found 7"]),
    ],
)  # fmt: skip
def test_bad_labels(line: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(EvaluationError) as caught:
        SpeechRecognition(SpeechOptions(speakers=True)).parse_labels(line, ClipContext(1, "n.jsonl:3"))
    assert str(caught.value) == "\n".join(f"n.jsonl:3: {message}" for message in messages)


@pytest.mark.parametrize(
    ("texts", "rates"),
    [
        ([("a b c", "a b c")], (0, 0, 0, 0, 0)),
        ([("a b c", "a x c")], (1 / 3, 1 / 3, 0, 0, 1 / 5)),
        ([("a b c", "a c")], (1 / 3, 0, 0, 1 / 3, 2 / 5)),
        ([("a", "a b c")], (2, 0, 2, 0, 4)),
        ([("a b", "")], (1, 0, 0, 1, 1)),
        ([("", "a b"), ("a b c d", "a b c d")], (1 / 2, 0, 1 / 2, 0, 3 / 7)),
        # The sum of edits over the sum of words, not the mean of rates.
        ([("a", "b"), ("a b c", "a b c")], (1 / 4, 1 / 4, 0, 0, 1 / 6)),
        ([("", "a")], (None,) * 5),
        ([("", "")], (None,) * 5),
    ],
)
def test_scores_by_hand(texts: list[tuple[str, str]], rates: tuple[float | None, ...]) -> None:
    assert _rates(*texts) == pytest.approx(dict(zip(RATES, rates, strict=True)))


def test_no_word_is_a_reason() -> None:
    assert TASK.score_dataset([(Said(""), "a")])["word_error_rate"] == Absent("no clip has a labelled word")


Texts = st.lists(st.sampled_from(["a", "b", "cat", "dog"]), max_size=5).map(" ".join)


@settings(deadline=None)  # cores are shared
@given(st.lists(st.tuples(Texts, Texts), min_size=1, max_size=5), st.randoms())
def test_scores_are_jiwers(texts: list[tuple[str, str]], random: Any) -> None:
    found = _rates(*texts)
    shuffled = list(texts)
    random.shuffle(shuffled)
    assert _rates(*shuffled) == found
    references, estimates = map(list, zip(*texts, strict=True))
    if not any(references):
        assert set(found.values()) == {None}
        return
    assert found["word_error_rate"] == pytest.approx(jiwer.wer(references, estimates))
    assert found["character_error_rate"] == pytest.approx(jiwer.cer(references, estimates))
    parts = [found[f"{edit}_rate"] for edit in ("substitution", "insertion", "deletion")]
    assert found["word_error_rate"] == pytest.approx(sum(part or 0 for part in parts))
    assert (found["deletion_rate"] or 0) <= 1
    assert set(_rates(*((text, text) for text in references)).values()) == {0}


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", find)
    for kind, options, package in (("speech_recognition", {}, "jiwer"), ("enhancement", {"stoi": True}, "pystoi")):
        with pytest.raises(EvaluationError) as caught:
            ask_task(find_task(kind, options))
        assert str(caught.value) == (
            f"task {kind} needs the package {package}, which is not installed; install it: pip install "
            "'testpress[speech]'"
        )


def test_intervals_draw_clips_or_speakers() -> None:
    pairs = [(Said("a b", "s"), "a b"), (Said("a b", "s"), "a b"), (Said("a b", "t"), "a"), (Said("a b", "t"), "b b")]
    for groups, units in (([None] * 4, 4), ([said.speaker for said, _ in pairs], 2)):
        found = score_dataset(TASK, pairs, groups, basis="emulated")["word_error_rate"]
        assert (found.score.value, found.units) == (0.25, units)
        assert found.score.low is not None and found.score.high is not None
        assert 0 <= found.score.low < 0.25 < found.score.high


def test_texts_are_drawn() -> None:
    assert TASK.draw(Said("a b")).text == "a b"
    assert TASK.draw("a").text == "a"
    assert len(TASK.draw("a" * 30_000).text or "") == 20_000


@pytest.mark.parametrize(
    ("options", "text", "notices"),
    [
        ({}, "Press one, please.", ()),
        ({}, "press 1 or 23 or 1", ("the vocabulary cannot spell '1', '23'",)),
        ({"vocabulary": "_ abcdefghijklmnopqrstuvwxyzé"}, "cafe\u0301 où", ("the vocabulary cannot spell 'où'",)),
        ({"vocabulary": ["", " one", " two"]}, "one two one", ()),
        ({"vocabulary": ["", " one", " two"]}, "one twone", ("the vocabulary cannot spell 'twone'",)),
        ({"vocabulary": ["_", "\u2581the", "re", "s", "\u2581a"], "word_separator": "\u2581"}, "theres a there", ()),
        ({"vocabulary": ["b", "a"], "blank": 0}, "ab", ("the vocabulary cannot spell 'ab'",)),
        ({}, "0 1 2 3 4 5 6", ("the vocabulary cannot spell '0', '1', '2', '3', '4' and 2 more",)),
        ({}, "", ()),
    ],
)
def test_words_that_can_never_be_right_are_told(options: dict[str, Any], text: str, notices: tuple[str, ...]) -> None:
    task = load_task("speech_recognition", options)
    assert task.remark(task.parse_labels({"text": text}, ClipContext(1.0, "x:1", {}))) == notices


@given(st.lists(st.sampled_from(("one", "two", "three")), max_size=6), st.text("abcot", max_size=5))
def test_what_decoding_can_give_can_be_spelled(words: list[str], word: str) -> None:
    task = load_task("speech_recognition", {"vocabulary": ["", " one", " two", " three"]})
    assert task.remark(Said(" ".join(words))) == ()
    assert bool(task.remark(Said(word))) == any(each not in ("one", "two", "three") for each in word.split())
