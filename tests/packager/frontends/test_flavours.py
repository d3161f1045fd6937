"""A choice that was made otherwise is told, and nothing is told where none was, or none that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from packager.errors import PackagingError
from packager.frontends.backends import NumpyBackend
from packager.frontends.computation import compute
from packager.frontends.flavours import CERTAIN_DB, Diagnosis, describe_changes, find_flavour
from tests.packager.frontends.make_references import make_signal
from tests.packager.frontends.settings import RATE_HZ, SETTINGS, make_spec

SIGNAL = make_signal()[None]


def _compute(said: dict[str, Any], samples: npt.NDArray[np.float32] = SIGNAL) -> npt.NDArray[np.float32]:
    features = compute(samples.astype(np.float64), make_spec(said), RATE_HZ, NumpyBackend())
    return features.astype(np.float32)


def _diagnose(name: str, changes: dict[str, Any]) -> Diagnosis:
    return find_flavour(make_spec(SETTINGS[name]), SIGNAL, RATE_HZ, _compute({**SETTINGS[name], **changes}))


SWAPS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("kaldi_fbank", {"mel_scale": "slaney"}, {'mel_scale = "slaney" instead of "htk"'}),
    ("kaldi_fbank", {"window_symmetry": "periodic"}, {'window_symmetry = "periodic" instead of "symmetric"'}),
    ("kaldi_fbank", {"sample_scale": 1.0}, {"sample_scale = 1 instead of 32768"}),
    ("kaldi_fbank", {"log": "log10"}, {'log = "log10" instead of "ln"'}),
    ("kaldi_fbank", {"mel_triangles": "hz"}, {'mel_triangles = "hz" instead of "mel"'}),
    ("kaldi_fbank", {"remove_dc": False}, {"remove_dc = false instead of true"}),
    ("kaldi_fbank", {"preemphasis": 0.0}, {"preemphasis = 0 instead of 0.97"}),
    ("kaldi_fbank", {"preemphasis_over": "window"}, {'preemphasis_over = "window" instead of "frame"'}),
    ("kaldi_fbank", {"f_min_hz": 0.0}, {"f_min_hz = 0 instead of 20"}),
    ("kaldi_fbank", {"edges": "mirror"}, {'edges = "mirror" instead of "snip"'}),
    ("kaldi_mfcc", {"lifter": 0.0}, {"lifter = 0 instead of 22"}),
    ("kaldi_mfcc", {"energy": False}, {"energy = false instead of true"}),
    ("kaldi_mfcc", {"dct_norm": "none"}, {'dct_norm = "none" instead of "ortho"'}),
    ("whisper_80", {"mel_scale": "htk"}, {'mel_scale = "htk" instead of "slaney"'}),
    ("whisper_80", {"window_symmetry": "symmetric"}, {'window_symmetry = "symmetric" instead of "periodic"'}),
    ("whisper_80", {"edges": "snip", "padding": None}, {'edges = "snip" instead of "centre"'}),
    ("whisper_80", {"log": "ln"}, {'log = "ln" instead of "log10"'}),
    ("whisper_80", {"padding": "zero"}, {'padding = "zero" instead of "reflect"'}),
    ("whisper_80", {"drop_last_frame": False}, {"drop_last_frame = false instead of true"}),
    ("whisper_80", {"mel_norm": "none"}, {'mel_norm = "none" instead of "slaney"'}),
    ("whisper_80", {"power": 1}, {"power = 1 instead of 2"}),
    ("librosa_stft", {"window": "hamming"}, {'window = "hamming" instead of "hann"'}),
    ("librosa_db", {"reference": "max"}, {'reference = "max" instead of "one"'}),
    (
        "librosa_db",
        {"mel_scale": "htk", "window_symmetry": "symmetric"},
        {'mel_scale = "htk" instead of "slaney"', 'window_symmetry = "symmetric" instead of "periodic"'},
    ),
    (
        "kaldi_fbank",
        {"sample_scale": 1.0, "mel_scale": "slaney", "window": "hann"},
        {
            "sample_scale = 1 instead of 32768",
            'mel_scale = "slaney" instead of "htk"',
            'window = "hann" instead of "povey"',
        },
    ),
]


def _name(value: Any) -> str:
    """Of a case, the same in every process: sets have no order."""
    return str(sorted(value) if isinstance(value, set) else value)[:60]


@pytest.mark.parametrize(("name", "changes", "words"), SWAPS, ids=_name)
def test_a_swapped_choice_is_told(name: str, changes: dict[str, Any], words: set[str]) -> None:
    found = _diagnose(name, changes)
    assert [set(describe_changes(one, make_spec(SETTINGS[name]))) for one in found.likely] == [words]
    assert found.likely[0].snr_db > CERTAIN_DB > found.said.snr_db


@pytest.mark.parametrize("name", SETTINGS)
def test_the_same_features_are_the_same(name: str) -> None:
    found = _diagnose(name, {})
    assert [one.changes for one in found.likely] == [{}]
    assert found.tried == 1


def test_choices_that_the_audio_does_not_tell_apart_are_all_named() -> None:
    found = _diagnose("whisper_80", {"dynamic_range": None})
    spec = make_spec(SETTINGS["whisper_80"])
    words = {word for one in found.likely for word in describe_changes(one, spec)}
    assert words == {"dynamic_range = none instead of 8", "dynamic_range = 80 instead of 8"}


def test_the_other_way_round_is_told() -> None:
    spec = make_spec(SETTINGS["kaldi_fbank"])
    found = find_flavour(spec, SIGNAL, RATE_HZ, _compute({**SETTINGS["kaldi_fbank"], "log": "log10"})[0].T)
    (one,) = found.likely
    assert list(describe_changes(one, spec)) == [
        'log = "log10" instead of "ln"',
        "frames and bins are the other way round",
    ]


def test_what_no_choice_explains_is_not_explained() -> None:
    spec = make_spec(SETTINGS["kaldi_fbank"])
    features = _compute(SETTINGS["kaldi_fbank"])
    shuffled = np.random.default_rng(1).permuted(features, axis=1)
    found = find_flavour(spec, SIGNAL, RATE_HZ, shuffled)
    assert not found.likely
    assert found.nearest.snr_db < 60
    assert found.tried > 100


def test_features_of_two_channels_are_told() -> None:
    stereo = np.concatenate([SIGNAL, SIGNAL[:, ::-1] * 0.3])
    spec = make_spec({**SETTINGS["librosa_db"], "axes": ["channel", "frame", "mel"]})
    features = _compute({**SETTINGS["librosa_db"], "mel_norm": "none"}, stereo)
    (one,) = find_flavour(spec, stereo, RATE_HZ, features).likely
    assert list(describe_changes(one, spec)) == ['mel_norm = "none" instead of "slaney"']


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.full((48, 80), np.nan), "no finite number"),
        (np.array([["a"]]), "no finite number"),
        (np.zeros((2, 3, 4)), r"the features have the shape \[2, 3, 4\]"),
    ],
    ids=["nan", "text", "rank"],
)
def test_what_is_no_features_is_refused(features: npt.NDArray[Any], message: str) -> None:
    with pytest.raises(PackagingError, match=message):
        find_flavour(make_spec(SETTINGS["kaldi_fbank"]), SIGNAL, RATE_HZ, features)
