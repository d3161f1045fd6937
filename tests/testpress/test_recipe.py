from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from device_profiles.record import parse_record
from evaluators.costs.placement import PlacementRequest
from packager.package import Variant
from testpress.errors import RecipeError
from testpress.recipe import RecipeFile, read_recipe
from tests.specimens import BASIC_PITCH_RECIPE, ROOT, to_toml

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
    assert read_recipe(_write(path, variants=variants), devices=("pixel-8",)).variants == (
        Variant("tflite", "float32"),
    )
    assert read_recipe(_write(path, variants=variants), devices=("iphone-12",)).variants == (
        Variant("coreml", "float32"),
    )


def test_a_recipe_says_which_runtimes_the_apps_carry(path: Path) -> None:
    """An iPhone's apps can carry TFLite beside Core ML."""
    variants = {"tflite": ["float32"], "coreml": ["float32"]}
    devices = {"ids": ["iphone-12"], "runtimes": ["Core ML", "TFLite"]}
    recipe = read_recipe(_write(path, variants=variants, devices=devices))
    assert recipe.variants == (Variant("tflite", "float32"), Variant("coreml", "float32"))
    assert [one.name for one in recipe.profiles[0].runtimes] == ["Core ML", "TFLite"]
    with pytest.raises(
        RecipeError, match=r"devices.runtimes: apps on iphone-12 can carry Core ML, TFLite; found LiteRT"
    ):
        read_recipe(_write(path, variants=variants, devices={**devices, "runtimes": ["LiteRT"]}))


def test_no_variant_for_the_phone_says_of_which_format(path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, variants={"coreml": ["float32"]}), devices=("pixel-8",))
    assert str(caught.value) == (f"{path}: variants: nothing is to be packaged; name at least one precision of tflite")


def test_an_unknown_format_is_told_with_those_there_are(path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, variants={"tflit": ["float32"], "coreml": ["float32"]}))
    assert str(caught.value) == (
        f"{path}: variants.tflit: unknown format; did you mean 'tflite'?; known: coreml, tflite"
    )


def test_without_variants_the_phones_say_what_they_prefer(path: Path) -> None:
    """As their profiles list them, one phone after the other, each bundle once."""
    assert [variant.name for variant in read_recipe(_write(path)).variants] == [
        *("tflite-float32", "tflite-float16", "tflite-dynamic_wi8_afp32", "tflite-static_wi8_ai8"),
        *("coreml-float16", "coreml-mixed_float16", "coreml-float32"),
        *("coreml-linear_w8", "coreml-palettized_w6", "coreml-w8a8"),
    ]
    older = read_recipe(path, devices=("iphone-12",)).variants
    assert [variant.name for variant in older] == ["coreml-float16", "coreml-mixed_float16", "coreml-float32"]


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


@pytest.mark.parametrize(
    ("devices", "target"),
    [
        (("pixel-8", "iphone-12", "iphone-15-pro"), "iOS15"),
        (("iphone-15-pro", "iphone-12"), "iOS15"),
        (("iphone-15-pro",), "iOS17"),
        (("pixel-8", "iphone-15-pro"), "iOS17"),
        (("pixel-8",), "iOS15"),
    ],
)
def test_the_oldest_iphone_decides_the_deployment_target(devices: tuple[str, ...], target: str, path: Path) -> None:
    assert read_recipe(_write(path), devices=devices).minimum_deployment_target == target


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


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"options": {"onset_threshold": 1.5}}, "task.options: onset_threshold: "),
        ({"options": {"threshold": 0.5}}, "task.options: threshold: unknown key"),
        ({"kind": "python:own:Own"}, "task.kind: 'python:own:Own': there is no file"),
        ({"kind": "note_transkription"}, "task.kind: no task of kind 'note_transkription'; did you mean"),
        ({"option": {}}, "task.option: unknown key"),
        ({"dataset": "builtin:speach"}, "task.dataset: no dataset 'speach'; known: hold-music, instrument-samples"),
        (
            {"dataset": "builtin:speech-prompts-en", "dataset_options": {"codec": "mp3"}},
            "task.dataset: options of speech-prompts-en: codec: ",
        ),
        ({"dataset_options": {"clips": 3}}, 'task.dataset: only a dataset "builtin:NAME" has dataset_options'),
    ],
)
def test_a_task_that_cannot_be_is_told_with_its_field(task: dict[str, Any], message: str, path: Path) -> None:
    recipe = _write(path, task={**RECIPE["task"], **{key: value or 1 for key, value in task.items()}})
    with pytest.raises(RecipeError) as caught:
        read_recipe(recipe)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_recipe_without_a_task_is_of_parity(path: Path) -> None:
    recipe = read_recipe(_write(path, task={"dataset": "clips.jsonl"}))
    assert (recipe.task.kind, recipe.task_spec.dataset) == ("parity", "clips.jsonl")
    path.write_text(to_toml({key: value for key, value in RECIPE.items() if key != "task"}))
    recipe = read_recipe(path)
    assert (recipe.task.kind, recipe.written.task, recipe.task_spec.dataset) == ("parity", None, None)
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, task={"kind": "note_transcription"}))
    assert str(caught.value) == (
        f"{path}: task.dataset: missing; note_transcription is judged on clips, and parity alone on test signals"
    )


