from __future__ import annotations

import itertools

import numpy as np
import pytest

from evaluators.datasets.builtin.catalog.rendered_melodies import INSTRUMENTS, _label, compose
from evaluators.datasets.builtin.rendering import PlayedNote


@pytest.mark.parametrize(("name", "program", "lowest", "highest"), INSTRUMENTS)
@pytest.mark.parametrize("seed", range(5))
def test_melodies_are_of_one_voice_on_halves_of_beats(
    name: str, program: int, lowest: int, highest: int, seed: int
) -> None:
    beat_s, notes = compose(lowest, highest, np.random.default_rng(seed))
    assert notes
    for before, after in itertools.pairwise(notes):
        assert before.offset_s < after.onset_s
    for note in notes:
        assert lowest <= note.pitch <= highest
        halves = (note.onset_s - notes[0].onset_s) / beat_s * 2
        assert halves == pytest.approx(round(halves))


def test_the_same_seed_gives_the_same_melody() -> None:
    first, again, other = (compose(48, 84, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_labels_say_what_was_composed() -> None:
    labels = _label([PlayedNote(0.25, 0.7, 69, 90), PlayedNote(0.75, 1.2, 57, 90)], 1.5, 0.5)
    assert labels["notes"] == [[0.25, 0.7, 69], [0.75, 1.2, 57]]
    assert labels["beats"][:3] == [0.25, 0.75, 1.25]
    pitch = dict(map(tuple, labels["pitch"]))
    assert (pitch[0.24], pitch[0.25], pitch[0.69], pitch[0.7], pitch[0.8], pitch[1.3]) == (0, 440, 440, 0, 220, 0)
