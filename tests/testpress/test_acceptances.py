from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from device_profiles.record import dump_json
from evaluators.evaluation import Evaluation
from reports.errors import ReportError
from reports.judging.acceptance import Entry, read_acceptance
from testpress.acceptances import write_entries
from testpress.cli import cli
from tests.reports.example_evaluation import make_evaluation
from tests.reports.judging.test_regressions import bend, scale_score


def entry(**fields: object) -> Entry:
    return Entry.model_validate({"bundle": "a", "metric": "size_bytes", "by": "5%", "why": "meant", **fields})


def test_entries_are_added_and_renewed_in_their_place_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "testpress.accept.toml"
    write_entries(path, [entry(), entry(bundle="b", who='An "odd" name\u202e\x07', until="2027-03-31")])
    assert path.read_text().startswith("# What may be worse")
    text = path.read_text().replace('why = "meant"', '# by all of us\nwhy = "meant"')
    path.write_text(text)
    write_entries(path, [entry(by=120.0, bundle="c"), entry(bundle="b", by="7%")])
    found = read_acceptance(path).entries
    assert [(one.bundle, one.by) for one in found] == [("a", "5%"), ("b", "7%"), ("c", 120.0)]
    assert path.read_text().count("# by all of us") == 1
    before = path.read_bytes()
    write_entries(path, [entry(by=120.0, bundle="c")])
    assert path.read_bytes() == before


def test_a_file_written_in_another_form_is_not_torn(tmp_path: Path) -> None:
    path = tmp_path / "testpress.accept.toml"
    path.write_text('accept = [{bundle = "a", by = "gone", why = "w"}]\n')
    with pytest.raises(ReportError, match=r"not written as \[\[accept\]\] tables"):
        write_entries(path, [entry()])
    assert len(read_acceptance(path).entries) == 1


@pytest.fixture(scope="module")
def sound() -> Evaluation:
    whole = make_evaluation()
    recipe = {"budgets": [{"metric": "size_bytes", "max": "1MB"}]}
    return whole.model_copy(update={"variants": whole.variants[:2], "recipe": recipe})


@pytest.fixture
def job(tmp_path: Path, sound: Evaluation, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe with an evaluation in its output folder that is worse than an old one beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    for name, evaluation in (("old", sound), ("testpress-out", bend(sound, scale_score("size_bytes", 1.1)))):
        (tmp_path / name).mkdir()
        made = evaluation.model_copy(update={"command": "testpress run testpress.toml"})
        (tmp_path / name / "evaluation.json").write_text(dump_json(made), encoding="utf-8")
    (tmp_path / "testpress.toml").write_text("# a recipe\n")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_change_is_red_then_accepted_then_green_everywhere(job: Path) -> None:
    against = ("testpress-out", "--baseline", "old")
    red = run("check", *against)
    assert red.exit_code == 3
    assert "tflite-float32: no worse than the baseline: size_bytes: 247 kB before, 271 kB now" in red.output
    accepted = run("accept", *against, "--why", "a better front end", "--until", "2999-12-31")
    assert accepted.exit_code == 0, accepted.output
    assert "tflite-float32, size_bytes: worse by at most 10.01%" in accepted.output
    (written,) = read_acceptance(job / "testpress.accept.toml").entries
    assert (written.by, written.until) == ("10.01%", "2999-12-31")

    said = "accepted: a better front end, until 2999-12-31"
    green = run("check", *against)
    assert green.exit_code == 0
    assert f"tflite-float32 (size_bytes): {said}" in green.output
    assert json.loads(run("check", *against, "--json").stdout)["accepted"] == [f"tflite-float32 (size_bytes): {said}"]
    assert run("report", *against).exit_code == 0
    for name in ("report.html", "report.md", "comment.md", "junit.xml"):
        text = (job / "testpress-out" / "report" / name).read_text(encoding="utf-8")
        assert said in text.replace("\\", ""), name

    again = run("accept", *against, "--why", "again")
    assert (again.exit_code, "nothing was written" in again.output) == (0, True)
    moved = run("check", "testpress-out", "--baseline", "testpress-out")
    assert moved.exit_code == 0
    assert "the entry for tflite-float32, size_bytes matches nothing any more and can be removed" in moved.output


def test_another_file_can_be_named(job: Path) -> None:
    against = ("testpress-out", "--baseline", "old")
    done = run("accept", *against, "--why", "w", "-o", "other.toml", "--json")
    assert json.loads(done.stdout)["accepted"][0]["metric"] == "size_bytes"
    assert run("check", *against).exit_code == 3
    assert run("check", *against, "--accept", "other.toml").exit_code == 0
    (job / "other.toml").write_text('[[accept]]\nbundle = "b"\n')
    broken = run("check", *against, "--accept", "other.toml")
    assert isinstance(broken.exception, ReportError)
    assert "other.toml: accept[0]" in str(broken.exception)
    assert isinstance(run("check", *against, "--accept", "none.toml").exception, ReportError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--why", "w", "--bundle", "tflite-float61"), "worse are: tflite-float32 size_bytes"),
        (("--why", "w", "--by", "1%"), "only 1%"),
        (("--why", "w", "--until", "2001-01-01"), "has passed already"),
        (("--why", " "), "why is empty"),
    ],
)
def test_what_cannot_be_accepted_is_one_message(job: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run("accept", "testpress-out", "--baseline", "old", *arguments)
    assert isinstance(done.exception, ReportError)
    assert message in str(done.exception)
    assert not (job / "testpress.accept.toml").exists()


def test_without_a_baseline_nothing_can_be_accepted_and_it_is_said(job: Path) -> None:
    assert run("accept", "testpress-out", "--why", "w").exit_code == 2
    (job / "empty").mkdir()
    done = run("accept", "testpress-out", "--why", "w", "--baseline", "empty")
    assert isinstance(done.exception, ReportError)
    assert "there is no baseline: empty is empty" in str(done.exception)
    checked = run("check", "testpress-out", "--baseline", "empty")
    assert "no baseline: empty is empty" in checked.output
    assert "No baseline was given, so nothing is said of what became worse." in run("check", "testpress-out").output
