"""What was said, in words: greedy decoding of a CTC model, scored by word and character error rate."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
import pydantic

from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.decoding.outputs import check_finite, take_output
from evaluators.errors import EvaluationError
from evaluators.label_columns import Column, LabelColumns
from evaluators.picture_records import MAX_TEXT, Pictures
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched

_Token = Annotated[str, pydantic.Field(max_length=100)]
_MOST_TOKENS = 100_000
_MOST_STRANGE = 5


class SpeechOptions(Record):
    """What the output's columns are, and what of the text counts."""

    output: Literal["logits", "log_probs"] = "logits"
    """which output is decoded; the greatest value of a frame is the same in both"""
    vocabulary: (
        Annotated[str, pydantic.Field(min_length=2, max_length=_MOST_TOKENS)]
        | Annotated[tuple[_Token, ...], pydantic.Field(min_length=2, max_length=_MOST_TOKENS)]
    ) = "_ abcdefghijklmnopqrstuvwxyz'"
    """one entry a column, also for the blank, whose own is not read: a text of one character each, or a list"""
    blank: Annotated[int, pydantic.Field(ge=0)] = 0
    """the column of CTC's blank"""
    word_separator: Annotated[str, pydantic.Field(min_length=1, max_length=10)] = " "
    """what stands between words in the vocabulary, for example "|"; also within entries, as in "▁the" """
    lower_case: bool = True
    """whether case is left out of account"""
    strip_punctuation: bool = True
    """whether punctuation is: all characters of Unicode's categories P, apostrophes among them"""
    speakers: bool = False
    """whether each line says its `speaker`; intervals then draw speakers, each with all clips, not clips"""

    @pydantic.model_validator(mode="after")
    def _has_blank(self) -> SpeechOptions:
        if self.blank >= len(self.vocabulary):
            raise ValueError(f"blank {self.blank} is no column; the vocabulary has {len(self.vocabulary)}")
        return self


@dataclass(frozen=True)
class Said:
    """A clip's text as it is labelled, normalised, and who said it."""

    text: str
    speaker: str | None = None


def _metric(words: str) -> Metric:
    return Metric("ratio", "lower", words, "dataset")


_WORDS, _CHARACTERS, _SAME = (
    "agreement_word_error_rate",
    "agreement_character_error_rate",
    "agreement_same_text",
)
_AGREEMENTS = {
    _WORDS: Metric(
        "ratio",
        "lower",
        "Words that the bundle substitutes, inserts and deletes against the source model's, over the source's words.",
        "dataset",
        tolerance=0.01,
    ),
    _CHARACTERS: Metric(
        "ratio",
        "lower",
        "Characters that the bundle substitutes, inserts and deletes against the source model's, over the source's.",
        "dataset",
        tolerance=0.01,
    ),
    _SAME: Metric(
        "ratio", "higher", "Share of the clips of which the text is the source model's to the letter.", tolerance=0.01
    ),
}


