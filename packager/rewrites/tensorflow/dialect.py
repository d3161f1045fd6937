"""What a converter takes of TensorFlow's graphs: what rewrites go by, in place of the name of its format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """What a converter takes.

    Attributes:
        lacks: Ops that it does not know, or lowers badly.
        has_recurrent_layers: Whether a loop that is a recurrence may become a layer.
        has_branches_in_loops: Whether a condition inside a loop is taken.
        reuses_loop_values: Whether a loop's value may be overwritten before it is read, where a round hands it on.
    """

    lacks: frozenset[str]
    has_recurrent_layers: bool = False
    has_branches_in_loops: bool = True
    reuses_loop_values: bool = False