def test_options_are_read_and_a_task_of_ones_own_is_not_run(path: Path) -> None:
    recipe = read_recipe(_write(path, task={**RECIPE["task"], "options": {"onset_threshold": 0.6}}))
    assert recipe.task is not None
    assert recipe.task.options == {"onset_threshold": 0.6}
    (path.parent / "own.py").write_text("raise SystemExit('was run')\n")
    own = read_recipe(_write(path, task={"kind": "python:own:Own", "dataset": "clips.jsonl"})).task
    assert own is not None
    assert (own.path, own.name) == (str(path.parent.resolve() / "own.py"), "Own")


def test_a_recipe_asks_for_a_unit_and_threads(path: Path) -> None:
    devices = {"ids": ["pixel-8"], "unit": "cpu", "threads": 2}
    assert read_recipe(_write(path, devices=devices)).asked == PlacementRequest(unit="cpu", threads=2)
    assert read_recipe(_write(path)).asked == PlacementRequest()


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        ({"threads": 9}, ["iphone-12 has 6 cores; found 9 threads; right is 1 to 6"]),
        ({"unit": "npu"}, ["pixel-8: LiteRT uses cpu, gpu there; found npu"]),
        ({"unit": "ane"}, ["pixel-8 has no Apple Neural Engine (ane); its units: cpu, gpu, npu"]),
    ],
)
def test_what_a_phone_has_not_is_told_before_anything_is_packaged(
    path: Path, asked: dict[str, Any], faults: list[str]
) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, devices={"ids": ["pixel-8", "iphone-12"], **asked}))
    assert str(caught.value).split("\n") == [f"{path}: devices: {fault}" for fault in faults]


def test_conditions_are_read_with_all_that_decides_them(path: Path) -> None:
    table = {"kind": "noise", "colour": "white", "snr_db": 10.0, "name": "noisy"}
    budgets = [{"metric": "note_f1", "max_drop": 0.01, "condition": "noisy"}]
    recipe = read_recipe(_write(path, conditions={"set": ["clean", "phone-call", table]}, budgets=budgets))
    assert [condition.name for condition in recipe.conditions] == ["phone-call", "noisy"]
    assert recipe.conditions[1].steps[0].parameters == {"colour": "white", "snr_db": 10.0, "voices": 6}
    data = json.loads(json.dumps(recipe.as_data(), allow_nan=False))
    assert parse_record(data, RecipeFile, where="embedded", error=RecipeError) == recipe.written
    plain = read_recipe(_write(path))
    assert plain.conditions == ()
    assert "conditions" not in plain.as_data()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conditions": {"set": ["phone-cal"]}}, "conditions: set[0]: no condition 'phone-cal'; did you mean"),
        ({"conditions": {"set": [{"kind": "noise", "snr_db": 300.0}]}}, "conditions: set[0]: snr_db: "),
        ({"conditions": {"set": []}}, "conditions.set: "),
        (
            {"conditions": {"set": [{"kind": "background", "recordings": "nowhere"}]}},
            "conditions: recordings 'nowhere': ",
        ),
        ({"conditions": {"sets": ["g711"]}}, "conditions."),
        (
            {"budgets": [{"metric": "note_f1", "min": 0.5, "condition": "noisy"}]},
            "budgets[0].condition: unknown condition 'noisy'; known: clean",
        ),
        (
            {
                "conditions": {"set": ["g711"]},
                "budgets": [{"metric": "latency_ms", "max": 5.0, "condition": "g711"}],
            },
            "budgets[0].condition: latency_ms is the same under every condition; leave condition out",
        ),
    ],
)
def test_a_condition_that_cannot_be_is_told_with_its_field(changes: dict[str, Any], message: str, path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, **changes))
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (
            {"metric": "latency_ms", "max_drop": 1.0},
            "max_drop: max_drop is not for a metric where lower is better",
        ),
        ({"metric": "note_f1", "max_rise": "5%"}, "max_rise: max_rise is not for a metric where higher is better"),
        ({"metric": "note_f1", "min": "5ms"}, "min: '5ms' is a time, but the metric's unit is ratio; give it in ratio"),
        ({"metric": "size_bytes", "max": "25ms"}, "max: '25ms' is a time, but the metric's unit is bytes"),
    ],
)
def test_a_limit_that_cannot_be_of_its_metric_is_told_before_any_work(
    budget: dict[str, Any], message: str, path: Path
) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, budgets=[budget]))
    assert str(caught.value).startswith(f"{path}: budgets[0].{message}")


def test_search_in_place_of_precisions_names_a_format_to_be_searched(path: Path) -> None:
    recipe = read_recipe(_write(path, variants={"tflite": "search", "coreml": ["float16"]}, search={"minutes": 5}))
    assert recipe.searched == ("tflite",)
    assert recipe.variants == (Variant("coreml", "float16"),)
    assert recipe.written.search is not None
    assert (recipe.written.search.minimise, recipe.written.search.minutes) == ("latency_p90_ms", 5)
    assert recipe.as_data()["variants"] == {"coreml": ["float16"], "tflite": "search"}
    assert read_recipe(path, devices=("iphone-12",)).searched == ()  # its apps do not play that format


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": {"tflite": "serach"}}, "variants.tflite"),
        ({"variants": {"tfl": "search"}}, "variants.tfl: unknown format"),
        ({"search": {"minimise": "note_f1"}}, "search.minimise: more note_f1 is better"),
        ({"search": {"minimise": "size"}}, "search.minimise: unknown metric 'size'"),
        ({"search": {"minutes": 0}}, "search.minutes"),
    ],
)
def test_a_faulty_search_is_refused(path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(_write(path, **changes))
    assert message in str(caught.value)
