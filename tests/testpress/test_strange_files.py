"""`report`, `check`, `diff` and `devices` of strangers' files: output or one message, and nothing that acts."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from device_profiles.record import dump_json
from testpress.edge import run_arguments
from tests.reports.example_evaluation import make_evaluation

PROFILE = Path(__file__).parents[1] / "data" / "profiles" / "a-phone.toml"
SHA = "0123456789abcdef" * 4
ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ufffe\uffff"
    "\U000e0000-\U000e007f]|^\\s*::|##\\w*\\["
)
"""control characters, bidirectional marks, invisible signs, and CI's commands"""
EVIL = "a\n::error title=x::y\r\x1b[31m\u202e\u2028\x00##vso[task.x]"
DEEP = 200_000


@functools.cache
def example() -> dict[str, Any]:
    evaluation = make_evaluation()
    data = json.loads(dump_json(evaluation.model_copy(update={"variants": evaluation.variants[3:5]})))
    assert isinstance(data, dict)
    for part in (data["dataset"], data["source"], *data["variants"]):
        part["clips"] = part["clips"][:3]
    data["variants"][1]["drift"]["steps"] = data["variants"][1]["drift"]["steps"][10:40]
    return data


def changed(**changes: Any) -> str:
    return json.dumps({**example(), **changes})


def spliced(field: str, text: str) -> str:
    """The example with a field's value written as `text`, which no value of Python's may be."""
    return json.dumps({**example(), field: "SPLICE"}).replace('"SPLICE"', text)


def renamed(name: str) -> dict[str, Any]:
    """The example with its texts replaced, and its metrics and phones named so."""
    text = json.dumps(example())
    for old in ("note_f1", "coreml-float32", "iphone-12", "piano-00", "basic-pitch", "onset", "emulated by"):
        text = text.replace(json.dumps(old), json.dumps(f"{name} {old}"))
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def with_budgets(*budgets: dict[str, Any]) -> str:
    return changed(recipe={"budgets": list(budgets)})


def absent(reason: str) -> str:
    data = json.loads(json.dumps(example()))
    score = {"value": None, "reason": reason, "unit": reason, "direction": "lower", "basis": "emulated"}
    data["variants"][0]["scores"]["size_bytes"] = score
    data["variants"][0]["differences"]["note_f1"] = score
    data["variants"][0]["devices"][0]["scores"]["latency_ms"] = score
    return json.dumps(data)


