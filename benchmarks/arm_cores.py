"""What Arm cores make of the examples' bundles: how far from this machine, what flips, how many instructions.

    testpress setup arm
    python -m benchmarks.arm_cores --out /tmp/cores examples/*/testpress.toml

Each recipe is packaged in float32, dynamic and static int8 (`--precisions`) and evaluated for phones that are made up
of one core each (`--cores`); what was made is kept in `--out`, so that a second run prints the table at once.
`--windows` says how many windows of each bundle are played on each core.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

from device_profiles.profile import DeviceProfile, read_profile
from device_profiles.text import shorten
from evaluators.core_records import ArmSpec, CoreResult, TargetsSpec
from evaluators.emulators.arm.core_types import get_core_type
from evaluators.evaluation import Evaluation
from packager.package import Variant
from reports.judging.cores import describe_difference, describe_flips
from reports.notation import format_count
from testpress.pipeline import evaluate_recipe, package_recipe
from testpress.progress import TerminalProgress
from testpress.recipe import Recipe, read_recipe
from testpress.table import align
from testpress.work import Work

PRECISIONS = ("float32", "dynamic_wi8_afp32", "static_wi8_ai8")
CORES = ("cortex_a53", "cortex_a76", "cortex_a710")
_HEAD = ("model", "precision", "core", "against here", "decisions", "instructions", "L1D misses")


def main(arguments: list[str]) -> int:
    """Print a table, a line as soon as it is known."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.arm_cores", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    parser.add_argument("--cores", nargs="+", default=CORES)
    options = parser.parse_args(arguments)
    phones = tuple(make_phone(core) for core in options.cores)
    rows: list[tuple[str, ...]] = [_HEAD]
    for path in options.recipes:
        recipe = bend(read_recipe(path), phones, options.precisions, options.windows)
        with TerminalProgress(quiet=False) as progress:
            work = Work(recipe, options.out / path.resolve().parent.name, progress)
            package_recipe(work)
            found = evaluate_recipe(work, (), command="benchmarks.arm_cores")
        rows += list_rows(path.resolve().parent.name, found)
    sys.stdout.write(f"{align(rows, right=(5, 6))}\n")
    return 0


def make_phone(core: str) -> DeviceProfile:
    """A phone all of whose cores are of one type."""
    phone = read_profile("galaxy-a14")
    title = get_core_type(core).title
    cluster = phone.cpu.clusters[0].model_copy(update={"name": title})
    identifier = core.replace("_", "-")
    cpu = phone.cpu.model_copy(update={"clusters": (cluster,)})
    return phone.model_copy(update={"id": identifier, "name": title, "cpu": cpu})


def bend(recipe: Recipe, phones: tuple[DeviceProfile, ...], precisions: tuple[str, ...], windows: int) -> Recipe:
    """The recipe with these phones and bundles, without budgets, conditions and a long run."""
    targets = TargetsSpec(arm=ArmSpec(windows=windows))
    changes = {"targets": targets, "budgets": (), "conditions": None, "long_run": None, "variants_for": None}
    return dataclasses.replace(
        recipe,
        written=recipe.written.model_copy(update=changes),
        profiles=phones,
        variants=tuple(Variant("tflite", precision) for precision in precisions),
        conditions=(),
        meant_elsewhere={},
        calibrations=(),
        searched=(),
    )


def list_rows(name: str, evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    """One line a bundle and core, or a bundle that was not made."""
    for variant in evaluation.variants:
        if variant.failure is not None:
            yield name, variant.precision, "", f"not made: {shorten(variant.failure.reason, 80)}", "", "", ""
        for core in variant.cores:
            yield name, variant.precision, core.target.core or "", *_describe(core)


def _describe(core: CoreResult) -> tuple[str, ...]:
    counts = core.counts
    instructions = "not counted" if counts is None else format_count(counts.instructions)
    misses = "" if counts is None or counts.l1d_misses is None else format_count(counts.l1d_misses)
    if core.fault:
        return shorten(core.fault, 80), "", instructions, misses
    return describe_difference(core), shorten(describe_flips(core), 80), instructions, misses


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
