from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.decoding.notes import NoteEvent, NoteRules, create_notes, infer_onsets

RULES = NoteRules()


def _activations(frames: int = 100, pitches: int = 12) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((frames, pitches), np.float32), np.zeros((frames, pitches), np.float32)


def _spans(events: list[NoteEvent]) -> list[tuple[int, int, int]]:
    return [(event.start_frame, event.end_frame, event.pitch_index) for event in events]


def test_one_note_from_its_onset_to_its_last_loud_frame() -> None:
    note, onset = _activations()
    note[20:50, 5] = 0.5
    onset[20, 5] = 0.9
    (event,) = create_notes(note, onset, RULES)
    assert _spans([event]) == [(20, 50, 5)]
    assert event.amplitude == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("gap", "expected"),
    # A dip of 10 frames is bridged, one of 11 ends the note; what follows is then found as left-over energy, and ends
    # one frame early, as upstream's does.
    [(10, [(20, 70, 5)]), (11, [(20, 40, 5), (51, 69, 5)])],
)
def test_energy_tolerance(gap: int, expected: list[tuple[int, int, int]]) -> None:
    note, onset = _activations()
    note[20:40, 5] = 0.6
    note[40 : 40 + gap, 5] = 0.29  # a deeper dip would end in a rise that counts as an onset
    note[40 + gap : 70, 5] = 0.31
    onset[20, 5] = 0.9
    assert _spans(create_notes(note, onset, RULES)) == expected


@pytest.mark.parametrize(("length", "found"), [(11, 0), (12, 1)])
def test_a_note_must_be_longer_than_the_minimum(length: int, found: int) -> None:
    note, onset = _activations()
    note[20 : 20 + length, 5] = 0.6
    onset[20, 5] = 0.9
    assert len(create_notes(note, onset, RULES)) == found


@pytest.mark.parametrize(("activation", "found"), [(0.49, 0), (0.5, 1)])
def test_onset_threshold(activation: float, found: int) -> None:
    note, onset = _activations()
    note[20:50, 5] = 0.4
    onset[20, 5] = activation
    # As left-over energy the note would be 29 frames long, one less than from an onset, and so too short.
    assert len(create_notes(note, onset, NoteRules(minimum_frames=29))) == found


def test_repeated_notes_are_parted_by_their_onsets() -> None:
    note, onset = _activations()
    note[20:60, 5] = 0.8
    onset[20, 5] = onset[40, 5] = 0.9
    assert sorted(_spans(create_notes(note, onset, RULES))) == [(20, 40, 5), (40, 60, 5)]


def test_neighbouring_pitches_are_taken_along() -> None:
    note, onset = _activations()
    note[20:50, 5] = 0.9
    note[20:50, 4] = note[20:50, 6] = 0.4
    onset[20, 5] = 0.9
    assert _spans(create_notes(note, onset, RULES)) == [(20, 50, 5)]


def test_energy_without_an_onset_is_found_both_ways() -> None:
    note, onset = _activations()
    note[20:50, 5] = 0.4
    note[35, 5] = 0.6
    note[:20, 5] = np.linspace(0.0, 0.29, 20)
    # Forward and backward from frame 35; the end lies one frame early, as upstream's does.
    assert _spans(create_notes(note, onset, RULES)) == [(20, 49, 5)]


def test_a_frame_at_the_frame_threshold_is_still_loud() -> None:
    note, onset = np.zeros((100, 12)), np.zeros((100, 12))
    note[20:50, 5] = 0.3
    onset[20, 5] = 0.9
    assert _spans(create_notes(note, onset, RULES)) == [(20, 50, 5)]


@pytest.mark.parametrize(("activation", "found"), [(0.3, 0), (0.31, 1)])
def test_left_over_energy_must_exceed_the_frame_threshold(activation: float, found: int) -> None:
    note = np.zeros((100, 12))
    note[20:50, 5] = activation
    assert len(create_notes(note, np.zeros((100, 12)), RULES)) == found


def test_the_edges_of_the_keyboard() -> None:
    note, onset = _activations()
    note[20:50, 0] = note[20:50, 11] = 0.8
    onset[20, 0] = onset[20, 11] = 0.9
    assert sorted(_spans(create_notes(note, onset, RULES))) == [(20, 50, 0), (20, 50, 11)]


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_too_short_a_clip_holds_no_note(frames: int) -> None:
    assert create_notes(np.ones((frames, 88), np.float32), np.ones((frames, 88), np.float32), RULES) == []


