"""Tasks of the tree by their names, and a recipe's own, which this process never imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluators.errors import EvaluationError
from evaluators.picture_records import Pictures
from evaluators.task import ClipContext
from evaluators.task_asking import Asked, ask_task
from evaluators.task_loading import find_task, list_tasks, load_task, open_task

ROOT = Path(__file__).parents[2]

OWN = """
import sys
from typing import Annotated

import pydantic

import words
from device_profiles.record import Record
from evaluators.task import Metric, Task

print("imported", file=sys.stderr)


class Options(Record):
    floor: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.25


class Words(Task):
    Options = Options
    label_keys = ("text", "speaker")
    label_files = ("text",)
    required_outputs = ("tags",)
    metrics = {"wer": Metric("ratio", "lower", "Wrong words.", "dataset", tolerance=0.01)}
    libraries = ("numpy",)


class Taken(Task):
    metrics = {"size_bytes": Metric("bytes", "lower", "Taken.")}


class Lost(Task):
    libraries = ("no-such-package-is-there",)


class LostExtra(Lost):
    extra = "speech"


class Strange(Task):
    label_files = ("text",)


class Wide(Task):
    metrics = {"x": Metric("ratio", "lower", "Too wide.", "world")}


class Bare:
    pass


def not_a_class():
    pass
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "words.py").write_text("WORDS = 1\n")
    return tmp_path


def test_kinds_are_the_file_names() -> None:
    files = {path.stem for path in (ROOT / "evaluators" / "tasks").glob("*.py")} - {"__init__"}
    assert files <= set(list_tasks())
    assert "note_transcription" in files
    assert list(list_tasks()) == sorted(list_tasks())


