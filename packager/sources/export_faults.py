"""Why torch.export cannot follow a model, in words that say what to write instead."""

from __future__ import annotations

import re
import traceback

from packager.diagnosis import explain, find_place

_BRANCHES = re.compile(r": (if|elif|assert|return .* if|.*\bif\b.*\belse\b)\b")
_REPEATS = re.compile(r": while\b")
_NUMBERS = re.compile(r"(\b(float|int)|\.tolist|\.item)\(")
_DATA_DEPENDENT = ("GuardOnDataDependentSymNode", "data-dependent", "DataDependentOutputException")


def explain_export(fault: BaseException) -> str:
    """One line: what in the model cannot be followed, where, and what would be right; else the fault as it is."""
    stack = traceback.extract_tb(fault.__traceback__)
    place = find_place(stack)
    at = "" if place is None else f" (at {place})"
    if meets_packed_sequence(fault):
        return (
            f"packed sequences have no fixed shape{at}: run the recurrence on the padded frames, and choose by "
            "torch.where what a frame behind a clip's end may change; a backward direction takes the frames of each "
            "clip in reverse, by an index"
        )
    if not any(word in f"{type(fault).__name__}: {fault}" for word in _DATA_DEPENDENT):
        return f"torch.export cannot follow the model: {explain(fault)}"
    if place is not None and _REPEATS.search(place):
        return (
            f"how often forward repeats depends on the data{at}: take a fixed number of turns, and choose by "
            "torch.where what a turn may still change"
        )
    if place is not None and _BRANCHES.search(place):
        return f"forward branches on the data{at}: compute both ways and choose by torch.where"
    if place is not None and _NUMBERS.search(place):
        return (
            f"forward makes a Python number of what depends on the data{at}: leave it a tensor, without float(), "
            "int() or tolist(); sizes can depend on shapes alone"
        )
    return (
        f"what forward does, or how large a tensor is, depends on the data{at}: torch.export cannot follow that; let "
        "sizes depend on shapes alone, and choose values by torch.where"
    )


def meets_packed_sequence(fault: BaseException) -> bool:
    """Whether a function that was running when the fault was raised had packed frames at hand."""
    from torch.nn.utils.rnn import PackedSequence

    step = fault.__traceback__
    while step is not None:
        if any(isinstance(value, PackedSequence) for value in step.tb_frame.f_locals.values()):
            return True
        step = step.tb_next
    return False