def test_a_steady_note_keeps_the_models_own_onsets() -> None:
    note, onset = _activations()
    note[:] = 0.2
    onset[20, 5] = 0.9
    np.testing.assert_array_equal(infer_onsets(note.astype(float), onset.astype(float)), onset)


def test_inferred_onsets_are_scaled_to_the_largest_onset() -> None:
    note, onset = (array.astype(float) for array in _activations())
    note[20:, 5] = 0.2
    note[30:, 7] = 0.1
    onset[50, 1] = 0.8
    inferred = infer_onsets(note, onset)
    assert inferred[20, 5] == pytest.approx(0.8)
    assert inferred[30, 7] == pytest.approx(0.4)
    assert np.count_nonzero(inferred) == 4 - 1  # the rise counts once: a frame later it is no rise any more


def _walk(energy: np.ndarray, rules: NoteRules) -> tuple[int, int]:
    """Frames gone over and quiet frames at their end, one frame at a time."""
    steps = quiet = 0
    while steps < len(energy) and quiet < rules.energy_tolerance_frames:
        quiet = quiet + 1 if energy[steps] < rules.frame_threshold else 0
        steps += 1
    return steps, quiet


def _notes_step_by_step(note: np.ndarray, onset: np.ndarray, rules: NoteRules) -> list[tuple[int, int, int]]:
    """The algorithm as published: every frame walked, the strongest energy searched anew each time."""
    onset = infer_onsets(note, onset)
    energy, n_frames, found = note.copy(), len(note), []
    for start in range(n_frames - 2, 0, -1):
        for pitch in range(note.shape[1] - 1, -1, -1):
            here = onset[start, pitch]
            if here < rules.onset_threshold or here <= onset[start - 1, pitch] or here <= onset[start + 1, pitch]:
                continue
            steps, quiet = _walk(energy[start + 1 : n_frames - 1, pitch], rules)
            end = start + 1 + steps - quiet
            if end - start > rules.minimum_frames:
                energy[start:end, max(0, pitch - 1) : pitch + 2] = 0
                found.append((start, end, pitch))
    while energy.max() > rules.frame_threshold:
        middle, pitch = (int(i) for i in np.unravel_index(np.argmax(energy), energy.shape))
        energy[middle, pitch] = 0
        steps, quiet = _walk(energy[middle + 1 : n_frames - 1, pitch], rules)
        energy[middle + 1 : middle + 1 + steps, max(0, pitch - 1) : pitch + 2] = 0
        end = middle + steps - quiet
        steps, quiet = _walk(energy[1:middle, pitch][::-1], rules)
        energy[middle - steps : middle, max(0, pitch - 1) : pitch + 2] = 0
        if end - (middle - steps + quiet) > rules.minimum_frames:
            found.append((middle - steps + quiet, end, pitch))
    return found


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(3, 260),
    levels=st.sampled_from([3, 5, 1000]),
    tolerance=st.integers(1, 11),
)
def test_equals_the_algorithm_walked_step_by_step(seed: int, frames: int, levels: int, tolerance: int) -> None:
    random = np.random.default_rng(seed)
    # Few levels make ties, whose order must be that of the search for the maximum.
    note = random.integers(0, levels + 1, (frames, 6)) / levels * (random.random((frames, 6)) < 0.7)
    onset = random.integers(0, levels + 1, (frames, 6)) / levels
    rules = NoteRules(minimum_frames=3, energy_tolerance_frames=tolerance)
    assert _spans(create_notes(note, onset, rules)) == _notes_step_by_step(note, onset, rules)


def test_a_note_longer_than_one_look_ahead_is_followed_to_its_end() -> None:
    note, onset = _activations(frames=3000)
    note[20:2500, 5] = 0.8
    onset[20, 5] = 0.9
    assert _spans(create_notes(note, onset, RULES)) == [(20, 2500, 5)]


def test_activations_are_not_modified() -> None:
    random = np.random.default_rng(0)
    note, onset = random.random((50, 88), np.float32), random.random((50, 88), np.float32)
    before = note.copy(), onset.copy()
    create_notes(note, onset, RULES)
    np.testing.assert_array_equal((note, onset), before)