@pytest.mark.slow
def test_listing_kinds_imports_no_task_and_no_metric_library() -> None:
    code = (
        "import sys; from evaluators.task_loading import list_tasks; assert list_tasks();"
        "print([m for m in sys.modules if m.startswith(('evaluators.tasks.', 'mir_eval', 'scipy', 'soundfile'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("note_transkription", "; did you mean 'note_transcription'?"),
        ("zzz", f"; known kinds: {', '.join(list_tasks())}, or one of your own: python:module:Class"),
        ("", f"; known kinds: {', '.join(list_tasks())}, or one of your own: python:module:Class"),
    ],
)
def test_unknown_kind(kind: str, hint: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        load_task(kind)
    assert str(caught.value) == f"task.kind: no task of kind {kind!r}{hint}"


def test_without_labels_a_task_tells_of_agreement_alone() -> None:
    whole, bare = (ask_task(find_task("keyword", labels=labels)) for labels in (True, False))
    assert (bare.label_keys, bare.metrics) == ((), {})
    assert bare.required_outputs == whole.required_outputs
    assert set(whole.agreements) - set(bare.agreements) == {
        "keyword_miss_rate_at_source_threshold",
        "keyword_false_accepts_per_hour_at_source_threshold",
    }
    assert all(metric.with_source for metric in whole.agreements.values())
    assert (whole.leading, bare.leading) == ("keyword_errors", "agreement_keyword_f1")
    assert (whole.leading_of_clips, bare.leading_of_clips) == ("keyword_errors", "agreement_keyword_differences")
    assert whole.facts != bare.facts


def test_labels_of_an_unlabelled_clip_may_stand_there_and_are_not_read() -> None:
    task = open_task(find_task("note_transcription", labels=False))
    assert task.unread_keys == ("notes",)
    assert task.parse_labels({"notes": "nonsense"}, ClipContext(1.0, "x:1")) is None
    assert task.draw(None) == Pictures()
    assert task.group(None) is None


HEARD = """
from evaluators.task import Metric, Task


class Heard(Task):
    label_keys = ("text",)
    agreements = {"agreement_words": Metric("ratio", "higher", "Same words.")}

    def agree(self, clip):
        return {"agreement_words": float(clip.source == clip.estimate)}
"""


def test_a_recipes_own_task_may_tell_of_agreement(tmp_path: Path) -> None:
    (tmp_path / "heard.py").write_text(HEARD)
    info = ask_task(find_task("python:heard:Heard", base=tmp_path, labels=False))
    assert (info.label_keys, info.metrics, list(info.agreements)) == ((), {}, ["agreement_words"])
    assert info.leading == "agreement_words"


def test_a_task_without_agreement_needs_labels() -> None:
    with pytest.raises(EvaluationError) as caught:
        ask_task(find_task("parity", labels=False))
    assert str(caught.value) == (
        "task.labels: the task parity tells of no agreement with the source, so that without labels nothing is scored; "
        'take labels out and label the clips, or use kind = "parity"'
    )


def test_a_recipes_own_task_is_described_by_a_worker(base: Path) -> None:
    log = base / "task.log"
    reference = find_task("python:own:Words", {"floor": 0.5}, base=base)
    info = ask_task(reference, Asked(log))
    assert info.kind == "python:own:Words"
    assert (info.label_keys, info.label_files, info.required_outputs) == (("text", "speaker"), ("text",), ("tags",))
    assert info.options == {"floor": 0.5}
    assert info.metrics["wer"].model_dump(exclude_defaults=True) == {
        "unit": "ratio",
        "direction": "lower",
        "scope": "dataset",
        "description": "Wrong words.",
        "tolerance": 0.01,
    }
    assert list(info.versions) == ["numpy"]
    assert "own" not in sys.modules
    assert "imported" in log.read_text()
    log.unlink()
    assert ask_task(reference, Asked(log)) == info  # asked once
    assert not log.exists()


@pytest.mark.slow
def test_other_code_is_another_task(base: Path) -> None:
    reference = find_task("python:own:Words", base=base)
    before = ask_task(reference)
    (base / "words.py").write_text("WORDS = 2\n")
    after = ask_task(reference)
    assert before.digest != after.digest
    assert before.facts != after.facts
    assert ask_task(find_task("python:own:Words", {"floor": 0.1}, base=base)).facts != after.facts


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("python:own:Words", {"floor": 2.0}, "task.options: floor"),
        ("python:own:Words", {"flor": 0.5}, "task.options: flor"),
        ("python:own:Words", {"floor": "x"}, "task.options: floor"),
        ("note_transcription", {"onset_threshold": 1.5}, "task.options: onset_threshold"),
        ("parity", {"x": 1}, "task.options: x"),
        ("python:own:Nobody", {}, "has no function or class 'Nobody'"),
        ("python:own:Bare", {}, "task.kind: 'python:own:Bare' is no task; right is a subclass of evaluators.task.Task"),
        ("python:own:not_a_class", {}, "task.kind: 'python:own:not_a_class' is no task"),
        ("python:own:Taken", {}, "metrics of testpress's own are named size_bytes; rename them"),
        ("python:own:Lost", {}, "needs the package no-such-package-is-there, which is not installed"),
        ("python:own:LostExtra", {}, "which is not installed; install it: pip install 'testpress[speech]'"),
        ("python:own:Strange", {}, "label_files names text, which label_keys does not"),
        ("python:own:Wide", {}, 'metric x: scope \'world\'; right is "clip" or "dataset"'),
        ("python:nobody:Words", {}, "task.kind: 'python:nobody:Words': there is no file"),
        ("python:own", {}, "task.kind: 'python:own' should read python:module:function"),
    ],
)
def test_what_cannot_be_used_is_one_message(kind: str, options: dict[str, Any], message: str, base: Path) -> None:
    with pytest.raises(EvaluationError) as caught:
        ask_task(find_task(kind, options, base=base))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_task_that_cannot_be_imported_names_its_log(base: Path) -> None:
    (base / "own.py").write_text("import no_such_module_is_there\n")
    with pytest.raises(EvaluationError) as caught:
        ask_task(find_task("python:own:Words", base=base), Asked(base / "task.log"))
    message, log = str(caught.value).split("\n")
    assert message.startswith("task.kind: 'python:own:Words' cannot be used: ModuleNotFoundError: No module named")
    assert log == f"(log: {base / 'task.log'})"
