"""A run of the fuzzer: which inputs, in several processes, each of which forks one input at a time."""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.cases import Case
from tests.fuzz.checks import Fault, find_faults
from tests.fuzz.corpus import make_corpus
from tests.fuzz.forked import become_command
from tests.fuzz.kinds import kind_names, load_kind
from tests.fuzz.sandbox import Sandbox
from tests.fuzz.watching import HANG_S, Ended, adopt_orphans, watch

PRELOADED = (
    *("click", "numpy", "pydantic", "jinja2", "scipy.signal", "soundfile", "soxr", "mir_eval", "psutil", "flatbuffers"),
    *("testpress.__main__", "testpress.pipeline", "testpress.summary", "testpress.recipe", "testpress.differences"),
    *(
        "testpress.inspection.reading",
        "testpress.playing.playing",
        "testpress.latency",
        "testpress.inspection.observation",
        "testpress.inspection.watching",
    ),
    *("testpress.phones", "testpress.starter", "testpress.diagnosis", "testpress.progress", "testpress.github"),
    *("reports.write", "evaluators.evaluate", "evaluators.tasks.note_transcription", "evaluators.tasks.parity"),
    *(
        "evaluators.formats.tflite.graph",
        "evaluators.formats.coreml.graph",
        "packager.jobs.workers",
        "packager.formats.tflite.compression",
    ),
    *("packager.formats.coreml.compression", "ai_edge_litert.schema_py_generated"),
)
"""what is imported before a fork: nothing that starts threads, and no framework"""
DEAR_S = 0.5
"""of one core; an input that takes longer is dear"""
HEAVY = ("torch", "tensorflow", "ai_edge_litert.interpreter", "coremltools")


@dataclass(frozen=True)
class Selection:
    """Which inputs, and how they are run."""

    counts: dict[str, int]
    """kind → how many of its inputs, from index 0 on"""
    seed: int = 1
    only: int | None = None
    """one index instead of all"""
    processes: int = 2
    hang_s: float = HANG_S
    keep: Path | None = None
    """where failing inputs are kept"""
    keep_all: bool = False


@dataclass(frozen=True)
class Result:
    """What became of one input."""

    kind: str
    index: int
    arguments: tuple[str, ...]
    ended: Ended
    faults: tuple[Fault, ...] = ()
    said: str = field(default="", repr=False)
    """the beginnings of standard error and standard output"""


def plan(inputs: int, kinds: Sequence[str] = (), *, quick: bool = False) -> dict[str, int]:
    """How many inputs of each kind: as their shares say, among those that are asked for.

    Args:
        inputs: Of all kinds together.
        kinds: Which; none means all.
        quick: Kinds of which an input takes long count for a sixth.
    """
    loaded = {name: load_kind(name) for name in kinds or kind_names()}
    shares = {name: kind.SHARE / (6 if quick and kind.SECONDS > DEAR_S else 1) for name, kind in loaded.items()}
    total = sum(shares.values())
    counts = {name: int(inputs * share / total) for name, share in shares.items()}
    for name in sorted(shares, key=lambda name: -shares[name])[: inputs - sum(counts.values())]:
        counts[name] += 1
    return counts


def run(selection: Selection, on_result: Callable[[Result], None] = lambda _: None) -> list[Result]:
    """Run the inputs.

    Args:
        selection: Which.
        on_result: Called with each result as soon as it is there.

    Returns:
        All results, by kind and index.
    """
    _preload()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        corpus = Path(folder) / "corpus"
        make_corpus(corpus)
        for kind in selection.counts:
            if hasattr(load_kind(kind), "prepare"):
                load_kind(kind).prepare()
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(
            selection.processes, mp_context=context, initializer=adopt_orphans, initargs=(os.getpid(),)
        ) as pool:
            waiting: list[Future[Result]] = [
                pool.submit(_run_one, selection, Path(folder), kind, index) for kind, index in _order(selection)
            ]
            results = []
            for future in as_completed(waiting):
                on_result(future.result())
                results.append(future.result())
    return sorted(results, key=lambda result: (result.kind, result.index))


def _preload() -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for name in PRELOADED:
        importlib.import_module(name)
    for name in kind_names():
        load_kind(name)
    loaded = [name for name in HEAVY if name in sys.modules]
    assert not loaded, f"{loaded} must not be there before a fork"
    gc.collect()
    gc.freeze()


def _order(selection: Selection) -> Iterator[tuple[str, int]]:
    """All inputs in a mixed order, so that what takes long is spread."""
    if selection.only is not None:
        yield from ((kind, selection.only) for kind in selection.counts)
        return
    pairs = [(kind, index) for kind, count in sorted(selection.counts.items()) for index in range(count)]
    random.Random(selection.seed).shuffle(pairs)
    yield from pairs


def _run_one(selection: Selection, folder: Path, kind: str, index: int) -> Result:
    sandbox = Sandbox(folder / f"input-{os.getpid()}", folder / "corpus")
    sandbox.make()
    case = load_kind(kind).make_case(random.Random(f"{selection.seed}/{kind}/{index}"), sandbox.place)
    result = run_case(case, sandbox, kind=kind, index=index, hang_s=selection.hang_s)
    if selection.keep is not None and (result.faults or selection.keep_all):
        _keep(selection, sandbox, result)
    return result


def run_case(case: Case, sandbox: Sandbox, *, kind: str, index: int, hang_s: float = HANG_S) -> Result:
    """Run one case in its sandbox, and hold what came of it against what the command promises."""
    before = sandbox.look()
    environment = sandbox.environment(case)
    ended = watch(lambda: become_command(case, sandbox.folder, environment, sandbox.out, sandbox.err), hang_s=hang_s)
    out, err = sandbox.out.read_bytes(), sandbox.err.read_bytes()
    faults = find_faults(case, ended, out, err)
    faults += [Fault("outside", name) for name in sandbox.find_written(before, case)]
    faults += [Fault("temporary", name) for name in sandbox.find_temporary()[:3]]
    faults += [Fault("secret", name) for name in sandbox.tells_secret()]
    return Result(kind, index, case.arguments, ended, tuple(faults), _begin(err, out))


def _begin(*streams: bytes) -> str:
    return "\n".join(stream[:1000].decode("utf-8", "replace") for stream in streams)


def replay_command(seed: int, kind: str, index: int) -> str:
    return f"python -m tests.fuzz --seed {seed} --kind {kind} --index {index}"


def _keep(selection: Selection, sandbox: Sandbox, result: Result) -> None:
    assert selection.keep is not None
    kept = selection.keep / f"{result.kind}-{result.index}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in (sandbox.out, sandbox.err):
        shutil.copyfile(path, kept / path.name)
    shutil.copytree(sandbox.folder, kept / "work", symlinks=True, ignore=_ignore_special)
    lines = [
        replay_command(selection.seed, result.kind, result.index),
        f"arguments: {ascii(list(result.arguments))[:5000]}",
        f"ended: {result.ended}",
        *(f"{fault.check}: {fault.detail!a}" for fault in result.faults),
    ]
    (kept / "replay.txt").write_text("\n".join(lines) + "\n")


def _ignore_special(folder: str, names: list[str]) -> list[str]:
    paths = [Path(folder) / name for name in names]
    return [path.name for path in paths if not (path.is_symlink() or path.is_file() or path.is_dir())]
