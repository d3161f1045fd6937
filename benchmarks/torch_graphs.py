"""Counts again what the published PyTorch architectures in evaluators/costs/torch_ops.csv do in one call, op by op.

The models have random weights and live on the `meta` device: nothing is downloaded, nothing is computed. Beside the
project's own environment it needs torchvision and timm, without what they depend on:

    python -m pip install --no-deps torchvision==0.28.0 timm==1.0.31

Run from the repository's root: python -m benchmarks.torch_graphs [--write] [GRAPH…]

Without --write it says which graph differs from the file and exits with 1 if one does.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.op_counting import Op, count
from benchmarks.torch_nets import GRAPHS, TENSORFLOW, WHISPER, vision

FILE = Path("evaluators/costs/torch_ops.csv")
COLUMNS = ("graph", "kind", "count", "macs", "read_values", "written_values", "weight_values", "runs")
STEPS = 7
"""that a transcription of babble takes, says the source of its measurements"""


def recount(name: str) -> dict[Op, int]:
    if name.endswith("_transcription"):
        total = Counter(recount(name.replace("transcription", "encoder")))
        for op, times in recount(name.replace("transcription", "split_step")).items():
            total[op] += times * STEPS
        return dict(total)
    with torch.device("meta"):
        net, inputs = GRAPHS[name]()
        return count(net.eval(), inputs, name in TENSORFLOW)


def stored() -> dict[str, dict[Op, int]]:
    graphs: dict[str, dict[Op, int]] = {}
    if not FILE.exists():
        return graphs
    for row in csv.DictReader(FILE.read_text(encoding="utf-8").splitlines()):
        op = Op(row["kind"], *(int(row[column]) for column in COLUMNS[3:]))
        graphs.setdefault(row["graph"], {})[op] = int(row["count"])
    return graphs


def write(graphs: dict[str, dict[Op, int]]) -> None:
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, ops in sorted(graphs.items()):
            writer.writerows((name, op.kind, times, *op[1:]) for op, times in ops.items())


def summary(ops: dict[Op, int]) -> str:
    macs, weights = (
        sum(getattr(op, name) * op.runs * n for op, n in ops.items()) for name in ("macs", "weight_values")
    )
    return f"{sum(ops.values())} ops, {macs / 1e6:.1f} M multiply-adds, {weights / 1e6:.2f} M weights read"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", nargs="*", metavar="GRAPH", help="which to count; all if none is named")
    parser.add_argument("--write", action="store_true", help="write what was counted to the file")
    asked = parser.parse_args(arguments)
    known = (*GRAPHS, *(f"whisper_{name}_transcription" for name in WHISPER))
    if unknown := set(asked.graphs) - set(known):
        parser.error(f"no such graph: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    vision()  # before transformers, which looks for it too
    torch.backends.mha.set_fastpath_enabled(False)  # one fused op that no converter knows
    before = stored()
    counted = {name: recount(name) for name in asked.graphs or known}
    differing = [name for name, ops in counted.items() if before.get(name) != ops]
    for name, ops in counted.items():
        print(f"{name}: {summary(ops)}{'; the file has other ops' if name in differing else ''}")
    if asked.write:
        write((before if asked.graphs else {}) | counted)
        return 0
    print(f"{len(counted)} graphs, {len(differing)} differ from the file")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
