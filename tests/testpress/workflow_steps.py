"""Runs the steps of a workflow's job as GitHub's runner does, with a `gh` that only writes down what it is asked."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.specimens import ROOT

GH = """#!/usr/bin/env bash
# Writes its calls to $CALLS, and answers from files of $ANSWERS: runs, pulls, comments; artefacts are folders of it.
printf '%s\\n' "$*" >> "$CALLS"
case "$*" in
  "run list"*) cat "$ANSWERS/runs" 2>/dev/null ;;
  "run download"*)
    shift 2; id="$1"; name="" pattern="" dir="."
    while [ $# -gt 0 ]; do
      case "$1" in --name) name="$2" ;; --pattern) pattern="$2" ;; --dir) dir="$2" ;; esac
      shift
    done
    if [ -n "$name" ]; then
      [ -d "$ANSWERS/$id/$name" ] || { echo "no artifact matches" >&2; exit 1; }
      mkdir -p "$dir" && cp -R "$ANSWERS/$id/$name/." "$dir"
    else
      found=1
      for each in "$ANSWERS/$id/"$pattern; do
        [ -d "$each" ] && mkdir -p "$dir" && cp -RP "$each" "$dir" && found=0
      done
      exit "$found"
    fi ;;
  *"/pulls "*) cat "$ANSWERS/pulls" 2>/dev/null ;;
  *--paginate*) cat "$ANSWERS/comments" 2>/dev/null ;;
esac
exit 0
"""
RECORDER = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0") $*" >> "$CALLS"
exit "${EXIT:-0}"
"""
TESTPRESS = f"""#!/usr/bin/env bash
exec {sys.executable} -m testpress "$@"
"""


def load(path: Path) -> dict[Any, Any]:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


@dataclass
class Runner:
    """A machine of GitHub's: a workspace, programs first on the path, and what steps see in their environment."""

    folder: Path
    workspace: Path
    programs: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("bin", "answers", "home", "temp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.workspace.mkdir(parents=True, exist_ok=True)
        for name, text in {"gh": GH, **self.programs}.items():
            (self.folder / "bin" / name).write_text(text)
            (self.folder / "bin" / name).chmod(stat.S_IRWXU)

    @property
    def answers(self) -> Path:
        return self.folder / "answers"

    @property
    def summary(self) -> Path:
        return self.folder / "summary.md"

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One step, by `bash --noprofile --norc -eo pipefail`, as `shell: bash` says."""
        known = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder / "home"),
            "CALLS": str(self.folder / "calls"),
            "ANSWERS": str(self.answers),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            **self.environment,
            **environment,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(command, env=known, cwd=self.workspace, capture_output=True, text=True, timeout=300)

    def run_job(self, job: dict[str, Any]) -> tuple[int, dict[str, subprocess.CompletedProcess[str]]]:
        """All of a job's scripts in their order; after one that failed, those alone that run unless cancelled."""
        code, done = 0, {}
        for step in job["steps"]:
            if "run" in step and (code == 0 or "!cancelled()" in step.get("if", "")):
                done[step["name"]] = self.run(step["run"])
                code = code or done[step["name"]].returncode
        return code, done


def find_step(steps: list[dict[str, Any]], name: str) -> str:
    (found,) = (each["run"] for each in steps if each.get("name") == name)
    assert isinstance(found, str)
    return found


def list_scripts(data: Any) -> list[str]:
    """All shell scripts of a workflow, an action or GitLab's jobs."""
    if isinstance(data, list):
        return [script for each in data for script in list_scripts(each)]
    if not isinstance(data, dict):
        return []
    own = [data["run"]] if isinstance(data.get("run"), str) else []
    own += data["script"] if isinstance(data.get("script"), list) else []
    return own + [script for value in data.values() for script in list_scripts(value)]


def list_uses(text: str) -> list[str]:
    return re.findall(r"(?m)^ *(?:- )?uses: (\S+)", text)
