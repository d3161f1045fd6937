"""Whether a search names the same bundles as trying everything, and what it saves.

    python -m benchmarks.search_choices examples/wake_word/testpress.toml --out /tmp/search

Everything: each precision that one of the phones can run is made, and played on all clips, under the recipe's
conditions and in its long run too; then the judge chooses. Neither way times calls, locates drift or makes pictures.
Both begin in an empty folder in which the dataset was read and the source model played. What trying everything gave is
kept in `--out`, so that a later run takes the search's side alone; `--again` searches anew.

Minutes are those of the clock, on this machine and beside whatever else runs on it; the seconds of all workers'
processors depend less on that, and are the ones to compare.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import time
from pathlib import Path

from device_profiles.record import Record, dump_json
from packager.package import Packaged
from packager.seals import read_sealed_record, write_sealed_record
from testpress.progress import TerminalProgress
from testpress.recipe import Recipe, read_recipe
from testpress.searching.board import Board
from testpress.searching.search import Search, list_formats
from testpress.searching.space import list_options
from testpress.searching.stages import Clock, Stages
from testpress.table import align
from testpress.work import Work


class Taken(Record):
    """What one way chose, and what it took."""

    choices: dict[str, str]
    """phone and format → the bundle that is named"""
    seconds: float
    processor_seconds: float
    made: int
    clips: int


def main(arguments: list[str]) -> int:
    """Print a table; exit 1 where the choices differ."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search_choices",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipes", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args(arguments)
    rows: list[tuple[str, ...]] = [("recipe", "phone", "everything", "search", "same")]
    costs: list[tuple[str, ...]] = [("recipe", "", "made", "plays of clips", "minutes", "processor minutes")]
    same = True
    for path in options.recipes:
        recipe, name = read_recipe(path), path.resolve().parent.name
        whole, found = (_take(recipe, options.out / name, way, again=options.again) for way in ("everything", "search"))
        for place, chosen in whole.choices.items():
            other = found.choices.get(place, "nothing")
            same = same and chosen == other
            rows.append((name, place, chosen, other, "yes" if chosen == other else "NO"))
        costs += [(name, way, *_tell(taken)) for way, taken in (("everything", whole), ("search", found))]
        shares = [f"{b / a:.0%}" for a, b in zip(_numbers(whole), _numbers(found), strict=True)]
        costs.append((name, "share", *shares))
    sys.stdout.write(f"{align(rows)}\n\n{align(costs, right=(2, 3, 4, 5))}\n")
    return 0 if same else 1


def _numbers(taken: Taken) -> tuple[float, ...]:
    return taken.made, taken.clips, taken.seconds, taken.processor_seconds


def _tell(taken: Taken) -> tuple[str, ...]:
    return str(taken.made), str(taken.clips), f"{taken.seconds / 60:.1f}", f"{taken.processor_seconds / 60:.1f}"


def _take(recipe: Recipe, folder: Path, way: str, *, again: bool) -> Taken:
    stored = folder / f"{way}.json"
    known = None if again and way == "search" else read_sealed_record(stored, Taken)
    if known is not None:
        return known
    place = folder / way
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with TerminalProgress(quiet=True) as progress:
        work = Work(recipe, place, progress)
        assert Stages(work, Clock(0.0, None), "").base.variants == ()  # the dataset and the source's outputs are there
        started, before = time.monotonic(), _processor_seconds()
        choices, made, clips = _search(work) if way == "search" else _try_everything(work)
        taken = Taken(
            choices=choices,
            seconds=time.monotonic() - started,
            processor_seconds=_processor_seconds() - before,
            made=made,
            clips=clips,
        )
    write_sealed_record(stored, taken)
    return taken


def _processor_seconds() -> float:
    own, workers = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime


def _search(work: Work) -> tuple[dict[str, str], int, int]:
    result = Search(work, command="", minutes=None).run()
    (work.out / "search.json").write_text(dump_json(result), encoding="utf-8")
    choices = {f"{one.device} {one.format}": one.variant or "nothing" for one in result.recommendations}
    return choices, result.cost.made, result.cost.clips


def _try_everything(work: Work) -> tuple[dict[str, str], int, int]:
    stages, formats = Stages(work, Clock(time.monotonic(), None), ""), list_formats(work)
    options = [option for option in list_options(formats, work.recipe.profiles) if option.devices]
    made: list[Packaged] = []
    for format_ in formats:
        stages.package([one.variant for one in options if one.variant.format == format_], made.append)
    good = [one for one in made if one.bundle is not None]
    board = Board(stages.base, options)
    for row in stages.play(good).variants:
        if row.failure is None:
            board.judge(row)
    choices = {f"{one.device} {one.format}": one.variant or "nothing" for one in board.choose()}
    return choices, len(good), len(good) * stages.clips


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
