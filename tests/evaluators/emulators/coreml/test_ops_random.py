"""Random numbers: reproducible where asked, and of the right distribution.

Bounds are five standard errors of the statistic, so that another generator would pass too; seeds make runs repeatable.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.binding import bind
from evaluators.emulators.coreml.ops import find_op
from evaluators.errors import EvaluationError

from .programs import Op, Program, write_package

COUNT = 40_000
KINDS = ["random_bernoulli", "random_normal", "random_uniform", "random_categorical"]


def draw(kind: str, **parameters: Any) -> np.ndarray:
    arguments = {
        name: [value if isinstance(value, str) else torch.as_tensor(value)] for name, value in parameters.items()
    }
    if kind != "random_categorical":
        arguments.setdefault("shape", [torch.tensor([COUNT], dtype=torch.int32)])
    bound = bind(find_op(kind, "CoreML5", where="test"), arguments, where="test")
    return bound.call().numpy()


def some(kind: str, **parameters: Any) -> np.ndarray:
    if kind == "random_categorical":
        parameters |= {"x": torch.zeros(5), "size": 50}
    return draw(kind, **parameters)


def near(found: float, wanted: float, deviation: float) -> None:
    """Whether a mean of `COUNT` numbers of this standard deviation is where it should be."""
    assert abs(found - wanted) < 5 * deviation / COUNT**0.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_numbers_again(kind: str) -> None:
    first = some(kind, seed=7)
    some(kind, seed=8)
    np.testing.assert_array_equal(some(kind, seed=7), first)
    assert not np.array_equal(some(kind, seed=8), first)
    assert first.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_seed_the_numbers_differ(kind: str) -> None:
    torch.manual_seed(3)
    first = some(kind)
    torch.manual_seed(3)  # not even the process's own generator may repeat them
    assert not np.array_equal(some(kind), first)


@pytest.mark.parametrize("prob", [0.0, 0.1, 0.5, 1.0])
def test_bernoulli(prob: float) -> None:
    found = draw("random_bernoulli", prob=prob, seed=1)
    assert set(np.unique(found)) <= {0.0, 1.0}
    assert abs(found.mean() - prob) <= 5 * (prob * (1 - prob) / COUNT) ** 0.5


def test_normal() -> None:
    found = draw("random_normal", mean=3.0, stddev=2.0, seed=2)
    near(found.mean(), 3.0, 2.0)
    near(((found - 3) ** 2).mean(), 4.0, 4 * 2**0.5)  # the fourth moment is 3 σ⁴
    near((np.abs(found - 3) < 2).mean(), 0.6827, 0.5)  # within one σ


def test_uniform() -> None:
    found = draw("random_uniform", low=-1.0, high=3.0, seed=3)
    assert found.min() >= -1
    assert found.max() < 3
    near(found.mean(), 1.0, 4 / 12**0.5)
    shares = np.histogram(found, 8, (-1, 3))[0] / COUNT
    for share in shares:
        near(share, 1 / 8, (1 / 8 * 7 / 8) ** 0.5)


def test_uniform_never_reaches_its_upper_end() -> None:
    """From the last float32 below 3 up to 3 lies no other number, and half of the products round up."""
    low = float(np.nextafter(np.float32(3), np.float32(0)))
    np.testing.assert_array_equal(draw("random_uniform", low=low, high=3.0, seed=4), np.full(COUNT, low, np.float32))


def test_uniform_of_no_width_is_constant() -> None:
    np.testing.assert_array_equal(draw("random_uniform", low=2.0, high=2.0), np.full(COUNT, 2, np.float32))


@pytest.mark.parametrize("mode", ["logits", "probs"])
def test_categorical(mode: str) -> None:
    shares = np.array([[0.5, 0.25, 0.125, 0.125], [0.0, 0.1, 0.2, 0.7]], np.float32)
    with np.errstate(divide="ignore"):
        x = np.log(shares) + 7 if mode == "logits" else shares
    found = draw("random_categorical", x=x, mode=mode, size=COUNT, seed=5)
    assert found.shape == (2, COUNT)
    for row, wanted in zip(found, shares, strict=True):
        for place, share in enumerate(wanted):
            assert abs((row == place).mean() - share) <= 5 * (share * (1 - share) / COUNT) ** 0.5


def test_categorical_takes_vectors_and_more_dimensions() -> None:
    only = np.full((2, 3, 4), -np.inf, np.float32)
    only[..., 2] = 0
    np.testing.assert_array_equal(draw("random_categorical", x=only), np.full((2, 3, 1), 2))
    np.testing.assert_array_equal(draw("random_categorical", x=only[0, 0], size=3), np.full(3, 2))


def test_shapes_may_be_known_at_run_time_only(tmp_path: Any) -> None:
    ops = [Op("random_normal", {"shape": "n", "seed": np.int32(1)}, "y", shape=(2, 3))]
    program = Program(ops, {"y": ("float32", (2, 3))}, {"n": ("int32", (2,))})
    model = CoreMLModel(write_package(tmp_path, program))
    first = model.predict({"n": np.array([2, 3], np.int32)})["y"]
    np.testing.assert_array_equal(model.predict({"n": np.array([2, 3], np.int32)})["y"], first)
    assert first.shape == (2, 3)
    assert np.unique(first).size == 6


def test_numbers_are_drawn_anew_at_each_call(tmp_path: Any) -> None:
    """Also where nothing but constants goes in: they are not folded when the model is loaded."""
    ops = [
        Op("random_uniform", {"shape": np.array([2, 3])}, "r", shape=(2, 3)),
        Op("add", {"x": "r", "y": "x"}, "y", shape=(2, 3)),
    ]
    model = CoreMLModel(write_package(tmp_path, Program(ops, {"y": ("float32", (2, 3))})))
    x = np.zeros((2, 3), np.float32)
    assert not np.array_equal(model.predict({"x": x})["y"], model.predict({"x": x})["y"])


@pytest.mark.parametrize(
    ("kind", "parameters", "message"),
    [
        ("random_uniform", {"low": 1.0, "high": 0.0}, "random_uniform has low 1.0 and high 0.0; expected low to be"),
        (
            "random_categorical",
            {"x": torch.zeros(2), "mode": "odds"},
            "random_categorical has mode 'odds'; expected logits or probs",
        ),
    ],
)
def test_bad_parameters(kind: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=f"^{message}"):
        draw(kind, **parameters)
