from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from evaluators.emulators.arm.counts import CLASSES, InstructionCounts, compile_plugin, find_compiler, parse_counts
from evaluators.errors import EvaluationError

CACHES = {"bytes_loaded": 800, "bytes_stored": 80, "l1d_accesses": 110, "l1d_misses": 11, "l2_misses": 1}


def _write(**changes: Any) -> str:
    classes = dict.fromkeys(CLASSES, 10)
    line = {**classes, "instructions": 10 * len(CLASSES), **CACHES, "threads": 1, **changes}
    return json.dumps({key: value for key, value in line.items() if value is not None}) + "\n"


def test_a_line_is_a_pair_of_markers() -> None:
    first, second = parse_counts(_write() + _write(threads=2))
    assert first.instructions == 130
    assert first.l1d_misses == 11
    assert (first.threads, second.threads) == (1, 2)
    assert parse_counts("") == ()


def test_caches_may_be_left_out() -> None:
    (counts,) = parse_counts(_write(**dict.fromkeys(CACHES)))
    assert counts.l1d_accesses is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}\n", "line 1: instructions: missing"),
        ("[]\n", "line 1"),
        ("qemu: unknown option\n", "line 1: not valid JSON"),
        (_write() + "\n", "line 2: not valid JSON"),
        (_write() + _write()[:50], "the last line has no end"),
        (_write(scalar=-1), "scalar"),
        (_write(scalar=2**63), "scalar"),
        (_write(scalar=1.5), "scalar"),
        (_write(scalar="10"), "scalar"),
        (_write(scalar=11), "hold 131 instructions"),
        (_write(threads=0), "threads"),
        (_write(cycles=1), "cycles: unknown key"),
        (_write(l2_misses=None), "all or none"),
        (_write(l1d_misses=111), "more misses than accesses"),
        (_write(l2_misses=12), "more misses than accesses"),
        ("\n" * 20_000, "20000 lines"),
    ],
)
def test_what_the_plugin_does_not_write_is_refused(text: str, fault: str) -> None:
    with pytest.raises(EvaluationError, match=fault) as raised:
        parse_counts(text)
    assert str(raised.value).startswith("instruction counts")


def test_every_class_is_a_count() -> None:
    assert set(CLASSES) | set(CACHES) | {"instructions", "threads"} == set(InstructionCounts.model_fields)


def test_the_plugin_needs_no_version_of_the_c_library(tmp_path: Path) -> None:
    if find_compiler() is None:
        pytest.skip("no C compiler")
    plugin = tmp_path / "plugin.so"
    compile_plugin(None, plugin, options=("-Wall", "-Wextra", "-Werror"))
    assert [path.name for path in tmp_path.iterdir()] == ["plugin.so"]
    made = plugin.read_bytes()
    assert b"qemu_plugin_install\0" in made
    assert b"GLIBC" not in made
    assert b"libc.so" not in made


def test_without_a_compiler_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EvaluationError, match="no C compiler: none of cc, gcc, clang is on the PATH"):
        compile_plugin(None, tmp_path / "plugin.so")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("#!/bin/sh\necho 'error: no space' >&2\nexit 4\n", "failed: error: no space"),
        ("#!/bin/sh\nexit 4\n", "failed: exit 4"),
        ("#!/bin/sh\nexit 0\n", "failed: exit 0"),
        ("#!/nowhere\n", "cannot be started"),
    ],
)
def test_a_compiler_that_fails_leaves_nothing(tmp_path: Path, script: str, fault: str) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text(script)
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(EvaluationError, match=fault):
        compile_plugin(str(compiler), tmp_path / "plugin.so")
    assert [path.name for path in tmp_path.iterdir()] == ["compiler"]
