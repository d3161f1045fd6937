"""The pytest plugin that runs inside coremltools' tests: turns prediction on, samples, seeds, and writes the report.

The tests ask coremltools on which macOS they run, and compare nothing if it is none. They are told 15, the first with
all that is tested; the product itself tells nobody that (see `testpress/coreml_predict.py`).
"""

from __future__ import annotations

import collections
import functools
import json
import os
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import testpress

_counted: set[str] = set()
"""cases that had an ML Program loaded or run"""
_foreign: set[str] = set()
"""cases that had a model of another format loaded"""


class LoadFailed(Exception):
    """Not a RuntimeError, which coremltools would turn into a warning, and a test that predicts nothing would pass."""


def _case() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def _counting(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def counted(self: Any, *args: Any) -> Any:
        _counted.add(_case())
        return method(self, *args)

    return counted


def _loading(load: Callable[..., None], kind_of: Callable[[str], str]) -> Callable[..., None]:
    @functools.wraps(load)
    def loading(self: Any, path: str, *args: Any) -> None:
        if path and kind_of(path) != "mlProgram":
            _foreign.add(_case())
            load(self, path, *args)
            return
        _counted.add(_case())
        try:
            load(self, path, *args)
        except RuntimeError as fault:
            raise LoadFailed(str(fault)) from fault

    return loading


def _enable() -> None:
    testpress.enable_coreml_predict(force=True)
    import coremltools._deps as deps
    from coremltools.libcoremlpython import _MLModelProxy
    from coremltools.models import utils

    def kind_of(path: str) -> str:
        return "mlProgram" if path.endswith(".mlmodelc") else str(utils.load_spec(path).WhichOneof("Type"))

    _MLModelProxy.__init__ = _loading(_MLModelProxy.__init__, kind_of)
    for name in ("predict", "batchPredict", "newState"):
        setattr(_MLModelProxy, name, _counting(getattr(_MLModelProxy, name)))
    deps._IS_MACOS = True
    utils._is_macos = lambda: True
    utils._macos_version = lambda: (15, 0)


_enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance-sample", type=int, default=0)
    parser.addoption("--conformance-seed", type=int, default=0)
    parser.addoption("--conformance-report", default="")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The same number of cases of each test function, as far as it has them."""
    items[:] = [item for item in items if "neuralnetwork" not in item.nodeid]
    groups: dict[str, list[pytest.Item]] = collections.defaultdict(list)
    for item in items:
        groups[item.nodeid.partition("[")[0]].append(item)
    size = config.getoption("--conformance-sample")
    if not size or size >= len(items):
        return
    chance = random.Random(config.getoption("--conformance-seed"))
    shuffled = [chance.sample(group, len(group)) for group in groups.values()]
    chance.shuffle(shuffled)
    rounds = range(max(map(len, shuffled)))
    spread = [group[i] for i in rounds for group in shuffled if i < len(group)]
    items[:] = spread[:size]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A case gets the same random numbers in whatever order, process or selection it runs."""
    import torch

    seed = zlib.crc32(item.name.encode())
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the generator coremltools' tests use
    torch.manual_seed(seed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Runs in the worker process; what is written here travels to the one that reports."""
    if call.when == "call":
        counts = item.nodeid in _counted and item.nodeid not in _foreign
        item.user_properties.append(
            ("conformance", "counts" if counts else "foreign" if item.nodeid in _foreign else "")
        )
    return (yield)


class _Tally:
    """In the process that reports: what became of each case."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cases: list[dict[str, str]] = []
        self._uncounted: collections.Counter[str] = collections.Counter()
        self._uncollected: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._uncollected.append(f"{report.nodeid}: {str(report.longrepr)[-300:]}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        crashed = report.when not in {"setup", "call", "teardown"}
        if not crashed and report.when != "call":
            return
        role = "counts" if crashed else dict(report.user_properties).get("conformance", "")
        if role == "counts" and report.outcome != "skipped":
            why = "" if report.passed else str(getattr(report.longrepr, "reprcrash", report.longrepr))[-400:]
            self._cases.append({"case": report.nodeid, "outcome": report.outcome, "why": why})
        else:
            self._uncounted[role or "not used"] += 1

    def pytest_sessionfinish(self) -> None:
        found = {
            "cases": sorted(self._cases, key=lambda row: row["case"]),
            "uncounted": dict(self._uncounted),
            "uncollected": self._uncollected,
        }
        self._path.write_text(json.dumps(found, indent=1), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--conformance-report")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Tally(Path(path)))
