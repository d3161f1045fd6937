"""The search: cheap tests first, and nothing that could not be chosen. Read this first.

    options ──made, fewest bits first──► proof, size, predicted time ──if it would be chosen──► some clips ──► all clips
       └── not made: what could not be chosen, however well it turned out        └── dropped: what cannot hold any more

What is to be tried next is asked of the judge: which bundle would be shipped if all that is not known yet held every
budget? Where that is one that was played on all clips, nothing else could be better on that phone, and the search ends
there. A bundle that was not made is likened to those of its kind, see `board.py`.

One worker makes all bundles of a format, and goes on while those that are there are played. It is ended when none of
the rest is hoped for.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from device_profiles.text import shorten
from evaluators.evaluation import Evaluation
from packager.bundle import Format
from packager.formats import format_names
from packager.formats.phones import plays
from packager.jobs.code import digest_job_code
from packager.package import Packaged, key
from packager.storage import digest_facts
from reports.judging.shipping import find_objective
from testpress.errors import RecipeError
from testpress.recipe import need_audio
from testpress.searching.board import Board
from testpress.searching.placements import Places, place_choices
from testpress.searching.records import SearchResult, State
from testpress.searching.results import Facts, Trace, build_result
from testpress.searching.space import Option, list_options
from testpress.searching.stages import Clock, Stages
from testpress.work import Work

_SHARES = (1 / 8, 1 / 3)
"""of the clips, that an option is played on before it is played on all"""
_LEAST_CLIPS = 3
"""an interval of fewer says nothing"""
_REASON_LIMIT = 700


class _EnoughError(Exception):
    """None of the bundles that are still to be made is hoped for."""


class _TimeOverError(Exception):
    """The minutes are over."""


class Search:
    """One search of a recipe."""

    def __init__(self, work: Work, *, command: str, minutes: float | None, formats: tuple[Format, ...] = ()) -> None:
        """Prepare it; nothing is made yet.

        Args:
            work: The recipe, and where output goes.
            command: What reproduces this.
            minutes: After which it stops.
            formats: Which are searched; by default those of `list_formats`.

        Raises:
            TestpressError: The recipe has no audio, or the user can mend something else.
        """
        need_audio(work.recipe)
        self._work, self._command = work, command
        self._formats = formats or list_formats(work)
        self._clock = Clock(time.monotonic(), minutes)
        self._stages = Stages(work, self._clock, command)
        self._options = list_options(self._formats, work.recipe.profiles)
        self._traces = {option.name: Trace(option) for option in self._options}

    def find_key(self) -> str:
        """The content address of all that decides what is found."""
        recipe = self._work.recipe.as_data()
        search = {name: value for name, value in recipe.pop("search", {}).items() if name != "minutes"}
        recipe.pop("limits", None)
        request = self._stages.packaging
        return digest_facts(
            {
                "recipe": recipe,
                "search": search,
                "bundles": {option.name: key(request, option.variant) for option in self._options},
                "dataset": self._stages.dataset.found.info.sha256,
                "phones": [profile.model_dump(mode="json") for profile in self._work.recipe.profiles],
                "calibrations": [one.model_dump(mode="json") for one in self._work.recipe.calibrations],
                "code": _digest_code(),
            }
        )

    def run(self) -> SearchResult:
        """Search until nothing better can be found, or the time is over.

        Raises:
            TestpressError: The user can mend it.
        """
        board = Board(self._stages.base, self._options)
        for option in self._options:
            if not option.devices:
                self._end(board, option.name, "cannot_run", "none of the phones has the system that it needs")
        is_complete = True
        try:
            for format_ in self._formats:
                self._search_format(board, format_)
        except _TimeOverError:
            is_complete = False
        facts = Facts(self.find_key(), self._command, self._clock, self._formats, is_complete, self._place(board))
        return build_result(board, self._traces, self._work, self._stages, facts)

    def _place(self, board: Board) -> Places:
        if self._clock.is_over:
            return {}
        profiles, objective = self._work.recipe.profiles, find_objective(board.base)
        made = {name: trace.packaged for name, trace in self._traces.items() if trace.packaged is not None}
        return place_choices(board.choose(), made, profiles, self._stages, objective)

    def _search_format(self, board: Board, format_: Format) -> None:
        left = self._list_unmade(board, format_)
        if left:
            with contextlib.suppress(_EnoughError):
                self._stages.package([option.variant for option in left], self._make_listener(board, format_))
        self._play_hopeful(board)

    def _list_unmade(self, board: Board, format_: Format) -> list[Option]:
        """What is not made yet of a format; nothing where none of it is hoped for."""
        unmade = [
            option
            for option in self._options
            if option.variant.format == format_ and option.devices and self._traces[option.name].packaged is None
        ]
        hoped = set(board.list_hopeful())
        return unmade if any(option.name in hoped for option in unmade) else []

    def _make_listener(self, board: Board, format_: Format) -> Callable[[Packaged], None]:
        def on_done(packaged: Packaged) -> None:
            self._take(board, packaged)
            self._play_hopeful(board)
            if not self._list_unmade(board, format_):
                raise _EnoughError

        return on_done

    def _take(self, board: Board, packaged: Packaged) -> None:
        """Note that a bundle was made, or why it could not be."""
        name = packaged.variant.name
        if packaged.bundle is None and self._clock.is_over:
            raise _TimeOverError  # it was ended for that
        trace = self._traces[name]
        trace.packaged = packaged
        if packaged.bundle is None:
            self._end(board, name, "failed", f"packaging it failed: {packaged.reason}")
            return
        row = self._stages.screen(packaged)
        trace.row = row
        board.screen(row)
        self._tell(f"{name}: made")

    def _play_hopeful(self, board: Board) -> None:
        """Play what is made and hoped for, until all that is hoped for was played or is not made yet."""
        while True:
            if self._clock.is_over:
                raise _TimeOverError
            hoped = [name for name in board.list_hopeful() if name in board.screened]
            if not hoped:
                return
            for name in hoped:
                self._play(board, name)

    def _play(self, board: Board, name: str) -> None:
        """Play an option on more and more clips, until it cannot hold any more or has been played on all."""
        trace = self._traces[name]
        packaged = trace.packaged
        assert packaged is not None  # it was screened
        whole = len(self._stages.dataset.found.info.clips)
        for count in _list_counts(whole):
            part = self._stages.play([packaged], count)
            trace.clips += count
            if not self._is_played(board, part, name):
                return
            fault = board.find_sure_fault(part, name)
            if fault is not None:
                trace.part = part.variants[0]
                self._end(board, name, "dropped", f"after {count} of {whole} clips: {fault}")
                return
        evaluation = self._stages.play([packaged])
        trace.clips += self._stages.clips
        if self._is_played(board, evaluation, name):
            trace.row = evaluation.variants[0]
            trace.state = "judged"
            board.judge(trace.row)
            self._tell(f"{name}: played on all {whole} clips")

    def _is_played(self, board: Board, evaluation: Evaluation, name: str) -> bool:
        (row,) = evaluation.variants
        if row.failure is None:
            return True
        if self._clock.is_over:
            raise _TimeOverError
        self._end(board, name, "failed", f"evaluating it failed: {row.failure.reason}")
        return False

    def _end(self, board: Board, name: str, state: State, reason: str) -> None:
        trace = self._traces[name]
        trace.state, trace.reason = state, shorten(reason, _REASON_LIMIT)
        board.drop(name)
        self._tell(f"{name}: {state.replace('_', ' ')}: {trace.reason}")

    def _tell(self, text: str) -> None:
        self._work.progress.say(text)


def _list_counts(whole: int) -> list[int]:
    """How many of all clips an option is played on, before it is played on all."""
    counts = sorted({max(_LEAST_CLIPS, round(share * whole)) for share in _SHARES})
    return [count for count in counts if count <= whole / 2]


def _digest_code() -> str:
    return digest_job_code("testpress.searching.search", "packager.jobs.worker")


def list_formats(work: Work) -> tuple[Format, ...]:
    """The formats that a search of a recipe is about: those of [variants], else all that its phones play.

    Raises:
        RecipeError: It names no phone, so there is nobody to choose for.
    """
    recipe = work.recipe
    if not recipe.profiles:
        raise RecipeError(f"{recipe.path}: has no [devices] section; a search chooses a bundle for each phone")
    named = recipe.written.variants
    wanted = format_names() if named is None else named
    return tuple(name for name in wanted if any(plays(profile, name) for profile in recipe.profiles))
