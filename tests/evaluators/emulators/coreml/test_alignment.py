from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from evaluators.emulators.coreml import CoreMLModel
from evaluators.emulators.coreml.alignment import Follower, align_names, base_name, output_names, walk

from .programs import Op, Program, write_package

SHAPE = (2, 3)
X = np.arange(6, dtype=np.float32).reshape(SHAPE)


def chain(*factors: float) -> Program:
    """`y = x · f1 · f2 …`; the products are m1, m2 …, the last one is y."""
    names = [*(f"m{k}" for k in range(1, len(factors))), "y"]
    ops = [
        Op("mul", {"x": before, "y": np.float32(factor)}, name, shape=SHAPE)
        for before, name, factor in zip(["x", *names], names, factors, strict=False)
    ]
    return Program(ops, {"y": ("float32", SHAPE)})


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("conv", "conv"),
        ("conv_cast_fp16", "conv"),
        ("audio_to_fp16", "audio"),
        ("log_cast_fp16_to_fp32", "log"),
        ("index_to_int16", "index"),
        ("gather_cast_uint16", "gather"),
        ("halves_cast_fp16_1", "halves_1"),
        ("halves_cast_fp16_1_to_fp32", "halves_1"),
        ("conv_3", "conv_3"),
        ("mix_fp16", "mix_fp16"),
        ("up_cast_fp16_block", "up_cast_fp16_block"),
        ("_cast_fp16", "_cast_fp16"),
    ],
)
def test_marks_of_casts_are_taken_off(name: str, base: str) -> None:
    assert base_name(name) == base


@pytest.mark.parametrize(
    ("reference", "candidate", "aligned"),
    [
        (["a", "b"], ["b", "a"], {"b": "b", "a": "a"}),
        (["a"], ["x_to_fp16", "a_cast_fp16"], {"a_cast_fp16": "a"}),
        (["a"], ["a_cast_fp16", "a"], {"a_cast_fp16": "a", "a": "a"}),
        (["a_cast_fp16", "b"], ["a"], {"a": "a_cast_fp16"}),
        (["a_cast_fp16"], ["a_cast_fp16"], {"a_cast_fp16": "a_cast_fp16"}),
        (["a", "a_cast_fp16"], ["a_cast_fp16", "a_cast_fp16_to_fp32"], {"a_cast_fp16": "a_cast_fp16",
                                                                       "a_cast_fp16_to_fp32": "a"}),
        (["s_0", "s_1"], ["s_cast_fp16_0", "s_cast_fp16_1"], {"s_cast_fp16_0": "s_0", "s_cast_fp16_1": "s_1"}),
        (["a"], ["b"], {}),
        ([], ["b"], {}),
        (["a"], [], {}),
    ],
)  # fmt: skip
def test_names_find_their_namesakes(reference: list[str], candidate: list[str], aligned: dict[str, str]) -> None:
    found = align_names(reference, candidate)
    assert found == aligned
    assert list(found) == [name for name in candidate if name in aligned]


def test_the_first_of_several_namesakes_is_taken() -> None:
    assert align_names(["a_cast_fp16", "a_cast_fp16_to_fp32"], ["a_to_fp16"]) == {"a_to_fp16": "a_cast_fp16"}


@pytest.fixture
def model(tmp_path: Path) -> CoreMLModel:
    return CoreMLModel(write_package(tmp_path, chain(2, 3, 5)))


def test_a_walk_gives_every_output_in_order(model: CoreMLModel) -> None:
    assert output_names(model.plan) == ["m1", "m2", "y"]
    with torch.inference_mode():
        found = dict(walk(model.plan, model.prepare({"x": X})))
    for name, factor in {"m1": 2, "m2": 6, "y": 30}.items():
        np.testing.assert_array_equal(found[name].numpy(), factor * X)


def follow(model: CoreMLModel, *names: str) -> Follower:
    return Follower(model.plan, model.prepare({"x": X}), names)


def test_in_the_programs_order_one_value_is_held(model: CoreMLModel) -> None:
    with torch.inference_mode():
        follower = follow(model, "m1", "m2", "y")
        for name, factor in {"m1": 2, "m2": 6, "y": 30}.items():
            np.testing.assert_array_equal(follower.take(name).numpy(), factor * X)
    assert follower.most_held_bytes == X.nbytes


def test_in_the_opposite_order_all_that_is_asked_for_is_held(model: CoreMLModel) -> None:
    with torch.inference_mode():
        follower = follow(model, "y", "m1")
        for name, factor in {"y": 30, "m1": 2}.items():
            np.testing.assert_array_equal(follower.take(name).numpy(), factor * X)
    assert follower.most_held_bytes == 2 * X.nbytes


def test_the_most_that_was_held_is_remembered(model: CoreMLModel) -> None:
    with torch.inference_mode():
        follower = follow(model, "m2", "m1", "y")
        for name in ("m2", "m1", "y"):
            follower.take(name)
    assert follower.most_held_bytes == 2 * X.nbytes


def test_a_value_is_kept_for_as_often_as_it_is_asked_for(model: CoreMLModel) -> None:
    with torch.inference_mode():
        follower = follow(model, "m1", "m2", "m1")
        for name in ("m1", "m2", "m1"):
            follower.take(name)
        with pytest.raises(KeyError, match="m1"):
            follower.take("m1")
    assert follower.most_held_bytes == 2 * X.nbytes


def test_no_more_is_computed_than_is_asked_for(tmp_path: Path) -> None:
    """The second op cannot be computed: `x` cannot be added to it."""
    ops = [
        Op("mul", {"x": "x", "y": np.float32(2)}, "m", shape=SHAPE),
        Op("add", {"x": "m", "y": np.ones(5, np.float32)}, "y", shape=SHAPE),
    ]
    model = CoreMLModel(write_package(tmp_path, Program(ops, {"y": ("float32", SHAPE)})))
    with torch.inference_mode():
        np.testing.assert_array_equal(follow(model, "m").take("m").numpy(), 2 * X)
