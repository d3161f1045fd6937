"""python -m tests.integration.kills: kill runs at random moments, and see that nothing is lost, half-written or left.

A round begins with nothing, is killed a few times, and ends with a run that nobody disturbs.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import psutil

from evaluators.evaluation import Evaluation
from packager.attestation.verification import check_files
from packager.bundle import read_bundle
from packager.seals import is_whole, read_sealed_text
from reports.judging.comparison import load_evaluation
from tests.specimens import ROOT, Job, code_environment, copy_code, make_notes_job

Victim = Literal["parent", "worker", "group"]
"""the run's own process, one of its workers, or all of them at once"""

LONGEST_S = 9.0
"""about as long as the job takes when nothing disturbs it"""
MOST_KILLS = 6
"""in one round"""
ENDS = {".html": "</html>", ".xml": ("</testsuites>\n", "/>\n"), ".txt": "# EOF\n", ".md": "`\n"}
"""how each file of a report ends when it is whole"""

Ages = dict[Path, tuple[int, int]]
"""inode and time of change of every finished file"""


def check_whole(out: Path) -> Ages:
    """Whatever stands under its final name is whole."""
    finished: Ages = {}
    for folder in visible(out / "bundles"):
        assert check_files(read_bundle(folder)) == ()
        finished |= read_ages(folder)
    if (out / "evaluation.json").exists():
        assert isinstance(load_evaluation(out / "evaluation.json"), Evaluation)
    for verb in ("play", "time_calls", "find_drift", "predict"):
        for path in visible(out / "cache" / verb):
            assert read_sealed_text(path) is not None, path
            finished |= read_ages(path)
    for kind in ("windows", "reference"):
        for folder in visible(out / "cache" / kind):
            assert is_whole(folder), folder
            finished |= read_ages(folder)
    for path in visible(out / "previews"):
        assert path.stat().st_size > 0
        finished |= read_ages(path)
    for path in (path for path in visible(out / "report") if path.is_file()):
        assert path.read_text().endswith(ENDS[path.suffix]), path
    return finished


def visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def read_ages(root: Path) -> Ages:
    files = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def start(job: Job, temporary: Path | None = None) -> subprocess.Popen[str]:
    """Start the job's run as a leader of its own group."""
    environment = code_environment(job.code) | ({} if temporary is None else {"TMPDIR": str(temporary)})
    return subprocess.Popen(
        job.command("run", "-o", str(job.out), "-q"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def kill(process: subprocess.Popen[str], victim: Victim, generator: random.Random) -> bool:
    """Kill as the system does when memory runs out, and see that none of the run's processes outlives it.

    Returns:
        Whether there was somebody to be killed.
    """
    workers = workers_of(process)
    if victim == "worker":
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):  # it may have ended by itself just now
            generator.choice(workers).kill()
    elif victim == "parent":
        process.kill()
    else:
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        os.killpg(process.pid, signal.SIGKILL)
    _, text = process.communicate(timeout=120)
    assert "Traceback" not in text, text
    ended_by_itself = victim != "worker" and process.returncode == 0  # just before it was killed
    expected = {0, 1, 3} if victim == "worker" else {0, -signal.SIGKILL}
    assert process.returncode in expected, (process.returncode, text)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
    return bool(workers) if victim == "worker" else not ended_by_itself


@dataclass
class Tally:
    """What was killed, and how far the runs had come."""

    kills: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    longest_s: float = LONGEST_S

    @property
    def n_kills(self) -> int:
        return self.kills.total()


def disturb(job: Job, generator: random.Random, *, temporary: Path, most: int, tally: Tally) -> None:
    """One round: up to `most` kills, then a run that nobody disturbs.

    Args:
        job: What is run, with an empty output folder.
        generator: Of moments and victims.
        temporary: What the runs take for the system's temporary folder; empty.
        most: How many kills at most: a run may end before its moment has come.
        tally: What is counted up.

    Raises:
        AssertionError: Something was lost, half-written, made twice or left.
    """
    finished: Ages = {}
    for _ in range(most):
        victim = generator.choice(get_args(Victim))
        process, began = start(job, temporary), time.monotonic()
        end = began + generator.uniform(0.3, tally.longest_s)
        while process.poll() is None and (time.monotonic() < end or (victim == "worker" and not workers_of(process))):
            time.sleep(0.005)
        if process.poll() is not None:
            process.communicate()
            if not finished:  # it was a whole run, and this machine is faster now than it was
                tally.longest_s = time.monotonic() - began
            break
        if kill(process, victim, generator):
            tally.kills[victim] += 1
            tally.stages[_name_stage(job.out)] += 1
        now = check_whole(job.out)
        assert {path: now.get(path) for path in finished} == finished, "something was lost or made twice"
        finished = now
    tally.rounds += 1
    last = start(job, temporary)
    _, text = last.communicate(timeout=300)
    assert last.returncode == 0, text
    now = check_whole(job.out)
    assert {path: now.get(path) for path in finished} == finished, "something was lost or made twice"
    assert [row.failure for row in load_evaluation(job.out / "evaluation.json").variants] == [None]
    left = [*job.out.rglob("*.partial"), *temporary.iterdir()]
    assert left == []


def _name_stage(out: Path) -> str:
    """The last kind of thing that a run has finished."""
    kinds = ["report/report.html", "evaluation.json", "previews", "cache/time_calls", "cache/play", "cache/reference"]
    kinds += ["bundles", "cache/windows"]
    return next((kind for kind in kinds if (out / kind).is_file() or visible(out / kind)), "nothing")


def _make_jobs(folder: Path) -> Iterator[Job]:
    """One fresh job after another, all of the same model and code."""
    subprocess.run(
        [sys.executable, ROOT / "tests" / "tiny_models.py", folder / "models"], check=True, capture_output=True
    )
    code = copy_code(folder / "code")
    for number in itertools.count():
        job = make_notes_job(folder / f"job-{number}", folder / "models" / "notes")
        job.code = code
        job.write()
        yield job


def main() -> int:
    """Exit code 1 when something did not hold; the folder then stays to be looked at."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of moments and victims (default 1)")
    given = parser.parse_args()
    generator, tally = random.Random(given.seed), Tally()
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    temporary = folder / "tmp"
    temporary.mkdir()
    jobs = _make_jobs(folder)
    tally.longest_s = _time_run(next(jobs), temporary)
    while tally.n_kills < given.kills:
        job, most = next(jobs), min(generator.randint(1, MOST_KILLS), given.kills - tally.n_kills)
        try:
            disturb(job, generator, temporary=temporary, most=most, tally=tally)
        except AssertionError as fault:
            print(f"after {tally.n_kills} kills: {fault}\nsee {job.out}")  # noqa: T201
            return 1
        print(f"{tally.n_kills} kills in {tally.rounds} rounds: {dict(tally.kills)}", flush=True)  # noqa: T201
        subprocess.run(["rm", "-r", job.folder], check=True)
    print(f"what was finished last at the time: {dict(tally.stages)}")  # noqa: T201
    subprocess.run(["rm", "-r", folder], check=True)
    return 0


def _time_run(job: Job, temporary: Path) -> float:
    """How long a run takes when nothing disturbs it."""
    began = time.monotonic()
    process = start(job, temporary)
    _, text = process.communicate()
    assert process.returncode == 0, text
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
