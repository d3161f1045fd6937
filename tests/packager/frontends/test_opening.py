"""Front ends as recipes say them: what is refused, and with which words; code of the recipe's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_profiles.errors import TestpressError
from device_profiles.record import Record, parse_record
from packager.bundle import AudioContract
from packager.errors import PackagingError
from packager.frontend_spec import FrontendSpec, PythonSpec
from packager.frontends.feeding import choose_feed, find_feed
from packager.frontends.opening import Frontend, FrontendSource, check_frontend, find_frontend, open_frontend
from packager.model import ModelSpec, find_source, frontend_inputs, source_inputs
from packager.sources import SourceTensor
from tests.packager.frontends.make_references import make_signal
from tests.packager.frontends.settings import RATE_HZ, SETTINGS, make_spec

AUDIO = AudioContract(sample_rate_hz=RATE_HZ, window_samples=8000, hop_samples=8000)
STEREO = AUDIO.model_copy(update={"channels": 2})
KALDI = {**SETTINGS["kaldi_fbank"], "axes": ["batch", "frame", "mel"]}


class Written(Record):
    frontend: FrontendSpec
    """what is said"""


def _open(said: dict[str, Any], audio: AudioContract = AUDIO) -> Frontend:
    return open_frontend(FrontendSource(spec=make_spec(said)), audio)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "logmel"}, 'frontend: kind says which front end: "log_mel", "mfcc"'),
        ({"windw": "hann"}, "frontend.windw: unknown key; did you mean 'window'?"),
        ({"window": "kaiser"}, 'frontend.window: .* found "kaiser" .the window function'),
        ({"n_fft": None}, "frontend.n_fft: .*length of the Fourier transform"),
        ({"win_length": 600}, "win_length 600 is larger than n_fft 512"),
        ({"edges": "centre"}, 'padding goes with edges = "centre"'),
        ({"padding": "reflect"}, 'padding goes with edges = "centre"'),
        ({"floor": None}, "floor and floor_how go with a logarithm"),
        ({"log": "none"}, "floor and floor_how go with a logarithm"),
        ({"f_min_hz": 8000}, "f_min_hz 8000 is not below f_max_hz 8000"),
        ({"axes": ["batch", "time", "mel"]}, "right is batch, channel, frame, mel, each once at most"),
        ({"axes": ["frame", "frame", "mel"]}, "each once at most"),
        ({"kind": "python:net"}, "frontend.kind: "),
        ({"dither": "on"}, "frontend.dither: "),
    ],
    ids=lambda value: str(value)[:40],
)
def test_faults_are_told_where_they_are(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TestpressError, match=message):
        parse_record({"frontend": {**KALDI, **changes}}, Written, where="recipe", error=PackagingError)


@pytest.mark.parametrize(
    ("changes", "audio", "message"),
    [
        ({"f_max_hz": 9000}, AUDIO, "frontend.f_max_hz: 9000 is above half the sample rate; right is 8000 at most"),
        ({}, AUDIO.model_copy(update={"window_samples": 399}), "a window of 399 samples holds no frame of 400"),
        ({"axes": ["batch", "mel"]}, AUDIO, r"leaves out frame \(48\)"),
        ({}, STEREO, r"leaves out channel \(2\)"),
        (
            {"edges": "centre", "padding": "reflect"},
            AUDIO.model_copy(update={"window_samples": 256}),
            "mirrors 256 samples, and a window has only 256",
        ),
    ],
    ids=["nyquist", "short", "frame", "channel", "mirror"],
)
def test_what_does_not_go_with_the_contract_is_refused(
    changes: dict[str, Any], audio: AudioContract, message: str
) -> None:
    with pytest.raises(PackagingError, match=message):
        check_frontend(make_spec({**KALDI, **changes}), audio)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        (["frame", "mel"], (48, 80)),
        (["batch", "mel", "frame"], (1, 80, 48)),
        (["batch", "channel", "frame", "mel"], (1, 1, 48, 80)),
        (["batch", "frame", "mel", "channel"], (1, 48, 80, 1)),
    ],
    ids=str,
)
def test_features_are_laid_out_as_is_said(axes: list[str], shape: tuple[int, ...]) -> None:
    plain, other = _open({**KALDI, "axes": ["frame", "mel"]}), _open({**KALDI, "axes": axes})
    window = make_signal()[None]
    found = other.run(window)
    assert other.shape == found.shape == shape
    turned = found.squeeze() if axes.index("frame") < axes.index("mel") else found.squeeze().T
    np.testing.assert_array_equal(turned, plain.run(window))


def test_channels_are_computed_each_by_itself() -> None:
    window = np.stack([make_signal(), make_signal()[::-1]])
    both = _open({**KALDI, "axes": ["channel", "mel", "frame"]}, STEREO).run(window)
    mono = _open({**KALDI, "axes": ["mel", "frame"]})
    for channel in (0, 1):
        np.testing.assert_array_equal(both[channel], mono.run(window[channel : channel + 1]))


CODE = """
import numpy as np

def mean_of_tens(samples, sample_rate_hz):
    return samples.reshape(1, -1, 10).mean(axis=2)