EVALUATIONS: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "white space": lambda: " \n" * 1000,
    "a mark of the byte order": lambda: "\ufeff" + changed(),
    "zeros": lambda: "\0" * 1000,
    "a list": lambda: "[]",
    "null": lambda: "null",
    "a number": lambda: "1e999",
    "brackets": lambda: "[" * DEEP,
    "closed brackets": lambda: "[" * DEEP + "]" * DEEP,
    "objects": lambda: '{"a":' * DEEP,
    "a deep recipe": lambda: spliced("recipe", '{"a":' * DEEP + "1" + "}" * DEEP),
    "a recipe of 300 levels": lambda: spliced("recipe", '{"a":' * 300 + "1" + "}" * 300),
    "a recipe of 100 levels": lambda: spliced("recipe", '{"a":' * 100 + "1" + "}" * 100),
    "5,000 digits": lambda: spliced("recipe", f'{{"a":{"1" * 5000}}}'),
    "4,000 digits": lambda: spliced("recipe", f'{{"a":{"1" * 4000}}}'),
    "1e400 in the recipe": lambda: spliced("recipe", '{"a":1e400}'),
    "NaN in the recipe": lambda: spliced("recipe", '{"a":[NaN]}'),
    "-Infinity in the recipe": lambda: spliced("recipe", '{"a":{"b":-Infinity}}'),
    "1E+999 as a version": lambda: spliced("schema_version", "1E+999"),
    "-0 as a version": lambda: spliced("schema_version", "-0"),
    "5,000 digits as a version": lambda: spliced("schema_version", "2" * 5000),
    "4,000 digits as a version": lambda: spliced("schema_version", "2" * 4000),
    "true as a version": lambda: changed(schema_version=True),
    "a lone surrogate": lambda: changed(task="\ud800"),
    "a lone surrogate as a key": lambda: changed(device_names={"\udfff": "x"}),
    "a lone surrogate in the recipe": lambda: changed(recipe={"\ud800": ["\udc00"]}),
    "a key twice": lambda: changed()[:-1] + ', "task": "other"}',
    "a key twice in the recipe": lambda: spliced("recipe", '{"a": 1, "a": 2}'),
    "a bundle twice": lambda: changed(variants=example()["variants"] * 2),
    "unknown keys": lambda: changed(**{EVIL: 1}),
    "evil names": lambda: json.dumps(renamed(EVIL)),
    "evil reasons": lambda: absent(EVIL),
    "evil device names": lambda: changed(device_names={"iphone-12": EVIL}),
    "an evil model": lambda: changed(model={"name": EVIL, "version": EVIL, "license": EVIL}),
    "an evil field": lambda: changed(source={**example()["source"], "scores": {EVIL: {"value": "x"}}}),
    "thousands of faults": lambda: changed(variants=[{}] * 1000),
    "no clips": lambda: changed(
        dataset={**example()["dataset"], "clips": []},
        source={**example()["source"], "clips": []},
        variants=[{**each, "clips": []} for each in example()["variants"]],
    ),
    "no bundles": lambda: changed(variants=[]),
    "budgets that are none": lambda: changed(recipe={"budgets": EVIL}),
    "a budget of 1e400kB": lambda: with_budgets({"metric": "size_bytes", "max": "1e400kB"}),
    "a budget of 1e400": lambda: spliced("recipe", '{"budgets": [{"metric": "size_bytes", "max": 1e400}]}'),
    "a budget of 10^4000": lambda: with_budgets({"metric": "size_bytes", "max": 10**4000}),
    "a budget of 10^300": lambda: with_budgets({"metric": "size_bytes", "max": 10**300}),
    "a budget of -1e308": lambda: with_budgets({"metric": "size_bytes", "max": -1e308}),
    "a budget of NaN in words": lambda: with_budgets({"metric": "size_bytes", "max": "NaN"}),
    "a budget in other digits": lambda: with_budgets({"metric": "size_bytes", "max": "١٢"}),
    "a budget of 5,000 digits in words": lambda: with_budgets({"metric": "size_bytes", "max": "9" * 5000}),
    "a budget of a million spaces": lambda: with_budgets({"metric": "size_bytes", "max": " " * 1_000_000 + "x"}),
    "a budget of a huge percentage": lambda: with_budgets({"metric": "note_f1", "max_drop": "1e99%"}),
    "a budget on two lines": lambda: with_budgets({"metric": "size_bytes", "max": "1\n kB"}),
    "an evil budget": lambda: with_budgets({"metric": EVIL, "max": 1}),
    "an evil limit": lambda: with_budgets({"metric": "size_bytes", "max": EVIL}),
    "a budget for evil bundles": lambda: with_budgets({"metric": "size_bytes", "max": 1, "variants": [EVIL]}),
    "2,000 budgets": lambda: with_budgets(*[{"metric": "size_bytes", "max": 1}] * 2000),
}


