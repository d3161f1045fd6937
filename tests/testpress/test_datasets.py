from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from device_profiles.text import defuse
from evaluators.datasets.builtin.making import dataset_names, find_dataset
from evaluators.registries.cache import CACHE_VARIABLE
from testpress import datasets
from testpress.cli import cli
from testpress.errors import RecipeError
from testpress.recipe import read_recipe
from tests.evaluators.datasets.builtin.fake_archives import registry_that_runs, use_registry
from tests.specimens import ROOT

PAGE = ROOT / "docs" / "datasets.md"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    use_registry(monkeypatch, registry_that_runs("", obstacle="this is a test"))
    return tmp_path / "cache"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["datasets", *map(str, arguments)])


def test_the_list_is_text_and_json(cache: Path) -> None:
    listed = json.loads(invoke("--json").stdout)
    assert [one["name"] for one in listed] == list(dataset_names())
    for one in listed:
        assert set(one) == set(datasets.ListedDataset.model_fields)
        assert one["dataset"] == f"builtin:{one['name']}"
        assert (one["state"], one["download_bytes"] > 0) == ("absent", True)
    text = invoke().stdout
    for one in listed:
        assert one["licence"] in text
        assert one["summary"] in text
    assert not cache.exists()


@pytest.mark.parametrize("name", dataset_names())
def test_one_is_shown_with_all_that_is_known(name: str) -> None:
    shown = json.loads(invoke("show", name, "--json").stdout)
    assert datasets.ShownDataset.model_validate(shown, strict=False).name == name
    text = invoke("show", name).stdout
    assert defuse(shown["attribution"]) in text
    assert shown["rules"] in text
    for archive, place in zip(shown["archives"], shown["places"], strict=True):
        assert archive["sha256"][:16] in text
        assert place in text
    for option in shown["options"]:
        assert option["meaning"]
        assert option["meaning"] in text


def test_options_change_what_is_fetched() -> None:
    whole, small = (json.loads(invoke("show", "speech-prompts-en", *more, "--json").stdout) for more in ((), GSM))
    assert small["download_bytes"] < whole["download_bytes"]
    assert small["folder"] != whole["folder"]


GSM = ("--option", "codec=gsm")


def test_settings_are_numbers_lists_and_words() -> None:
    found = datasets.parse_settings(["clips=3", 'languages=["en"]', "codec=gsm", "text=a=b"])
    assert found == {"clips": 3, "languages": ["en"], "codec": "gsm", "text": "a=b"}


@pytest.mark.parametrize(
    ("settings", "message"), [(["codec"], "should read KEY=VALUE"), (["=x"], "KEY=VALUE"), (["a=1", "a=2"], "twice")]
)
def test_settings_that_are_none_are_told(settings: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        datasets.parse_settings(settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "speech"), "no dataset 'speech'"),
        (("fetch", "keyboard-noise", *GSM), "codec: unknown key"),
        (("fetch", "keyboard-noise"), "cannot be fetched: this is a test"),
    ],
)
def test_what_cannot_be_had_is_one_fault(arguments: tuple[str, ...], message: str) -> None:
    result = invoke(*arguments)
    assert result.stdout == ""
    assert message in str(result.exception)


@pytest.mark.parametrize("arguments", [("show",), ("fetch",), ("get", "x"), ("fetch", "x", "--nothing")])
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments).exit_code == 2


@pytest.mark.parametrize("verb", ["show", "fetch"])
def test_help_of_each_verb_ends_with_an_example(verb: str) -> None:
    _, example = invoke(verb, "--help").output.split("Example:\n")
    program, group, called, name, *_ = shlex.split(example)
    assert (program, group, called) == ("testpress", "datasets", verb)
    assert find_dataset(name)


def test_the_page_lists_what_there_is() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| ([\w, ()]+) \| (\d+) \| ([\d.]+) \| ([\d.]+) MB", PAGE.read_text(), re.M)
    assert sorted(name for name, *_ in rows) == list(dataset_names())
    for name, labels, clips, minutes, megabytes in rows:
        chosen = find_dataset(name)
        found = tuple(label.partition(" ")[0] for label in labels.split(", "))
        assert found == chosen.collection.labels
        assert (int(clips), float(minutes)) == (chosen.collection.clips, chosen.collection.minutes)
        assert float(megabytes) == round(chosen.download_bytes / 1e6, 1)


def test_the_pages_commands_and_recipe_can_be_read(tmp_path: Path) -> None:
    text = PAGE.read_text()
    for line in re.findall(r"^testpress datasets.*$", text, re.M):
        _, _, *arguments = shlex.split(line, comments=True)
        result = invoke(*arguments)
        assert result.exit_code == 0 or "this is a test" in str(result.exception), line
    (task,) = re.findall(r"^```toml\n(.*?)^```$", text, re.M | re.S)
    model = '[model]\nname = "m"\nversion = "1"\nlicense = "MIT"\nsource = "m.pt2"\n'
    (tmp_path / "testpress.toml").write_text(model + task)
    written: Any = read_recipe(tmp_path / "testpress.toml").written.task
    assert written.dataset_options == {"clips": 10}