def other_sizes(samples, sample_rate_hz):
    return samples[:, : 10 if samples.any() else 5]

def breaks(samples, sample_rate_hz):
    return samples @ samples

def endless(samples, sample_rate_hz):
    return np.log(samples)

def words(samples, sample_rate_hz):
    return ["a"]
"""


def _find(folder: Path, function: str, **said: Any) -> FrontendSource:
    (folder / "own_sound.py").write_text(CODE)
    return find_frontend(PythonSpec(kind=f"python:own_sound:{function}", **said), folder)


def test_code_of_the_recipe_computes_features(tmp_path: Path) -> None:
    source = _find(tmp_path, "mean_of_tens", axes=("batch", "frame"))
    frontend = open_frontend(source, AUDIO)
    assert frontend.shape == (1, 800)
    window = make_signal()[None]
    np.testing.assert_array_equal(frontend.run(window)[0, :2], [window[0, :10].mean(), window[0, 10:20].mean()])
    assert source.contract.sha256 == source.sha256 is not None
    assert str(tmp_path) not in source.contract.model_dump_json()


def test_the_codes_digest_is_of_its_text_and_function(tmp_path: Path) -> None:
    digests = {_find(tmp_path, function).sha256 for function in ("mean_of_tens", "words")}
    (tmp_path / "own_sound.py").write_text(CODE + "# other\n")
    digests.add(find_frontend(PythonSpec(kind="python:own_sound:words"), tmp_path).sha256)
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("missing", "there is no such function"),
        ("breaks", "own_sound.py:breaks: fails on a window of shape"),
        ("words", "returned <U1 values; right is an array of real numbers"),
    ],
)
def test_code_that_does_not_work_is_told(function: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=message):
        open_frontend(_find(tmp_path, function), AUDIO)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_code_that_gives_no_numbers_is_told(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="values that are not finite"):
        open_frontend(_find(tmp_path, "endless"), AUDIO)


def test_code_whose_features_change_their_size_is_told(tmp_path: Path) -> None:
    frontend = open_frontend(_find(tmp_path, "other_sizes"), AUDIO)
    with pytest.raises(PackagingError, match=r"of shape \[1, 10\], and \[1, 5\] for silence"):
        frontend.run(make_signal()[None])


def test_code_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"frontend.kind: 'python:nowhere:f': there is no file"):
        find_frontend(PythonSpec(kind="python:nowhere:f"), tmp_path)


def test_a_worker_is_brought_the_code_of_model_and_front_end(tmp_path: Path) -> None:
    (tmp_path / "own_sound.py").write_text("import own_steps\n" + CODE)
    (tmp_path / "own_steps.py").write_text("STEP = 10\n")
    (tmp_path / "own_net.py").write_text("def build():\n    return None\n")
    spec = ModelSpec(name="m", version="1", license="MIT", source="python:own_net:build")
    frontend = PythonSpec(kind="python:own_sound:mean_of_tens")
    source = find_source(spec, tmp_path, frontend)
    brought = {(one.path, name) for one in source_inputs(source) for name in one.names or ()}
    assert brought == {(tmp_path, name) for name in ("own_net.py", "own_sound.py", "own_steps.py")}
    (alone,) = frontend_inputs(source.frontend)
    assert set(alone.names or ()) == {"own_sound.py", "own_steps.py"}
    assert frontend_inputs(FrontendSource(spec=make_spec(KALDI))) == frontend_inputs(None) == ()


def _tensor(*shape: int) -> SourceTensor:
    return SourceTensor(shape, "float32")


def test_the_input_of_features_is_found_or_asked_for() -> None:
    frontend = _open(KALDI)
    feed = find_feed({"x": _tensor(1, 48, 80), "h": _tensor(1, 4)}, AUDIO, {"h": "h_out"}, frontend)
    assert feed is not None
    assert (feed.name, feed.time_axis) == ("x", 1)
    with pytest.raises(PackagingError, match="say which of them takes the features"):
        find_feed({"x": _tensor(1, 48, 80), "y": _tensor(1, 4)}, AUDIO, {}, frontend)
    named = _open({**KALDI, "input": "y"})
    with pytest.raises(PackagingError, match=r"input 'y' takes \[1, 47, 80\], and the front end makes \[1, 48, 80\]"):
        find_feed({"x": _tensor(1, 4), "y": _tensor(1, 47, 80)}, AUDIO, {}, named)
    with pytest.raises(PackagingError, match=r"frontend.input: 'y' is no input"):
        find_feed({"x": _tensor(1, 4)}, AUDIO, {}, named)


@pytest.mark.parametrize("inside", [False, True])
def test_a_file_is_fed_by_what_its_input_holds(inside: bool) -> None:
    frontend = _open({**KALDI, "inside": inside})
    window = make_signal()[None]
    samples, features = (choose_feed("x", shape, AUDIO, frontend) for shape in ((1, 8000), (1, 48, 80, 1)))
    assert samples is not None
    assert features is not None
    np.testing.assert_array_equal(samples.feed(window), window)
    np.testing.assert_array_equal(features.feed(window)[..., 0], frontend.run(window))
    assert choose_feed("x", (1, 7), AUDIO, frontend) is None