class SpeechRecognition(Task):
    """Speech recognition from the output `logits` or `log_probs`, `(frames, vocabulary)`, by greedy CTC decoding.

    Of each frame the greatest value counts, repetitions are one, blanks are dropped. Source: Graves et al.,
    "Connectionist Temporal Classification", ICML 2006, section 3.2 (best path decoding).

    Labelled and decoded text are normalised alike: Unicode's NFC, lower case and no punctuation as the options say, one
    space between words. Edits are jiwer's (`process_words`, `process_characters`), summed over all clips and divided by
    the summed length of the labels, as jiwer does it for lists; a space counts as a character. More than all can be
    wrong, so that a rate may exceed 1. Substitutions, insertions and deletions are shares of the labelled words, and
    sum to the word error rate.

    Where the label is empty (nobody speaks) every decoded word is an insertion. Where nothing is decoded every labelled
    word is a deletion. Where the labels of all clips are empty no metric has a value.
    """

    Options = SpeechOptions
    column_option = "vocabulary"
    label_keys: tuple[str, ...] = ("text",)
    label_columns = MappingProxyType(
        {
            "text": LabelColumns((Column(("text", "sentence", "transcript", "transcription"), "word"),), "value"),
            "speaker": LabelColumns((Column(("speaker", "speaker_id", "client_id"), "word"),), "value"),
        }
    )
    required_outputs = ("logits",)
    metrics = MappingProxyType(
        {
            "word_error_rate": _metric("Substituted, inserted and deleted words over labelled words."),
            "character_error_rate": _metric("Substituted, inserted and deleted characters over labelled ones."),
            "substitution_rate": _metric("Words heard as another one, over labelled words."),
            "insertion_rate": _metric("Words heard that nobody said, over labelled words."),
            "deletion_rate": _metric("Words not heard, over labelled words."),
        }
    )
    agreements = MappingProxyType(_AGREEMENTS)
    libraries = ("jiwer",)
    extra = "speech"

    def __init__(self, options: SpeechOptions | None = None) -> None:
        """See `Task`."""
        super().__init__(options)
        self.required_outputs = (self.options.output,)
        self.label_keys = ("text", "speaker") if self.options.speakers else ("text",)

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> Said:
        """Read `text`, and `speaker` where the options ask for it; see `Task.parse_labels`."""
        text, speaker = line["text"], line["speaker"] if self.options.speakers else None
        faults = []
        if not isinstance(text, str):
            faults.append(f'{clip.where}: text must be what is said, "" for nothing; found {shorten(repr(text))}')
        if self.options.speakers and (not isinstance(speaker, str) or not speaker.strip()):
            faults.append(f"{clip.where}: speaker must be a name; found {shorten(repr(speaker))}")
        if faults:
            raise EvaluationError("\n".join(faults))
        return Said(self.normalize(text), speaker)

    def decode(self, outputs: Mapping[str, Stitched]) -> str:
        """The text, normalised; see `Task.decode`."""
        options, name = self.options, self.options.output
        output, columns = take_output(outputs, name, "speech recognition"), len(options.vocabulary)
        if output.kind != "frames" or output.values.ndim != 2 or output.values.shape[1] != columns:
            raise EvaluationError(
                f"output '{name}' must be (frames, {columns}), one column an entry of task.options.vocabulary; found "
                f'{output.values.shape} of kind "{output.kind}"'
            )
        # The logarithm of a probability may be minus infinite.
        wrong = np.isnan(output.values).any(axis=1) | np.isposinf(output.values).any(axis=1)
        check_finite(~wrong, output.times_s, name)
        best = output.values.argmax(axis=1)
        kept = best[np.append(True, best[1:] != best[:-1])[: len(best)]]
        text = "".join(options.vocabulary[column] for column in kept if column != options.blank)
        return self.normalize(text.replace(options.word_separator, " "))

    def normalize(self, text: str) -> str:
        """The text as it is compared."""
        text = unicodedata.normalize("NFC", text)
        if self.options.lower_case:
            text = text.lower()
        if self.options.strip_punctuation:
            text = "".join(each for each in text if not unicodedata.category(each).startswith("P"))
        return " ".join(text.split())

    def score_dataset(self, pairs: Sequence[tuple[Said, str]]) -> Found:
        """Score all clips; see the class."""
        edits = np.array([count_edits(said.text, heard) for said, heard in pairs], np.int64).sum(axis=0)
        words, substitutions, insertions, deletions, characters, character_edits = map(int, edits)
        if words == 0:
            return dict.fromkeys(self.metrics, Absent("no clip has a labelled word"))
        return {
            "word_error_rate": (substitutions + insertions + deletions) / words,
            "character_error_rate": character_edits / characters,
            "substitution_rate": substitutions / words,
            "insertion_rate": insertions / words,
            "deletion_rate": deletions / words,
        }

    def agree(self, clip: SideBySide) -> Found:
        """Whether the texts are the same, also where both are empty."""
        return {_SAME: float(clip.source == clip.estimate)}

    def agree_dataset(self, clips: Sequence[SideBySide]) -> Found:
        """The source's texts are the labels."""
        found = self.score_dataset([(Said(clip.source), clip.estimate) for clip in clips])
        if isinstance(found["word_error_rate"], Absent):
            return dict.fromkeys((_WORDS, _CHARACTERS), Absent("the source hears no word in any clip"))
        return {_WORDS: found["word_error_rate"], _CHARACTERS: found["character_error_rate"]}

    def group(self, labels: Said) -> str | None:
        """The speaker, where lines say one."""
        return labels.speaker

    def remark(self, labels: Said) -> tuple[str, ...]:
        """Which labelled words no sequence of the vocabulary's entries spells, so that they are always wrong."""
        strange = list(dict.fromkeys(word for word in labels.text.split() if not self._can_spell(word)))
        if not strange:
            return ()
        more = f" and {len(strange) - _MOST_STRANGE} more" if len(strange) > _MOST_STRANGE else ""
        words = ", ".join(repr(shorten(word)) for word in strange[:_MOST_STRANGE])
        return (f"the vocabulary cannot spell {words}{more}",)

    def _can_spell(self, word: str) -> bool:
        """Whether entries put together give the word, from left to right."""
        entries, longest = self._entries
        reached = [True] + [False] * len(word)
        for end in range(1, len(reached)):
            starts = range(max(0, end - longest), end)
            reached[end] = any(reached[start] and word[start:end] in entries for start in starts)
        return reached[-1]

    @functools.cached_property
    def _entries(self) -> tuple[frozenset[str], int]:
        """The vocabulary's entries without the blank, as they are compared, and the longest one's length."""
        options = self.options
        spoken = (entry for column, entry in enumerate(options.vocabulary) if column != options.blank)
        # An entry may hold the end of one word and the beginning of the next.
        parts = (
            part for entry in spoken for part in self.normalize(entry.replace(options.word_separator, " ")).split()
        )
        entries = frozenset(parts)
        return entries, max(map(len, entries), default=0)

    def draw(self, labels_or_estimate: Said | str) -> Pictures:
        """The text."""
        text = labels_or_estimate if isinstance(labels_or_estimate, str) else labels_or_estimate.text
        return Pictures(text=text[:MAX_TEXT], words=True)


@functools.cache
def count_edits(reference: str, estimate: str) -> tuple[int, int, int, int, int, int]:
    """Of two normalised texts: words, substitutions, insertions, deletions; characters, edits of characters."""
    import jiwer

    words, characters = jiwer.process_words(reference, estimate), jiwer.process_characters(reference, estimate)
    return (
        len(reference.split()),
        words.substitutions,
        words.insertions,
        words.deletions,
        len(reference),
        characters.substitutions + characters.insertions + characters.deletions,
    )


TASK = SpeechRecognition
