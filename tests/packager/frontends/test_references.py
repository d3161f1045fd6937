"""Held against librosa, Kaldi and Whisper themselves, by what `make_references.py` stored of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from packager.frontends.backends import NumpyBackend, TensorFlowBackend, TorchBackend
from packager.frontends.computation import compute, count_bins, count_frames
from tests.packager.frontends import make_references
from tests.packager.frontends.settings import RATE_HZ, SETTINGS, make_spec

REFERENCES = dict(np.load(Path(__file__).parent / "data" / "references.npz"))
RELATIVE = 1e-4
"""to the largest value of each reference; these compute in float32, and where it is quiet in Kaldi's 16-bit scale its
last digits show, which after a logarithm are 2e-5 of the largest value"""
LINEAR = 1e-6
"""value by value, without a logarithm: float32 sums in another order"""
SIGNAL = REFERENCES.pop("signal")


def _worst(found: npt.NDArray[Any], reference: npt.NDArray[Any]) -> float:
    assert found.shape == reference.shape
    return float(np.max(np.abs(found - reference)) / np.max(np.abs(reference)))


def test_every_reference_has_a_setting_and_the_signal_is_the_same() -> None:
    assert set(SETTINGS) == set(REFERENCES)
    np.testing.assert_array_equal(make_references.make_signal(), SIGNAL)


@pytest.mark.parametrize("name", SETTINGS)
def test_features_are_the_librarys_own(name: str) -> None:
    spec, reference = make_spec(SETTINGS[name]), REFERENCES[name]
    found = compute(SIGNAL[None].astype(np.float64), spec, RATE_HZ, NumpyBackend())[0]
    assert _worst(found, reference) < RELATIVE
    if spec.log == "none":
        np.testing.assert_allclose(found, reference, rtol=LINEAR, atol=LINEAR * reference.max())
    assert found.shape == (count_frames(spec, len(SIGNAL)), count_bins(spec))


@pytest.mark.pytorch
@pytest.mark.parametrize("name", SETTINGS)
def test_torch_computes_the_same(name: str) -> None:
    import torch

    found = compute(torch.from_numpy(SIGNAL[None]), make_spec(SETTINGS[name]), RATE_HZ, TorchBackend())[0].numpy()
    assert _worst(found, REFERENCES[name]) < RELATIVE


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_tensorflow_computes_the_same(name: str) -> None:
    import tensorflow as tf

    found = compute(tf.constant(SIGNAL[None]), make_spec(SETTINGS[name]), RATE_HZ, TensorFlowBackend())[0].numpy()
    assert _worst(found, REFERENCES[name]) < RELATIVE
