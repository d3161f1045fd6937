from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from evaluators.comparing.proof import prove
from evaluators.comparing.streaming import check_reset, split_clips
from evaluators.players import Player
from evaluators.targets import open_model
from packager.bundle import StreamingProof
from packager.proving.proofs import find_stream_faults, reset_text, streaming_text, worst_stream
from packager.proving.trials import Trials, make_trials
from tests.one_pole import AUDIO, SPEC, STATE, OnePole, write_leaking, write_one_pole

pytestmark = pytest.mark.tflite

TOLERANCE_DB = 40.0
WINDOWS = np.random.default_rng(11).normal(size=(8, 1, AUDIO.window_samples)).astype(np.float32)


@pytest.fixture(scope="module")
def trials() -> Trials:
    return make_trials(OnePole(), AUDIO, SPEC, None)


def _snr(streaming: StreamingProof | None) -> dict[str, float]:
    assert streaming is not None
    return {one.output: one.snr_db for one in streaming.rolling if one.snr_db is not None}


def test_a_faithful_file_holds_with_its_own_states(trials: Trials, tmp_path: Path) -> None:
    proof = prove(write_one_pole(tmp_path / "m.tflite"), trials, TOLERANCE_DB)
    streaming = proof.streaming
    assert proof.holds and streaming is not None and streaming.holds and streaming.whole_holds
    assert (streaming.calls, streaming.inputs) == (128, "a chirp in noise, 128 windows")
    assert min(_snr(streaming).values()) > 100  # float32 sums of 64
    assert [(one.output, one.reason) for one in streaming.whole] == [("filtered", None), ("level_out", None)]
    assert find_stream_faults(proof) == []
    assert worst_stream(proof).endswith(" dB")


def test_an_error_that_each_call_hides_shows_over_a_clip(trials: Trials, tmp_path: Path) -> None:
    """A tenth of a percent of the state lost in each call: 60 dB call by call, and half of that after fifty."""
    proof = prove(write_one_pole(tmp_path / "m.tflite", kept=0.999), trials, TOLERANCE_DB)
    assert all(one.snr_db is not None and one.snr_db > 60 for one in proof.outputs)
    assert 20 < _snr(proof.streaming)["filtered"] < 35
    assert proof.streaming is not None
    assert (proof.streaming.holds, proof.streaming.whole_holds, proof.holds) == (False, False, False)
    drift, state, whole = find_stream_faults(proof)
    assert drift.startswith("filtered drifts to 31.") and drift.endswith("dB with its own states")
    assert state.startswith("level_out drifts to 31.")
    assert whole.startswith("chunks are NOT the whole: filtered 30.")
    assert streaming_text(proof.streaming).startswith("BROKEN: filtered 30.")


def test_errors_that_grow_are_worst_in_the_last_quarter(tmp_path: Path) -> None:
    """A state that leaks a little more than it should drifts away from a steady sound, and goes on drifting."""
    windows = np.ones((64, 1, AUDIO.window_samples), np.float32)
    np.save(tmp_path / "steady.npy", windows)
    trials = make_trials(OnePole(), AUDIO, SPEC, str(tmp_path / "steady.npy"))
    proof = prove(write_one_pole(tmp_path / "m.tflite", kept=0.9999), trials, TOLERANCE_DB)
    assert proof.streaming is not None
    for one in proof.streaming.rolling:
        assert one.snr_db is not None and one.last_quarter_snr_db is not None
        assert one.last_quarter_snr_db < one.snr_db - 2


def test_chunks_that_the_source_itself_hears_differently_are_no_fault_of_a_bundle_and_no_pass(tmp_path: Path) -> None:
    source = OnePole(gain_per_call=0.99)
    trials = make_trials(source, AUDIO, SPEC, None)
    proof = prove(write_one_pole(tmp_path / "m.tflite", kept=0.99), trials, TOLERANCE_DB)
    assert proof.streaming is not None
    assert (proof.holds, proof.streaming.holds, proof.streaming.whole_holds) == (True, True, None)
    assert "filtered: the source itself gives something else in calls than at once" in str(proof.streaming.whole_reason)
    assert "chunks not compared with the whole: filtered" in streaming_text(proof.streaming)


def test_a_source_of_fixed_length_is_said_to_be_one(tmp_path: Path) -> None:
    trials = make_trials(OnePole(longest=AUDIO.window_samples), AUDIO, SPEC, None)
    streaming = prove(write_one_pole(tmp_path / "m.tflite"), trials, TOLERANCE_DB).streaming
    assert streaming is not None and streaming.holds
    assert (streaming.whole, streaming.whole_holds) == ((), None)
    assert str(streaming.whole_reason).startswith("the source takes no longer input: ValueError: takes 64 samples")


def test_one_window_of_audio_is_enough_for_a_proof(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", WINDOWS[:1])
    trials = make_trials(OnePole(), AUDIO, SPEC, str(tmp_path / "w.npy"))
    proof = prove(write_one_pole(tmp_path / "m.tflite"), trials, TOLERANCE_DB)
    assert proof.holds and proof.streaming is not None and proof.streaming.calls == 1


def test_a_source_that_remembers_breaks_the_proof(trials: Trials, tmp_path: Path) -> None:
    proof = prove(write_one_pole(tmp_path / "m.tflite"), replace(trials, source_fault="it remembers"), TOLERANCE_DB)
    assert proof.reset is not None and proof.reset.reason == "it remembers"
    assert (proof.holds, proof.reset.holds, find_stream_faults(proof)) == (False, False, ["it remembers"])


def test_what_a_file_keeps_without_saying_shows_in_the_other_order(tmp_path: Path) -> None:
    player = Player(open_model(write_leaking(tmp_path / "m.tflite")), {})
    found = check_reset(player, *split_clips([{"audio": window} for window in WINDOWS]))
    assert (found.calls, found.holds) == (8, False)
    assert str(found.reason).startswith("what was heard before changes level by up to ")
    assert reset_text(found).startswith("BROKEN: what was heard before")


def test_a_file_that_keeps_nothing_gives_the_same_bits_in_either_order(tmp_path: Path) -> None:
    player = Player(open_model(write_one_pole(tmp_path / "m.tflite")), STATE)
    found = check_reset(player, *split_clips([{"audio": window} for window in WINDOWS]))
    assert (found.holds, found.reason) == (True, None)


def test_a_reset_sets_what_a_tflite_file_keeps_back(tmp_path: Path) -> None:
    emulator = open_model(write_leaking(tmp_path / "m.tflite"))
    first = [emulator.run({"audio": window})["level"] for window in WINDOWS]
    assert not np.array_equal(emulator.run({"audio": WINDOWS[0]})["level"], first[0])
    emulator.reset()
    np.testing.assert_array_equal([emulator.run({"audio": window})["level"] for window in WINDOWS], first)
