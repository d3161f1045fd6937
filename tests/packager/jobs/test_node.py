"""A job on a node, which sees nothing of the folders of the machine that asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from packager.errors import PackagingError
from packager.jobs.code import digest_job_code
from packager.jobs.inputs import Input, relocate
from packager.jobs.node import Sent, library_versions, run_on_node
from packager.jobs.workers import Limits


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """A job that reads a file, and says that it refuses it."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("content")
    (tmp_path / "data" / "unasked").write_text("?")
    files = {name: digest.sha256 for name, digest in Input(tmp_path / "data", ("x",)).digest().items()}
    return Sent(
        target="job_targets:read",
        request={"path": str(tmp_path / "data" / "x"), "more": [str(tmp_path / "database")]},
        limits=Limits(time_s=60),
        code=(),
        code_sha256=digest_job_code(),
        versions=library_versions(),
        environment={},
        inputs={str(tmp_path / "data"): files},
        results=(),
        threads=None,
    )


@pytest.mark.slow
def test_inputs_are_brought_by_content_and_named_as_asked(sent: Sent, tmp_path: Path) -> None:
    held = {
        sha256: (tmp_path / "data" / "x").read_bytes() for files in sent.inputs.values() for sha256 in files.values()
    }
    (tmp_path / "data" / "x").unlink()
    fetched: list[str] = []

    def fetch(sha256: str) -> bytes:
        fetched.append(sha256)
        return held[sha256]

    for _ in range(2):
        found = run_on_node(sent, fetch)
        assert found.events == [{"text": "content"}]
        assert found.ended.reason == f"{tmp_path / 'data' / 'x'}: read, and refused"
        assert found.ended.is_refusal
    assert fetched == list(held)  # the second time it was there


def test_what_is_not_what_was_asked_for_is_refused(sent: Sent) -> None:
    with pytest.raises(PackagingError, match=r"what was sent as [0-9a-f]{12}… is something else"):
        run_on_node(sent, lambda _: b"other")


def test_a_name_that_leads_outside_is_refused(sent: Sent) -> None:
    (files,) = sent.inputs.values()
    hostile = replace(sent, inputs={path: {"../../../x": files["x"]} for path in sent.inputs})
    with pytest.raises(PackagingError, match="lies outside"):
        run_on_node(hostile, lambda _: b"content")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"versions": {"numpy": "0.1"}}, " instead of 0.1; install there what is installed here"),
        ({"versions": {"no-such-library": "1"}}, " has no-such-library not installed instead of 1; install there"),
        ({"code_sha256": "0" * 64}, " has another testpress than this machine; install the same there"),
    ],
)
def test_a_node_that_would_find_something_else_is_refused(change: dict[str, Any], reason: str, sent: Sent) -> None:
    found = run_on_node(replace(sent, **change), lambda _: b"")
    assert found.ended.is_refusal
    assert reason in str(found.ended.reason)


def test_the_longest_path_counts() -> None:
    request = {"a": ["/x/y/z", "/x/yz", "x/y"], "b": {"/x": 1}}
    assert relocate(request, {"/x": "/1", "/x/y": "/2"}) == {"a": ["/2/z", "/1/yz", "x/y"], "b": {"/x": 1}}


def test_what_a_recipe_says_stays_as_it_was_written() -> None:
    """A bundle names its source as the recipe does, wherever it was made."""
    request = {"source": {"spec": {"source": "/x/model"}, "path": "/x/model"}}
    assert relocate(request, {"/x": "/1"}) == {"source": {"spec": {"source": "/x/model"}, "path": "/1/model"}}
