"""What a search asks of the stages: bundles, what is known of them before they play, scores on few clips and on all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from evaluators.costs.placement import PlacementRequest
from evaluators.datasets.place import Place
from evaluators.datasets.preparation import prepare_dataset
from evaluators.datasets.prepared import PreparedDataset
from evaluators.datasets.subsets import choose_subset, store_subset
from evaluators.evaluate import EvaluationRequest, evaluate, screen
from evaluators.evaluation import Evaluation, VariantResult
from evaluators.metrics import BUILT_IN
from evaluators.playing.candidates import Candidate, from_packaged
from packager.jobs.workers import Limits
from packager.package import Packaged, PackageRequest, Variant, package
from reports.judging.budgets import recipe_budgets
from reports.judging.shipping import find_objective
from testpress.pipeline import finish_evaluation
from testpress.stage_requests import make_evaluation_request, make_package_request
from testpress.work import Work


@dataclass(frozen=True)
class Clock:
    """When a search ends.

    Attributes:
        start: On the clock that only goes forward.
        minutes: How long it may take; None for as long as it needs.
    """

    start: float
    minutes: float | None

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.start

    @property
    def left_s(self) -> float | None:
        """Seconds until the end; None where there is none."""
        return None if self.minutes is None else self.minutes * 60 - self.elapsed_s

    @property
    def is_over(self) -> bool:
        left = self.left_s
        return left is not None and left <= 0

    def cap(self, limits: Limits) -> Limits:
        """Limits by which a worker ends when the search does."""
        left = self.left_s
        return limits if left is None else replace(limits, time_s=min(limits.time_s, max(left, 0.1)))


class Stages:
    """The stages of one recipe, each with what is left of the time."""

    def __init__(self, work: Work, clock: Clock, command: str) -> None:
        self._work, self._clock, self._command = work, clock, command

    @cached_property
    def packaging(self) -> PackageRequest:
        """What packaging asks for, of no variant yet."""
        return make_package_request(self._work)

    @cached_property
    def evaluating(self) -> EvaluationRequest:
        """What evaluating asks for, of no bundle yet."""
        return replace(make_evaluation_request(self._work, ()), scores_alone=True, times=False)

    @cached_property
    def dataset(self) -> PreparedDataset:
        """All clips."""
        asked = self.evaluating
        place = Place(asked.out, asked.limits, asked.executor)
        return prepare_dataset(asked.dataset, task=asked.task, audio=asked.audio, place=place)

    @cached_property
    def base(self) -> Evaluation:
        """The source model's own numbers."""
        return self._evaluate(replace(self.evaluating, prepared=self.dataset))

    @cached_property
    def _times(self) -> bool:
        """Whether a budget, or what is minimised, is of calls timed here."""
        asked = {budget.metric for budget in recipe_budgets(self.base)} | {find_objective(self.base).name}
        return any(name in BUILT_IN and BUILT_IN[name].machine_bound for name in asked)

    @property
    def clips(self) -> int:
        """Plays of a clip that a bundle takes on all of them, those under conditions too."""
        return len(self.dataset.found.info.clips) * (1 + len(self.evaluating.conditions))

    def package(self, variants: Sequence[Variant], on_done: Callable[[Packaged], None]) -> None:
        """Make bundles of one format, in one worker, which goes on while `on_done` is at work."""
        capped = self._clock.cap(self.packaging.limits)
        package(replace(self.packaging, variants=variants, limits=capped), on_done=on_done)

    def screen(self, packaged: Packaged) -> VariantResult:
        """What is known of a bundle that was not played."""
        (row,) = self.place([packaged], self.evaluating.asked)
        return row

    def place(self, packaged: Sequence[Packaged], asked: PlacementRequest) -> tuple[VariantResult, ...]:
        """The same of several bundles, where an app asks for a compute unit or a number of threads."""
        request = replace(self._ask([self._find(one) for one in packaged]), asked=asked)
        return screen(request, self._work.progress.stage)

    def play(self, packaged: Sequence[Packaged], clips: int | None = None) -> Evaluation:
        """The bundles on some clips as they are, or on all, under the recipe's conditions and in its long run too.

        Args:
            packaged: The bundles.
            clips: How many; None for all.
        """
        asked = self._ask([self._find(one) for one in packaged])
        if clips is None:
            return self._evaluate(replace(asked, times=self._times))
        subset = store_subset(self.dataset, choose_subset(self.dataset, clips), asked.out)
        return self._evaluate(replace(asked, prepared=subset, conditions=(), long_run=None))

    def _find(self, packaged: Packaged) -> Candidate:
        return from_packaged(packaged, self._work.out)

    def _ask(self, candidates: Sequence[Candidate]) -> EvaluationRequest:
        capped = self._clock.cap(self.evaluating.limits)
        return replace(self.evaluating, prepared=self.dataset, candidates=candidates, limits=capped)

    def _evaluate(self, request: EvaluationRequest) -> Evaluation:
        findings = evaluate(request, self._work.progress.stage)
        return finish_evaluation(self._work, request, findings, command=self._command)
