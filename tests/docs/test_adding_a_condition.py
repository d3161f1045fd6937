"""docs/adding/condition.md, followed word by word; and docs/conditions.md, which lists what there is."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from evaluators.condition_sets import PRESETS, find_conditions, list_conditions
from tests.docs.pages import MOST_LINES, install_page, read_page
from tests.specimens import ROOT

PAGE = ROOT / "docs" / "adding" / "condition.md"
LIST = ROOT / "docs" / "conditions.md"

SCRIPT = """\
import numpy as np
from evaluators.condition import apply_condition
from evaluators.condition_sets import find_conditions, list_code, list_libraries, open_step
(found,) = find_conditions([{"kind": "reverse_polarity", "share": 1.0}], 8000)
assert found.name == "reverse_polarity share=1.0", found
assert list_code(found) == ("polarity",)
assert tuple(list_libraries(found)) == ("numpy", "polarity"), list_libraries(found)
samples = np.ones((1, 8), np.float32)
print(apply_condition(open_step(found.steps[0]), samples, 0, 8000).tolist())
"""


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) <= MOST_LINES


@pytest.mark.slow
def test_what_the_page_adds_treats_audio(tmp_path: Path) -> None:
    offers = {"conditions": "reverse_polarity = polarity:CONDITION"}
    install_page(read_page(PAGE), tmp_path, module="polarity", entry_points=offers)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([[-1.0] * 8])


def test_the_table_lists_every_condition_with_every_parameter_and_its_default() -> None:
    rows = {
        line.split("|")[1].strip().strip("`"): line for line in LIST.read_text().splitlines() if line.startswith("| `")
    }
    assert set(rows) == {*list_conditions(), *PRESETS}
    for kind in list_conditions():
        (found,) = find_conditions([kind], 16_000)
        for name, value in found.steps[0].parameters.items():
            assert f"`{name}`" in rows[kind], name
            for one in value if isinstance(value, list) else [value]:
                assert _write(one) in rows[kind], (name, one)


def _write(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_recipe_of_the_page_is_one() -> None:
    written = tomllib.loads(read_page(LIST, "toml"))
    names = [condition.name for condition in find_conditions(written["conditions"]["set"], 16_000)]
    assert names == ["phone-call", "g711", "noise colour=pink snr_db=10", "car"]
    assert written["budgets"][0]["condition"] in names
