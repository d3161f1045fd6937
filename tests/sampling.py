"""Which cases of slow tests with many a run takes: a few of each, chosen by a seed, so that a run stays short.

`TESTPRESS_CASES=all` takes all of them (`make test-all`), another number as many of each function, and `TESTPRESS_SEED`
draws others. What is drawn depends on the names of the cases alone: it is the same on every machine and worker.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable

import pytest

CASES = 4
"""of one function: the corners of a table are more than one, and a hundred conversions of one kind teach no more"""


def choose(items: Iterable[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """The tests to be run and those that are left out, each in the order of collection."""
    said = os.environ.get("TESTPRESS_CASES", str(CASES))
    found = list(items)
    if said == "all":
        return found, []
    most, groups = int(said), dict[str, list[str]]()
    for item in found:
        if item.get_closest_marker("slow") is not None:
            groups.setdefault(_function(item), []).append(item.nodeid)
    left_out: set[str] = set()
    for function, names in groups.items():
        seeded = random.Random(f"{os.environ.get('TESTPRESS_SEED', '1')}/{function}")
        left_out |= set(names) - set(seeded.sample(sorted(names), min(most, len(names))))
    return (
        [item for item in found if item.nodeid not in left_out],
        [item for item in found if item.nodeid in left_out],
    )


def _function(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]