REPORTED = {
    "a recipe of 100 levels",
    "4,000 digits",
    "evil names",
    "evil reasons",
    "evil device names",
    "an evil model",
    "no clips",
    "no bundles",
    "a budget of -1e308",
    "a budget of a huge percentage",
    "a budget for evil bundles",
}
"""odd, and yet what the schema takes; the others are one message"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command as a shell starts it, but in this process; what it says is checked."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    def start(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["testpress", *map(str, arguments)])
        code = run_arguments()
        out, err = capsys.readouterr()
        assert code in (0, 1, 3)
        for line in (out + err).split("\n"):
            assert not ACTING.search(line), line
        if code == 1:
            assert out == "" or ("--json" in arguments and json.loads(out)["error"]["exit"] == 1)
            assert err.startswith("testpress: ")
            assert err.count("\n") <= 42
            assert len(err) < 20_000
        return code, out, err

    return start


@pytest.mark.slow
@pytest.mark.parametrize("name", EVALUATIONS)
def test_a_strange_evaluation(name: str, run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    path, good = tmp_path / "evaluation.json", tmp_path / "good.json"
    path.write_bytes(EVALUATIONS[name]().encode())
    good.write_text(changed())
    assert run("report", path)[0] == (0 if name in REPORTED else 1)
    run("check", path)
    run("check", path, "--json")
    run("check", good, "--baseline", path)
    run("diff", path, good, "--all")
    run("diff", good, path, "--json")
    for report in (*tmp_path.glob("*/*.md"), *tmp_path.glob("*/*.txt"), *tmp_path.glob("*/*.html")):
        assert not re.search(ACTING.pattern.split("|^")[0], report.read_text(encoding="utf-8")), report


@pytest.mark.slow
def test_an_output_folder_stands_for_its_evaluation(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(changed())
    named, of_folder = (run("check", path, "--json") for path in (tmp_path / "evaluation.json", tmp_path))
    assert named == of_folder
    assert run("check", tmp_path, "--baseline", tmp_path)[0] == named[0]
    (tmp_path / "none").mkdir()
    code, _, err = run("report", tmp_path / "none")
    assert (code, "none/evaluation.json" in err) == (1, True)


def change_manifest(**changes: Any) -> str:
    return json.dumps(
        {
            "key": SHA,
            "variant": "tflite-float32",
            "model": {"name": "gain", "version": "1", "license": "Apache-2.0"},
            "format": "tflite",
            "precision": "float32",
            "file": "model.tflite",
            "files": {"model.tflite": {"sha256": SHA, "size_bytes": 3}},
            "source": {"uri": "model", "framework": "tensorflow", "sha256": SHA},
            "tools": {"numpy": "2.3.0"},
            "audio": {"sample_rate_hz": 8000, "window_samples": 10, "hop_samples": 5},
            "inputs": [],
            "outputs": [],
            "floor": {"platform": "android", "minimum_os": None, "minimum_runtime": None, "because": "no op"},
            "golden": [],
            **changes,
        }
    )


MANIFESTS: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "brackets": lambda: "[" * DEEP,
    "5,000 digits": lambda: change_manifest().replace('"size_bytes": 3', f'"size_bytes": {"3" * 5000}'),
    "a size beyond int64": lambda: change_manifest(files={"a": {"sha256": SHA, "size_bytes": 2**64}}),
    "a window of 1e18": lambda: change_manifest(
        audio={"sample_rate_hz": 8000, "window_samples": 10**18, "hop_samples": 1}
    ),
    "a rate of 4 GHz": lambda: change_manifest(
        audio={"sample_rate_hz": 4 * 10**9, "window_samples": 10, "hop_samples": 1}
    ),
    "a lone surrogate": lambda: change_manifest(tools={"\ud800": "1"}),
    "evil names": lambda: change_manifest(tools={EVIL: EVIL}, rewrites=[EVIL], precision=EVIL),
    "an evil file": lambda: change_manifest(file=f"../{EVIL}"),
    "a key twice": lambda: change_manifest()[:-1] + ', "file": "other"}',
    "a million dimensions": lambda: change_manifest(
        inputs=[{"name": "x", "native_name": "x", "shape": [1] * 1_000_000, "dtype": "int8", "axes": []}]
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_strange_manifest(name: str, run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    for folder, text in (("good", change_manifest()), ("bad", MANIFESTS[name]())):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "manifest.json").write_bytes(text.encode())
    code, _, _ = run("diff", tmp_path / "good", tmp_path / "bad")
    assert code == (0 if name == "evil names" else 1)
    assert run("diff", tmp_path / "bad", tmp_path / "good", "--json")[0] == code


def change_profile(old: str, new: str) -> str:
    text = PROFILE.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


EVIL_TOML = json.dumps(EVIL, ensure_ascii=True).replace("\\u0000", "\\u0001")
PROFILES: dict[str, tuple[Callable[[], str], int]] = {
    "nothing": (lambda: "", 1),
    "brackets": (lambda: f"a = {'[' * DEEP}", 1),
    "tables": (lambda: f"[{'a.' * DEEP}b]\n", 1),
    "5,000 digits": (lambda: change_profile("year = 2024", f"year = {'2' * 5000}"), 1),
    "1e400": (lambda: change_profile("value = 2.5", "value = 1e400"), 1),
    "nan": (lambda: change_profile("value = 2.5", "value = nan"), 1),
    "a date": (lambda: change_profile("year = 2024", "year = 2024-01-01"), 1),
    "a key twice": (lambda: change_profile("year = 2024", "year = 2024\nyear = 2024"), 1),
    "a surrogate": (lambda: change_profile('"A phone"', '"\\ud800"'), 1),
    "an evil name": (lambda: change_profile('"A phone"', EVIL_TOML), 0),
    "an evil source": (lambda: change_profile('"a page"', EVIL_TOML), 0),
    "an evil key": (lambda: change_profile("year = 2024", f"year = 2024\n{EVIL_TOML} = 1"), 1),
    "a name of megabytes": (lambda: change_profile('"A phone"', f'"{"x" * 3_000_000}"'), 1),
    "other digits": (lambda: change_profile('value = "14"', 'value = "١٤"'), 1),
}


@pytest.mark.parametrize("name", PROFILES)
def test_a_strange_profile(name: str, run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    write, expected = PROFILES[name]
    path = tmp_path / "a-phone.toml"
    path.write_bytes(write().encode())
    assert run("devices", path)[0] == expected
    assert run("devices", path, "--json")[0] == expected
