"""docs/streaming.md: its recipe is one, with the defaults it says, and its table names every metric."""

from __future__ import annotations

import re
import tomllib

from evaluators.comparing.decision_delays import FARTHEST_S
from evaluators.comparing.over_time import BACK_DB, MOST_DB, MOST_GROWTH_DB
from evaluators.long_run_records import MOST_MINUTES, LongRunSpec
from evaluators.metrics import LONG_RUN
from reports.judging.budgets import Budget
from reports.judging.long_runs import LEAST_FRAMES
from tests.docs.pages import read_page
from tests.specimens import ROOT

PAGE = ROOT / "docs" / "streaming.md"


def test_the_recipe_of_the_page_says_the_defaults() -> None:
    written = tomllib.loads(read_page(PAGE, "toml"))
    spec = LongRunSpec.model_validate(written["long_run"], strict=False)
    assert spec == LongRunSpec()
    assert set(written["long_run"]) == set(LongRunSpec.model_fields)
    assert {Budget.model_validate(one).metric for one in written["budgets"]} <= set(LONG_RUN)


def test_the_table_names_every_metric_once() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(LONG_RUN)


def test_its_numbers_are_the_codes() -> None:
    text = PAGE.read_text()
    assert f"0.25 to {MOST_MINUTES:g}" in text
    assert f"above {MOST_GROWTH_DB} dB" in text
    assert f"{BACK_DB:g} dB allowed" in text
    assert f"below -{MOST_DB:g} dB" in text
    assert f"within {FARTHEST_S:g} s" in text
    assert LEAST_FRAMES == 0.5 and "half a frame" in text
