from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from specimens import BASIC_PITCH_RECIPE, ROOT, to_toml

from device_profiles.record import parse_record
from packager.package import Variant
from testpress.errors import RecipeError
from testpress.recipe import RecipeFile, read_recipe

RECIPE: dict[str, Any] = {
    "model": {
        "name": "tiny",
        "version": "1",
        "license": "Apache-2.0",
        "source": "model",
        "outputs": {"note": {"axes": ["frame", "pitch"]}, "onset": {"axes": ["frame", "pitch"], "aliases": ["x"]}},
    },
    "audio": {"sample_rate_hz": 8000, "window_samples": 2048, "hop_samples": 1024},
    "devices": {"ids": ["pixel-8", "iphone-12", "iphone-15-pro"]},
    "task": {"kind": "note_transcription", "dataset": "clips.jsonl"},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "testpress.toml"


def _write(path: Path, **changes: Any) -> Path:
    path.write_text(to_toml({**RECIPE, **changes}))
    return path


def test_a_recipe_is_read(path: Path) -> None:
    recipe = read_recipe(_write(path))
    assert recipe.folder == path.parent
    assert [profile.id for profile in recipe.profiles] == RECIPE["devices"]["ids"]
    assert recipe.written.audio.channels == 1
    assert recipe.written.model.outputs["onset"].aliases == ("x",)
    assert recipe.written.model.framework is None
    assert recipe.written.budgets == ()


def test_what_an_evaluation_embeds_is_the_recipe_again(path: Path) -> None:
    recipe = read_recipe(_write(path, budgets=[{"metric": "size_bytes", "max": "900kB"}]))
    data = json.loads(json.dumps(recipe.as_data(), allow_nan=False))
    assert parse_record(data, RecipeFile, where="embedded", error=RecipeError) == recipe.written


def test_variants_are_those_the_recipe_names_once_each(path: Path) -> None:
    recipe = read_recipe(_write(path, variants={"tflite": ["float16", "float32", "float16"], "coreml": ["float16"]}))
    assert recipe.variants == (
        Variant("tflite", "float16"),
        Variant("tflite", "float32"),
        Variant("coreml", "float16"),
    )


def test_variants_without_a_phone_are_left_out(path: Path) -> None:
    variants = {"tflite": ["float32"], "coreml": ["float32"]}
    assert read_recipe(_write(path, variants=variants), devices=("iphone-12",)).variants == (
        Variant("coreml", "float32"),
    )


def test_no_variant_for_the_phone_says_of_which_format(path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, variants={"tflite": ["float32"]}), devices=("iphone-12",))
    assert str(caught.value) == (f"{path}: variants: nothing is to be packaged; name at least one precision of coreml")


def test_without_variants_the_phones_say_what_they_prefer(path: Path) -> None:
    recipe = read_recipe(_write(path))
    preferred = {(profile.format, precision) for profile in recipe.profiles for precision in profile.precisions}
    assert recipe.variants
    assert {(variant.format, variant.precision) for variant in recipe.variants} <= preferred
    assert {variant.format for variant in recipe.variants} == {"tflite", "coreml"}
    assert len(set(recipe.variants)) == len(recipe.variants)


def test_a_model_alone_is_packaged_in_both_formats(tmp_path: Path) -> None:
    path = tmp_path / "testpress.toml"
    path.write_text('[model]\nname = "m"\nversion = "1"\nlicense = "MIT"\nsource = "m.py"\n')
    assert {variant.name for variant in read_recipe(path).variants} == {
        "tflite-float32",
        "tflite-float16",
        "coreml-float32",
        "coreml-float16",
    }
    assert {variant.format for variant in read_recipe(path, devices=("iphone-12",)).variants} == {"coreml"}


def test_the_oldest_iphone_decides_the_deployment_target(path: Path) -> None:
    recipe = read_recipe(_write(path))
    targets = [profile.minimum_deployment_target for profile in recipe.profiles if profile.platform == "ios"]
    assert recipe.minimum_deployment_target == min(targets, key=lambda text: int(str(text).removeprefix("iOS")))
    assert read_recipe(path, devices=("pixel-8",)).minimum_deployment_target == "iOS15"


def test_a_profile_of_ones_own_stands_beside_the_recipe(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ROOT / "tests" / "data" / "profiles" / "a-phone.toml"
    shutil.copy(own, path.parent)
    assert read_recipe(_write(path, devices={"ids": ["a-phone.toml"]})).profiles[0].id == "a-phone"
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    shutil.move(path.parent / "a-phone.toml", elsewhere)
    monkeypatch.chdir(elsewhere)  # on the command line a path starts where the shell stands
    assert read_recipe(path, devices=("a-phone.toml",)).profiles[0].id == "a-phone"


@pytest.mark.parametrize(
    "metric",
    ["note_f1", "latency_ms", "latency_p90_ms", "max_abs_error", "size_bytes", "host_latency_p50_ms", "snr_db"],
)
def test_budgets_may_be_on_what_an_evaluation_holds(metric: str, path: Path) -> None:
    (budget,) = read_recipe(_write(path, budgets=[{"metric": metric, "max": 1.0}])).written.budgets
    assert budget.metric == metric


def test_all_unknown_names_are_told_at_once(path: Path) -> None:
    _write(
        path,
        devices={"ids": ["pixle-8", "iphone-12"]},
        variants={"coreml": ["flaot32"]},
        budgets=[{"metric": "size_bytes", "max": 1.0}, {"metric": "size", "max": 1.0}],
    )
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{path}: devices.ids: unknown device 'pixle-8'; did you mean 'pixel-8'?")
    assert lines[1] == f"{path}: variants.coreml: unknown precision 'flaot32'; did you mean 'float32'?"
    assert lines[2].startswith(f"{path}: budgets[1].metric: unknown metric 'size'")


def test_the_example_is_a_recipe() -> None:
    recipe = read_recipe(ROOT / BASIC_PITCH_RECIPE)
    assert [variant.name for variant in recipe.variants] == [
        "tflite-float32",
        "tflite-float16",
        "tflite-dynamic_wi8_afp32",
        "coreml-float32",
        "coreml-float16",
    ]
    assert len(recipe.written.budgets) >= 4
