"""Models' calls taken apart: names for what goes in and comes out, whatever it is wrapped in."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from packager.errors import PackagingError  # noqa: E402
from packager.sources import part_names  # noqa: E402
from packager.sources.flat_call import flatten_outputs, make_flat_module, name_outputs, take_apart  # noqa: E402
from tests.packager import odd_models  # noqa: E402  needs torch

pytestmark = pytest.mark.pytorch


def _call(factory: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a model's inputs and outputs."""
    model, example = getattr(odd_models, factory)()
    arguments = take_apart(model.forward, example, where="m")
    args, kwargs = torch.utils._pytree.tree_unflatten(list(arguments.leaves), arguments.structure)
    paths = [path for path, _ in flatten_outputs(model(*args, **kwargs))]
    return arguments.names, name_outputs(paths, (), where="m")


@pytest.mark.parametrize(
    ("factory", "inputs", "outputs"),
    [
        ("lone", ("samples",), ("output",)),
        ("named_tuple", ("samples",), ("tone", "noise")),
        ("named_tuple_with_none", ("samples",), ("tone",)),
        ("dataclass_output", ("samples",), ("score", "parts_0", "parts_1")),
        ("dictionaries", ("batch_0", "batch_1"), ("output_up", "a_b_c_d", "a_b_7", "x", "output_3rd")),
        ("keywords", ("samples", "other"), ("output",)),
        (
            "nested_state",
            ("samples", "state_0", "state_1", "state_2"),
            ("output_0", "output_1_0", "output_1_1_0", "output_1_1_1"),
        ),
        ("unused", ("samples", "unused"), ("output",)),
    ],
)
def test_names_come_from_parameters_and_keys(factory: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    assert _call(factory) == (inputs, outputs)


@pytest.mark.slow
def test_a_class_of_transformers_gives_its_keys() -> None:
    pytest.importorskip("transformers")
    assert _call("model_output") == (("samples",), ("logits",))


@pytest.mark.parametrize(
    ("outputs", "inputs", "expected"),
    [
        (["y", "z"], ["x"], ("y", "z")),
        (["samples", "y"], ["samples"], ("samples_out", "y")),
        (["h", "h_out"], ["h"], ("h_out_2", "h_out")),  # a name that is free stays with whom it belongs to
        (["a", "a", "a"], [], ("a", "a_out_2", "a_out_3")),
        (["h"], ["h", "h_out"], ("h_out_2",)),
    ],
)
def test_no_name_is_borne_twice(outputs: list[str], inputs: list[str], expected: tuple[str, ...]) -> None:
    assert part_names(outputs, inputs) == expected


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../b", "..", "", "x\0y", "C:\\x", "ä", "7"])
def test_keys_of_dictionaries_never_lead_out_of_a_folder(key: str) -> None:
    paths = [path for path, _ in flatten_outputs({key: torch.ones(1), "y": torch.ones(1)})]
    named = name_outputs(paths, (), where="m")
    assert len(set(named)) == 2
    for name in named:
        assert name.replace("_", "").isalnum() and name.isascii() and name[0].isalpha()


def test_a_tuple_is_named_by_the_recipe_and_all_of_it() -> None:
    assert name_outputs(["0", "1"], ("note", "onset"), where="m") == ("note", "onset")
    assert name_outputs([""], ("note",), where="m") == ("note",)
    with pytest.raises(PackagingError, match=r"names 1 outputs \(note\), and m returns 2 tensors without names"):
        name_outputs(["0", "1"], ("note",), where="m")
    with pytest.raises(PackagingError, match="m: the model returns no tensor"):
        name_outputs([], (), where="m")


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ((), "the model cannot be called with its example inputs: missing a required argument: 'samples'"),
        ((torch.ones(1), torch.ones(1)), "too many positional arguments"),
        ({"sample": torch.ones(1)}, "missing a required argument: 'samples'"),
        ((3,), "the example inputs hold no tensor; found tuple"),
        ("x.wav", "the example inputs are of type str; give a tuple of tensors, or a dictionary of keyword arguments"),
    ],
)
def test_examples_that_do_not_fit_say_what_would(example: Any, words: str) -> None:
    model, _ = odd_models.lone()
    with pytest.raises(PackagingError, match=r"^m: ") as caught:
        take_apart(model.forward, example, where="m")
    assert words in str(caught.value)


def test_several_positional_tensors_are_numbered() -> None:
    arguments = take_apart(
        lambda *parts, gain: sum(parts) * gain, ((torch.ones(1), torch.ones(1)), {"gain": 2}), where=""
    )
    assert arguments.names == ("parts_0", "parts_1")


@pytest.mark.parametrize(
    ("factory", "dtypes"),
    [
        ("complex_tensors", {"turned": torch.float32, "power": torch.float32, "minus": torch.float32}),
        ("whole_numbers", {"picked": torch.float32, "shifted": torch.int32, "loudest": torch.int32}),
        ("bytes_in", {"scaled": torch.float32, "loud": torch.int32}),
        ("doubles", {"output_0": torch.float32, "output_1": torch.float32}),
    ],
)
def test_only_float32_and_int32_cross_the_border(factory: str, dtypes: dict[str, Any]) -> None:
    model, example = getattr(odd_models, factory)()
    arguments = take_apart(model.forward, example, where="m")
    expected = list(flatten_outputs(model(*arguments.tensors)))
    names = name_outputs([path for path, _ in expected], (), where="m")
    given = [torch.view_as_real(one) if one.is_complex() else one for one in arguments.tensors]
    given = [one.float() if one.is_floating_point() else one.int() for one in given]
    found = make_flat_module(model, arguments, names)(*given)
    assert {name: tensor.dtype for name, tensor in found.items()} == dtypes
    for name, (_, value) in zip(names, expected, strict=True):
        real = torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
        torch.testing.assert_close(found[name].double(), real.double(), rtol=1e-6, atol=1e-6)


def test_copies_keep_a_model_from_writing_into_what_it_is_given() -> None:
    model, example = odd_models.written_into()
    arguments = take_apart(model.forward, example, where="m")
    before = example[0].clone()
    make_flat_module(model, arguments, ("output",), copies=True)(example[0])
    assert torch.equal(example[0], before)
    make_flat_module(model, arguments, ("output",))(example[0])
    assert not torch.equal(example[0], before)
