from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from packager.errors import PackagingError
from packager.formats import format_names, get_format
from packager.formats.precision_words import resolve_in_any, resolve_precision, resolve_variant
from testpress.errors import RecipeError
from testpress.recipe import read_recipe
from tests.specimens import to_toml
from tests.testpress.test_recipe import RECIPE

IPHONES = ("iphone-11", "iphone-16-pro")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "testpress.toml"


def _write(path: Path, **changes: Any) -> Path:
    path.write_text(to_toml({**RECIPE, **changes}))
    return path


@pytest.mark.parametrize(
    ("old", "new", "elsewhere"),
    [
        (*IPHONES, {"linear_w8", "palettized_w6", "w8a8", "linear_w4_block32"}),
        ("iphone-8", "iphone-17", {"linear_w8", "palettized_w6", "w8a8", "linear_w4_block32"}),
        ("iphone-14-pro", "iphone-15-pro", {"w8a8"}),
        ("pixel-2", "pixel-9", {"float16"}),
        ("galaxy-a14", "galaxy-s24", {"float16"}),
        ("iphone-11", "iphone-13", set()),
    ],
)
def test_without_variants_each_phone_has_those_that_it_prefers(
    old: str, new: str, elsewhere: set[str], path: Path
) -> None:
    recipe = read_recipe(_write(path, devices={"ids": [old, new]}))
    assert {name.partition("-")[2] for name in recipe.meant_elsewhere[old]} == elsewhere
    assert recipe.meant_elsewhere[new] == frozenset()


def test_variants_are_for_all_phones_that_play_them(path: Path) -> None:
    recipe = read_recipe(_write(path, variants={"coreml": ["float16", "w8a8"]}, devices={"ids": list(IPHONES)}))
    assert set(recipe.meant_elsewhere.values()) == {frozenset()}


def test_a_phone_for_which_nothing_is_made_is_told(path: Path) -> None:
    recipe = read_recipe(_write(path, variants={"coreml": ["float16"]}, devices={"ids": ["iphone-11", "pixel-8"]}))
    assert recipe.notices == (f"{path}: variants: nothing is made for pixel-8, which plays tflite",)


def test_variants_for_a_phone_take_the_place_of_the_others(path: Path) -> None:
    """A precision in each format that its apps play, or one whole bundle."""
    changes = {
        "devices": {"ids": ["pixel-8", *IPHONES]},
        "variants": {"tflite": ["float32"], "coreml": ["float16"]},
        "variants_for": {"iphone-16-pro": ["coreml-w8a8", "fp32"]},
    }
    recipe = read_recipe(_write(path, **changes))
    names = [variant.name for variant in recipe.variants]
    assert names == ["tflite-float32", "coreml-float16", "coreml-w8a8", "coreml-float32"]
    assert recipe.meant_elsewhere["iphone-16-pro"] == {"tflite-float32", "coreml-float16"}
    assert recipe.meant_elsewhere["iphone-11"] == {"tflite-float32", "coreml-w8a8", "coreml-float32"}
    assert recipe.notices == (f"{path}: variants_for.iphone-16-pro: fp32 is taken for float32",)
    alone = read_recipe(path, devices=("iphone-11",))
    assert [variant.name for variant in alone.variants] == ["coreml-float16"]


@pytest.mark.parametrize(
    ("variants_for", "message"),
    [
        ({"iphone-61": ["w8a8"]}, "variants_for.iphone-61: devices.ids does not name this phone; did you mean"),
        ({"iphone-11": []}, "variants_for.iphone-11: no precision is named; name at least one, or leave the phone out"),
        (
            {"iphone-11": ["tflite-float32"]},
            "variants_for.iphone-11: tflite-float32: apps on iphone-11 play coreml, not tflite",
        ),
        ({"iphone-11": ["flaot16"]}, "variants_for.iphone-11: unknown precision 'flaot16'; did you mean 'float16'?"),
    ],
)
def test_what_cannot_be_made_for_a_phone_is_told(variants_for: dict[str, Any], message: str, path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, devices={"ids": list(IPHONES)}, variants_for=variants_for))
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("format_", "word", "precision"),
    [
        ("tflite", "fp16", "float16"),
        ("tflite", "half", "float16"),
        ("tflite", "F32", "float32"),
        ("tflite", "w8", "weight_only_wi8_afp32"),
        ("tflite", "int8-dynamic", "dynamic_wi8_afp32"),
        ("tflite", "full_integer", "static_wi8_ai8"),
        ("coreml", "f16", "float16"),
        ("coreml", "mixed", "mixed_float16"),
        ("coreml", "int8_weights", "linear_w8"),
    ],
)
def test_other_words_with_one_meaning_are_taken(format_: str, word: str, precision: str) -> None:
    assert resolve_precision(format_, word, where="here") == precision


