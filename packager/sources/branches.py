"""Export with both ways of a branch: what `if` decides by the data is computed both ways and chosen.

torch.export stops where Python asks a tensor whether it is true. Here it is told an answer, and the question is kept as
an output; the model is exported once for every sequence of answers, and the programs are joined: what they have in
common runs once, and where they part, `where` chooses by the question. What an `if` guards only by raising an error
(`assert`, `raise`) is left out: no bundle can raise.

A number that is taken out of a tensor by `item()` stays a tensor without dimensions, with which Python computes alike.
"""

from __future__ import annotations

import contextlib
import importlib
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from packager.diagnosis import find_place
from packager.rewrites.torch import APPLIED
from packager.sources.joining import BranchPath, join_paths

NAME = "branches"

MOST_WAYS = 16
"""programs that are joined; each is an export"""

MOST_QUESTIONS = 8
"""on one way: a loop that the data end asks without end"""


class TooManyWaysError(Exception):
    """More branches than are followed."""


@dataclass
class _Answers:
    """What is answered on one way, and what was asked."""

    given: tuple[bool, ...]
    questions: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def answer(self, question: Any) -> bool:
        number = len(self.questions)
        if number >= MOST_QUESTIONS:
            raise TooManyWaysError
        self.questions.append(question)
        return self.given[number] if number < len(self.given) else True

    @property
    def choices(self) -> tuple[bool, ...]:
        missing = len(self.questions) - len(self.given)
        return self.given[: len(self.questions)] + (True,) * max(0, missing)


def export_branches(export: Callable[[Any], Any], module: Any) -> Any:
    """One program for all ways through a module's branches.

    Args:
        export: Exports a module with the example inputs.
        module: Returns a dictionary of tensors.

    Raises:
        TooManyWaysError: There are more ways than are followed.
        Exception: What torch.export raises where it still cannot follow; or the ways give tensors of different sizes.
    """
    with warnings.catch_warnings(), plain_conditions():
        warnings.simplefilter("ignore")  # torch's own, of its internals
        joined = join_paths(_follow_paths(export, module), export)
    joined.graph_module.meta[APPLIED] = (NAME,)
    return joined


def _follow_paths(export: Callable[[Any], Any], module: Any) -> list[BranchPath]:
    waiting: list[tuple[bool, ...]] = [()]
    ways: list[BranchPath] = []
    asked = 0
    while waiting:
        asked += 1
        if asked > MOST_WAYS:
            raise TooManyWaysError
        answers = _Answers(waiting.pop())
        try:
            program = export(_make_asking(module, answers))
        except Exception as fault:
            if not _is_users_refusal(fault):
                raise fault from fault.__cause__
            program = None
        choices = answers.choices
        if program is not None:
            ways.append(BranchPath(choices, program, answers.names))
        waiting += [(*choices[:number], False) for number in range(len(answers.given), len(choices))]
    return ways


def _is_users_refusal(fault: Exception) -> bool:
    """Whether the model itself raised an error."""
    stack = traceback.extract_tb(fault.__traceback__)
    last = stack[-1]
    line = (last.line or "").strip()
    return find_place(traceback.StackSummary.from_list([last])) is not None and line.startswith(
        ("raise", "assert", "if")
    )


def _make_asking(module: Any, answers: _Answers) -> Any:
    """A module that returns the outputs and what was asked on the way."""
    import torch

    class Asking(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.training = False
            self.module = module

        def forward(self, *tensors: Any) -> Any:
            answers.questions.clear()
            with _answering(answers):
                found = self.module(*tensors)
            answers.names[:] = found  # torch.export puts a module's own attributes back
            return [*found.values(), *answers.questions]

    return Asking()


def _answering(answers: _Answers) -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    from packager.sources.known_values import is_known

    questions = (torch.Tensor.__bool__, torch.is_nonzero, torch.Tensor.is_nonzero)

    class Answering(TorchFunctionMode):
        """Answers what Python asks of tensors without values."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            kwargs = kwargs or {}
            if not args or not isinstance(args[0], torch.Tensor) or is_known(args[0]):
                return func(*args, **kwargs)
            if func in questions:
                return answers.answer((args[0] != 0).reshape(()))
            if func is torch.equal:
                return answers.answer((args[0] == args[1]).all())
            if func is torch.Tensor.item and args[0].is_floating_point():
                return args[0].reshape(()) if args[0].ndim else args[0]
            return func(*args, **kwargs)

    return Answering()


@contextlib.contextmanager
def plain_conditions() -> Iterator[None]:
    """While inside, `torch.cond` is Python's own `if`, so that no compiler is asked for it."""
    import torch

    def choose(pred: Any, true_fn: Any, false_fn: Any, operands: Any = ()) -> Any:
        return true_fn(*operands) if pred else false_fn(*operands)

    holders: list[Any] = [torch, importlib.import_module("torch._higher_order_ops.cond"), torch._higher_order_ops]
    own = [holder.cond for holder in holders]
    for holder in holders:
        holder.cond = choose
    try:
        yield
    finally:
        for holder, cond in zip(holders, own, strict=True):
            holder.cond = cond
