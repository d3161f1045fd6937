from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("ai_edge_litert")
from device_profiles.errors import TestpressError
from evaluators.errors import EvaluationError
from packager.bundle import AudioContract, dump_manifest, read_bundle
from testpress.playing.contract import PlaybackRequest, make_request
from testpress.playing.playback import PlaySummary, as_text
from testpress.playing.playing import Played, play, save_outputs
from tests.testpress.model_metadata import add_metadata, make_metadata
from tests.testpress.tiny_tflite import (
    AUDIO,
    FEATURES,
    GAIN,
    WINDOW_SAMPLES,
    Writer,
    schema,
    write_bundle,
    write_double,
    write_features,
    write_gain,
    write_two,
)

pytestmark = pytest.mark.tflite

RATE_HZ = 8000


def noise(n_samples: int, *, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(11).normal(scale=0.1, size=(n_samples, channels)).astype(np.float32)


def write_audio(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    return path


def play_bare(tmp_path: Path, model: Path, n_samples: int = 200, **options: Any) -> Played:
    samples = noise(n_samples, channels=options.pop("channels", 1))
    audio = write_audio(tmp_path / "x.wav", samples)
    return play(make_request(str(model), audio=audio, **{"sample_rate": RATE_HZ, **options}))


def test_a_bundle_without_a_contract_plays_by_its_file(tmp_path: Path) -> None:
    """A recipe without [audio] makes one, whether or not its model hears audio."""
    bundle = read_bundle(write_bundle(tmp_path / "b"))
    (bundle.path / "manifest.json").write_text(dump_manifest(bundle.manifest.model_copy(update={"audio": None})))
    audio = write_audio(tmp_path / "x.wav", noise(200))
    with pytest.raises(EvaluationError) as caught:
        play(make_request(str(bundle.path), audio=audio))
    assert str(caught.value) == (
        f"{bundle.path}: its manifest has no audio contract, for its recipe had no [audio] section; a model of audio "
        f"plays by its file: testpress play {bundle.model_path} --sample-rate HZ"
    )
    assert play(make_request(str(bundle.model_path), audio=audio, sample_rate=RATE_HZ)).summary.windows > 1


@pytest.mark.parametrize("n_samples", [1, WINDOW_SAMPLES - 1, WINDOW_SAMPLES, 200])
def test_a_gain_plays_the_whole_clip_back_scaled(tmp_path: Path, n_samples: int) -> None:
    played = play_bare(tmp_path, write_gain(tmp_path / "x.tflite"), n_samples)
    scaled = played.outputs["scaled"]
    np.testing.assert_allclose(scaled.values, GAIN * noise(n_samples)[:, 0], rtol=1e-6)
    np.testing.assert_allclose(scaled.times_s, np.arange(n_samples) / RATE_HZ, atol=1e-12)
    assert played.summary.windows == -(-n_samples // WINDOW_SAMPLES)
    assert played.summary.contract == AUDIO
    assert "taken for time" in played.summary.notices[-1]


def test_a_bundle_is_played_under_its_own_contract_overlap_and_all(tmp_path: Path) -> None:
    contract = AudioContract(sample_rate_hz=RATE_HZ, window_samples=WINDOW_SAMPLES, hop_samples=48)
    folder = write_bundle(tmp_path / "b", audio=contract)
    played = play(make_request(str(folder), audio=write_audio(tmp_path / "x.wav", noise(500))))
    np.testing.assert_allclose(played.outputs["scaled"].values, GAIN * noise(500)[:, 0], rtol=1e-6)
    assert played.summary.windows == 11  # lead-in of 8, (500 + 8) / 48 rounded up
    assert (played.summary.contract, played.summary.contract_from) == (contract, "the bundle's manifest")
    assert played.summary.notices == ()


def test_a_changed_bundle_says_so(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b")
    (folder / "golden" / "in.f32").unlink()
    played = play(make_request(str(folder), audio=write_audio(tmp_path / "x.wav", noise(80))))
    assert played.summary.notices == (f"{folder}/golden/in.f32: missing, but in the manifest",)


def test_outputs_without_time_have_one_value_a_window_at_the_windows_start(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_features(tmp_path / "x.tflite"), 3 * WINDOW_SAMPLES)
    sums = noise(3 * WINDOW_SAMPLES)[:, 0].reshape(3, WINDOW_SAMPLES).sum(axis=1)
    features = played.outputs["features"]
    np.testing.assert_allclose(features.values, sums[:, None] * np.arange(FEATURES), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(played.outputs["half"].values, features.values / 2, rtol=1e-6)
    np.testing.assert_allclose(features.times_s, np.arange(3) * WINDOW_SAMPLES / RATE_HZ)
    assert [output.per_window for output in played.summary.outputs] == [None, None]
    assert played.summary.notices == ()


def test_a_bundles_outputs_go_by_the_apps_names_not_the_files(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "b", output="loudness")
    played = play(make_request(str(folder), audio=write_audio(tmp_path / "x.wav", noise(100))))
    np.testing.assert_allclose(played.outputs["loudness"].values, GAIN * noise(100)[:, 0], rtol=1e-6)


def test_with_overlap_the_first_window_starts_half_an_overlap_before_the_clip(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.toml", output="features", axes="class")
    played = play_bare(tmp_path, write_features(tmp_path / "x.tflite"), 100, recipe=recipe, sample_rate=None)
    np.testing.assert_allclose(played.outputs["features"].times_s, (np.arange(4) * 32 - 16) / RATE_HZ)


def test_the_summary_holds_each_outputs_numbers(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_gain(tmp_path / "x.tflite"))
    (output,) = played.summary.outputs
    expected = GAIN * noise(200)[:, 0]
    assert (output.shape, output.dtype, output.per_window, output.not_finite) == ((200,), "float32", WINDOW_SAMPLES, 0)
    assert (output.minimum, output.maximum) == (pytest.approx(expected.min()), pytest.approx(expected.max()))
    assert output.mean == pytest.approx(expected.mean(dtype=np.float64), rel=1e-4)


def test_values_that_overflow_are_counted_not_averaged(tmp_path: Path) -> None:
    loud = np.full((WINDOW_SAMPLES, 1), 3e38, np.float32)
    audio = write_audio(tmp_path / "x.wav", loud)
    played = play(make_request(str(write_features(tmp_path / "x.tflite")), audio=audio, sample_rate=RATE_HZ))
    output = played.summary.outputs[0]
    assert output.not_finite > 0
    assert (output.minimum, output.maximum, output.mean) == (None, None, None)
    assert f"{output.not_finite} not finite" in as_text(played.summary)


def test_times_are_measured_here_and_real_time_is_their_ratio(tmp_path: Path) -> None:
    timing = play_bare(tmp_path, write_gain(tmp_path / "x.tflite"), 800).summary.timing
    assert {score.basis for score in timing.values()} == {"measured_host"}
    total_ms, factor = timing["total_ms"].value, timing["real_time_factor"].value
    assert total_ms is not None and total_ms > 0
    assert factor == pytest.approx(total_ms / 100)  # 800 samples at 8 kHz are 100 ms


def test_audio_at_another_rate_is_resampled_and_that_is_said(tmp_path: Path) -> None:
    audio = write_audio(tmp_path / "x.wav", noise(400), 16000)
    played = play(make_request(str(write_bundle(tmp_path / "b")), audio=audio))
    assert played.outputs["scaled"].values.shape == (200,)
    assert played.summary.notices == ("resampled from 16000 Hz to 8000 Hz",)


def test_a_stereo_model_takes_a_stereo_file(tmp_path: Path) -> None:
    model = write_gain(tmp_path / "x.tflite", shape=(1, WINDOW_SAMPLES, 2))
    played = play_bare(tmp_path, model, 100, channels=2)
    np.testing.assert_allclose(played.outputs["scaled"].values, GAIN * noise(100, channels=2), rtol=1e-6)


def test_progress_is_told_window_by_window(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    order = make_request(str(write_bundle(tmp_path / "b")), audio=write_audio(tmp_path / "x.wav", noise(150)))
    play(order, lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_saved_outputs_are_read_back_and_are_the_same_bytes_twice(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_features(tmp_path / "x.tflite"))
    for name in ("one.npz", "two.npz"):
        save_outputs(played, tmp_path / name)
    with np.load(tmp_path / "one.npz", allow_pickle=False) as archive:
        assert set(archive.files) == {"features", "features.times_s", "half", "half.times_s"}
        for name, output in played.outputs.items():
            np.testing.assert_array_equal(archive[name], output.values)
            np.testing.assert_array_equal(archive[f"{name}.times_s"], output.times_s)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_an_output_named_as_numpys_own_argument_can_be_saved(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_gain(tmp_path / "x.tflite"))
    save_outputs(Played(played.summary, {"file": played.outputs["scaled"]}), tmp_path / "o.npz")
    with np.load(tmp_path / "o.npz") as archive:
        assert archive["file"].shape == (200,)


def test_where_nothing_can_be_written_the_message_says_so(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_gain(tmp_path / "x.tflite"))
    (tmp_path / "taken").touch()
    with pytest.raises(TestpressError, match=r"taken/o\.npz: cannot be written"):
        save_outputs(played, tmp_path / "taken" / "o.npz")


RECIPE = """
[model]
name = "gain"
version = "1"
license = "Apache-2.0"
source = "nowhere"
[model.outputs.{output}]
axes = ["{axes}"]
aliases = ["scaled"]
[audio]
sample_rate_hz = 8000
window_samples = {window}
hop_samples = 32
[devices]
ids = ["pixel-8"]
[task]
kind = "note_transcription"
dataset = "nowhere.jsonl"
"""


def write_recipe(path: Path, *, output: str = "loudness", window: int = WINDOW_SAMPLES, axes: str = "sample") -> Path:
    path.write_text(RECIPE.format(output=output, window=window, axes=axes))
    return path


def test_a_recipe_gives_a_bare_file_its_contract_and_names(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.toml")
    played = play_bare(tmp_path, write_gain(tmp_path / "x.tflite"), recipe=recipe, sample_rate=None)
    np.testing.assert_allclose(played.outputs["loudness"].values, GAIN * noise(200)[:, 0], rtol=1e-6)
    assert played.summary.contract.hop_samples == 32
    assert played.summary.notices == ("output loudness is bound to scaled, its alias in the recipe",)


def bare(path: Path) -> Path:
    return write_gain(path / "x.tflite")


def named(name: str, shape: tuple[int, ...]) -> Any:
    """A gain whose input has another name."""

    def make(folder: Path) -> Path:
        w = Writer()
        x, y = w.tensor(name, shape), w.tensor("y", shape)
        w.op("ABS", [x], [y])
        return w.write(folder / "x.tflite", [x], [y])

    return make


def told(rate_hz: int | None, text: str = "a clip") -> Any:
    """A gain that describes itself."""
    return lambda folder: add_metadata(bare(folder), make_metadata(rate_hz=rate_hz, text=text))


def test_inputs_that_look_like_states_are_proposed_as_such(tmp_path: Path) -> None:
    w = Writer()
    audio, h_in, h_out = (w.tensor(name, (1, WINDOW_SAMPLES)) for name in ("audio", "h_in", "h_out"))
    w.op("ADD", [audio, h_in], [h_out])
    with pytest.raises(TestpressError, match=r'give --recipe with \[model\.state\] h_in = "h_out"$'):
        play_bare(tmp_path, w.write(tmp_path / "x.tflite", [audio, h_in], [h_out]))


def test_a_melody_is_no_mel(tmp_path: Path) -> None:
    assert play_bare(tmp_path, named("melody_samples", (1, 64))(tmp_path)).summary.windows == 4


def test_the_rate_is_the_metadatas_where_none_is_given(tmp_path: Path) -> None:
    summary = play_bare(tmp_path, told(16000)(tmp_path), sample_rate=None).summary
    assert summary.contract.sample_rate_hz == 16000
    assert summary.notices[:2] == ("16000 Hz, as the model's metadata says", "resampled from 8000 Hz to 16000 Hz")


def test_a_rate_that_words_contradict_is_noticed(tmp_path: Path) -> None:
    summary = play_bare(tmp_path, told(None, "mono at 44.1 kHz")(tmp_path)).summary
    assert summary.contract.sample_rate_hz == RATE_HZ
    assert summary.notices[0] == ("the model describes itself as hearing 44100 Hz; the one given, 8000 Hz is taken")


def test_a_window_that_is_open_can_be_given(tmp_path: Path) -> None:
    model = write_gain(tmp_path / "x.tflite", shape=(1, 1), open_=True)
    played = play_bare(tmp_path, model, window=50)
    assert (played.summary.windows, played.summary.contract.window_samples) == (4, 50)
    np.testing.assert_allclose(played.outputs["scaled"].values, GAIN * noise(200)[:, 0], rtol=1e-6)


def test_a_row_of_samples_without_a_batch_can_be_open(tmp_path: Path) -> None:
    model = write_gain(tmp_path / "x.tflite", shape=(1,), open_=True)
    played = play_bare(tmp_path, model, window=50)
    np.testing.assert_allclose(played.outputs["scaled"].values, GAIN * noise(200)[:, 0], rtol=1e-6)


def test_one_insists_on_a_short_window(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_gain(tmp_path / "x.tflite", shape=(1, 20)), window=20)
    assert played.summary.windows == 10


def test_a_signature_is_played_by_its_name(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_two(tmp_path / "x.tflite"), signature="encode")
    assert list(played.outputs) == ["features"]


def test_a_file_without_a_signature_plays_as_one_with_it(tmp_path: Path) -> None:
    values = [
        next(iter(play_bare(tmp_path, write_gain(tmp_path / "x.tflite", signed=signed)).outputs.values())).values
        for signed in (True, False)
    ]
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize(
    ("type_", "scale", "zero_point", "error"),
    [("INT8", 1 / 100, -3, 0.02), ("UINT8", 1 / 100, 128, 0.02), ("INT16", 1 / 30000, 0, 1e-4)],
)
def test_integers_with_a_scale_are_played_by_it(
    type_: str, scale: float, zero_point: int, error: float, tmp_path: Path
) -> None:
    played = play_bare(tmp_path, write_double(tmp_path / "x.tflite", type_, scale=scale, zero_point=zero_point))
    double = played.outputs["double"].values
    assert double.dtype == np.float32
    np.testing.assert_allclose(double, 2 * noise(200)[:, 0], atol=error)
    assert f"audio is {type_.lower()}: samples are divided by {scale:.6g}" in played.summary.notices[0]


def test_int16_without_a_scale_is_pcm(tmp_path: Path) -> None:
    w = Writer()
    x, y = w.tensor("audio", (1, WINDOW_SAMPLES), "INT16"), w.tensor("y", (1, WINDOW_SAMPLES))
    w.op("CAST", [x], [y])
    played = play_bare(tmp_path, w.write(tmp_path / "x.tflite", [x], [y]))
    np.testing.assert_allclose(played.outputs["y"].values, 32768 * noise(200)[:, 0], atol=0.51)
    assert "taken for samples of full scale 32768" in played.summary.notices[0]


def test_integers_without_a_scale_are_refused_by_name(tmp_path: Path) -> None:
    w = Writer()
    x, y = w.tensor("tokens", (1, WINDOW_SAMPLES), "INT32"), w.tensor("y", (1, WINDOW_SAMPLES))
    w.op("CAST", [x], [y])
    path = w.write(tmp_path / "x.tflite", [x], [y])
    with pytest.raises(TestpressError, match=r"x\.tflite: input 'tokens' is int32 without a scale; audio is float32"):
        play_bare(tmp_path, path)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (bare, {"sample_rate": None}, "does not say at what rate it hears; give --sample-rate HZ, or --recipe RECIPE"),
        (
            lambda p: write_bundle(p / "b"),
            {},
            "a bundle holds its own audio contract; leave out --recipe and --sample-",
        ),
        (lambda p: write_gain(p / "x.tflite", shape=(1, 1), open_=True), {}, "its window is open; give --recipe"),
        (lambda p: write_gain(p / "x.tflite", shape=(1, 1)), {}, "[1, 1]: a single number, or of a size that is not"),
        (lambda p: write_gain(p / "x.tflite", shape=(1, 40, 64)), {}, "[1, 40, 64], which is no window of audio"),
        (lambda p: write_gain(p / "x.tflite", shape=(1, 64, 2)), {}, "has 1 channels where the model expects 2"),
        (lambda p: write_gain(p / "x.tflite", shape=(1, 3)), {}, "3 samples (0.375 ms) are no window of audio"),
        (lambda p: write_gain(p / "x.tflite", shape=(1, 3, 40)), {}, "40 samples (5 ms) of 3 are no window of audio"),
        (named("mel_frames", (1, 3, 40)), {}, "[1, 3, 40] and a name of features"),
        (named("inputMfcc", (1, 490)), {}, "[1, 490] and a name of features"),
        (bare, {"window": 100}, "--window 100 is none of its sizes"),
        (lambda p: write_two(p / "x.tflite"), {}, "encode, decode; name one of them, as with --signature encode"),
        (told(16000), {}, "its metadata says that it hears 16000 Hz; --sample-rate 8000 contradicts that"),
        (bare, {"notes": True}, "--notes needs the outputs note and onset; the model has scaled"),
        (lambda p: write_gain(p / "x.tflite", custom="Odd"), {}, "refused the call: Encountered unresolved custom op"),
        (bare, {"recipe": Path("gone.toml")}, "gone.toml: no such file"),
        (bare, {"sample_rate": 4_000_000_000}, "sample_rate_hz: Input should be less than or equal to 768000"),
    ],
)
def test_what_cannot_be_played_has_one_message(
    tmp_path: Path, make: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TestpressError) as caught:
        play_bare(tmp_path, make(tmp_path), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_call_that_is_refused_names_the_file(tmp_path: Path) -> None:
    model = write_gain(tmp_path / "x.tflite", custom="Odd")
    with pytest.raises(EvaluationError) as caught:
        play_bare(tmp_path, model)
    assert str(caught.value).startswith(f"{model}: ")


def write_labels(path: Path) -> Path:
    """`label`: the name of the greatest of 64 samples, `n0` to `n63`; `unsized`, a gain of a size that is not told."""
    names = [f"n{k}".encode() for k in range(WINDOW_SAMPLES)]
    begins = 4 * (len(names) + 2) + np.cumsum([0, *map(len, names)])
    b = Writer()
    audio, place = b.tensor("audio", (1, WINDOW_SAMPLES)), b.tensor("place", (1,), "INT32")
    table, label = b.tensor("table", (len(names),), "STRING"), b.tensor("label", (1,), "STRING")
    stored = schema.BufferT()
    stored.data = [*np.array([len(names), *begins], "<i4").tobytes(), *b"".join(names)]
    b.model.buffers.append(stored)
    b.graph.tensors[table].buffer = len(b.model.buffers) - 1
    axis = b.tensor("axis", (), "INT32", values=np.int32(1))
    greatest, unsized = schema.ArgMaxOptionsT(), b.tensor("unsized", ())
    greatest.outputType = schema.TensorType.INT32
    b.op("ARG_MAX", [audio, axis], [place], options=greatest)
    b.op("GATHER", [table, place], [label], options=schema.GatherOptionsT())
    b.op("ABS", [audio], [unsized])
    return b.write(path, [audio], [label, unsized])


def test_text_that_a_model_makes_is_shown_and_saved(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_labels(tmp_path / "x.tflite"))
    padded = np.concatenate([noise(200)[:, 0], np.zeros(56, np.float32)]).reshape(4, WINDOW_SAMPLES)
    expected = [f"n{place}".encode() for place in padded.argmax(axis=1)]
    assert played.outputs["label"].values.tolist() == expected
    (label,) = (output for output in played.summary.outputs if output.name == "label")
    assert (label.dtype, label.shape, label.minimum) == ("string", (4,), None)
    save_outputs(played, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as saved:
        assert saved["label"].tolist() == expected


def test_an_output_of_a_size_that_is_not_told_has_no_batch_either(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_labels(tmp_path / "x.tflite"))
    np.testing.assert_array_equal(played.outputs["unsized"].values, abs(noise(200)[:, 0]))


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        ({}, {"sample_rate": 16000}, "--sample-rate 16000 contradicts the recipe's 8000"),
        ({"window": 100}, {"sample_rate": None}, "does not hold one window of 100 samples"),
    ],
)
def test_a_recipe_that_does_not_fit_has_one_message(
    tmp_path: Path, recipe: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    path = write_recipe(tmp_path / "r.toml", **recipe)
    with pytest.raises(TestpressError, match=message):
        play_bare(tmp_path, bare(tmp_path), recipe=path, **options)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((0, 1), np.float32), "empty: it holds no sample"),
        (np.array([[0.1], [np.nan]], np.float32), "holds a value that is not finite, first at sample 1"),
    ],
)
def test_audio_that_cannot_be_used_is_named_with_its_fault(tmp_path: Path, samples: np.ndarray, message: str) -> None:
    audio = write_audio(tmp_path / "x.wav", samples)
    with pytest.raises(TestpressError) as caught:
        play(make_request(str(write_bundle(tmp_path / "b")), audio=audio))
    assert str(caught.value).startswith(f"{audio}: {message}")


@pytest.mark.parametrize(
    ("samples", "notice"),
    [
        (np.zeros((50, 1), np.float32), "silent: every sample is 0"),
        (noise(50, channels=2), "mixed down from 2 channels to 1"),
    ],
)
def test_what_was_done_to_audio_is_said(tmp_path: Path, samples: np.ndarray, notice: str) -> None:
    audio = write_audio(tmp_path / "x.wav", samples)
    assert notice in play(make_request(str(write_bundle(tmp_path / "b")), audio=audio)).summary.notices


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (Path.mkdir, "is a folder, not an audio file"),
        (lambda path: path.write_text("hello"), "cannot be read as audio"),
    ],
)
def test_what_is_no_audio_file_is_named(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "x.wav")
    with pytest.raises(TestpressError, match=f"x.wav: {message}"):
        play(make_request(str(write_bundle(tmp_path / "b")), audio=tmp_path / "x.wav"))


def test_the_text_says_where_the_times_come_from_and_the_summary_survives_json(tmp_path: Path) -> None:
    played = play_bare(tmp_path, write_gain(tmp_path / "x.tflite"))
    text = as_text(played.summary, tmp_path / "o.npz")
    assert "measured on this machine, which is no phone" in text
    assert "4 windows of 64 samples every 64" in text
    assert text.endswith(f"outputs: {tmp_path / 'o.npz'}")
    assert PlaySummary.model_validate_json(json.dumps(played.summary.model_dump(mode="json"))) == played.summary


def test_an_order_is_what_was_asked_for(tmp_path: Path) -> None:
    order = make_request(str(bare(tmp_path)), audio=Path("a.wav"), sample_rate=1, notes=True)
    assert order == PlaybackRequest(order.model, Path("a.wav"), None, 1, notes=True)