@pytest.mark.parametrize(
    ("format_", "word", "choices"),
    [
        ("tflite", "int8", ("dynamic range: ", "weights only: ", "full integer: ")),
        ("tflite", "static", ("static_wi8_ai8 (", "static_wi8_ai16 (")),
        ("coreml", "int8", ("linear_w8 (weights only: ", "w8a8 (weights and activations")),
        ("coreml", "w8", ("linear_w8 (", "palettized_w8 (")),
    ],
)
def test_a_word_with_several_meanings_is_asked_about(format_: str, word: str, choices: tuple[str, ...]) -> None:
    with pytest.raises(PackagingError) as caught:
        resolve_precision(format_, word, where=f"variants.{format_}")
    assert str(caught.value).startswith(f"variants.{format_}: '{word}' may mean {len(choices)} precisions of {format_}")
    assert all(choice in str(caught.value) for choice in choices)


def test_no_other_word_is_a_precision_itself() -> None:
    """Else one could not write that precision."""
    for name in format_names():
        known = get_format(name).precisions
        assert not set(known) & {alias for one in known.values() for alias in one.aliases}
        for precision, one in known.items():
            assert one.meaning, precision
            assert resolve_precision(name, precision, where="here") == precision


@pytest.mark.parametrize(
    ("word", "precisions"),
    [
        ("fp16", ("float16",)),
        ("w8a8", ("w8a8",)),
        ("full_integer", ("w8a8", "static_wi8_ai8")),
        ("weight_only_wi4_afp32", ("weight_only_wi4_afp32",)),
    ],
)
def test_a_budgets_precisions_are_of_any_format(word: str, precisions: tuple[str, ...]) -> None:
    """Files that were there already may have others than are packaged."""
    assert resolve_in_any(word, where="here") == precisions


def test_a_bundles_name_may_hold_another_word() -> None:
    assert [resolve_variant(name, where="here") for name in ("tflite-fp16", "nmp.tflite", "coreml", "old-int8")] == [
        "tflite-float16",
        "nmp.tflite",
        "coreml",
        "old-int8",
    ]


def test_a_recipe_is_read_with_other_words_everywhere(path: Path) -> None:
    changes = {
        "variants": {"tflite": ["fp32", "FP16", "float16"]},
        "devices": {"ids": ["pixel-8"]},
        "budgets": [{"metric": "size_bytes", "max": "1MB", "precisions": ["fp16"], "variants": ["tflite-half"]}],
    }
    recipe = read_recipe(_write(path, **changes))
    assert [variant.name for variant in recipe.variants] == ["tflite-float32", "tflite-float16"]
    (budget,) = recipe.written.budgets
    assert (budget.precisions, budget.variants) == (("float16",), ("tflite-float16",))
    assert recipe.as_data()["variants"] == {"tflite": ["float32", "float16"]}
    assert recipe.notices == (
        f"{path}: variants.tflite: fp32 is taken for float32",
        f"{path}: variants.tflite: FP16 is taken for float16",
        f"{path}: budgets[0].precisions: fp16 is taken for float16",
        f"{path}: budgets[0].variants: tflite-half is taken for tflite-float16",
    )


def test_unclear_words_of_a_budget_are_told_with_the_others(path: Path) -> None:
    budget = {"metric": "size_bytes", "max": "1MB", "precisions": ["int8", "flaot32"]}
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, budgets=[budget], variants={"tflite": ["int8"]}, devices={"ids": ["pixel-8"]}))
    lines = str(caught.value).split("\n")
    assert [line.split(": ")[1] for line in lines] == [
        "variants.tflite",
        "budgets[0].precisions",
        "budgets[0].precisions",
    ]
    assert lines[2].endswith("unknown precision 'flaot32'; did you mean 'float32'?")
