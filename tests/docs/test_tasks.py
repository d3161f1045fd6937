"""docs/tasks.md names every task of the tree, and each as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evaluators.task import ClipContext
from evaluators.task_loading import load_task
from tests.specimens import ROOT

PAGE = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
ADDED = {"sound_events": {"psds"}, "tagging": {"top1_accuracy"}}
"""metrics of the whole dataset that an option adds"""
KINDS = sorted({path.stem for path in (ROOT / "evaluators" / "tasks").glob("*.py")} - {"__init__"})


def test_every_task_has_a_section() -> None:
    assert sorted(SECTIONS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_line_is_one_that_the_task_reads(kind: str) -> None:
    (text,) = re.findall(r"^```json\n(.*?)^```$", SECTIONS[kind], re.MULTILINE | re.DOTALL)
    task, line = load_task(kind), json.loads(text)
    assert set(line) == {"audio", *task.label_keys}
    if not task.label_files:
        task.parse_labels(line, ClipContext(10.0, "x:1"))


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_metrics_and_options_are_those_of_the_task(kind: str) -> None:
    task, section = load_task(kind), SECTIONS[kind]
    pooled = set(re.findall(r"`(\w+)`\*", section))
    agreed = {name for name, metric in task.agreements.items() if metric.scope == "dataset"}
    assert pooled == {*task.names_of_scope("dataset"), *agreed, *ADDED.get(kind, ())}
    named = set(re.findall(r"`(\w+)`", section))
    assert named >= {*task.required_outputs, *task.metrics, *task.agreements, *type(task).Options.model_fields}
    prefixes = {name.split("_")[0] for name in task.metrics}
    if len(prefixes) == 1:
        (prefix,) = prefixes
        assert {name for name in named if name.startswith(f"{prefix}_")} - {"pitch_hz", *task.agreements} == set(
            task.metrics
        )
    assert {name for name in named if name.startswith("agreement_")} <= set(task.agreements)


@pytest.mark.parametrize("page", ["README.md", "testpress/templates/testpress.toml", "docs/glossary.md"])
def test_pages_that_speak_of_tasks_name_kinds_that_are_there(page: str) -> None:
    text = Path(ROOT / page).read_text(encoding="utf-8")
    kinds = {kind for kind in re.findall(r'kind = "(\w+)"', text) if kind not in _OTHERS}
    assert kinds <= {*KINDS, "frames", "window", "clip", "audio"}


_OTHERS = {"log_mel", "mfcc", "spectrogram", *(path.stem for path in (ROOT / "evaluators" / "conditions").glob("*.py"))}
"""kinds of front ends and conditions"""


def test_the_readme_names_every_task() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in readme] == []
