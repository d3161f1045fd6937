"""What watching a Core ML program finds, as records: the ranges of its ops, and where two programs part.

`ranges` and `comparison` make them.
"""

from __future__ import annotations

import math

from device_profiles.record import Record
from evaluators.score import Score


class HalfFit(Record):
    """How an op's values fit into float16.

    For ops of a wider type: what would become of the values if they were rounded. For float16 ops: what did.
    """

    overflowing: int
    """wider: finite values that would become infinite · float16: infinite values"""
    vanishing: int | None
    """wider: values other than 0 that would become 0 · float16: none, since its zeros do not tell; a comparison does"""
    subnormal: int
    """values that keep fewer than 11 bits of precision, below 2^-14 = 6.1e-05"""


class OpRange(Record):
    """The values of one output of one op, over all runs."""

    index: int
    """the op's place in program order"""
    op: str
    """the output's name"""
    kind: str
    """the op's type, for example conv"""
    dtype: str
    """the element type the program declares"""
    elements: int
    """values seen; 0 where every tensor was empty"""
    nans: int
    infinities: int
    zeros: int
    minimum: float | None
    """of the finite values; none where there are none, here and below. Truth values count as 0 and 1"""
    maximum: float | None
    largest: float | None
    """largest magnitude"""
    smallest: float | None
    """smallest magnitude other than 0; none where all are 0"""
    mean: float | None
    """none too where the sum is beyond float64"""
    half: HalfFit | None
    """none for integers and truth values"""
    breaks: bool
    """whether in some run values became NaN or infinite here though all that went into the op was finite"""

    @property
    def zero_share(self) -> float | None:
        """Zeros among all values seen."""
        return self.zeros / self.elements if self.elements else None


class OpComparison(Record):
    """One output of the candidate beside its namesake, over all inputs."""

    op: str
    """the output's name in the candidate"""
    reference_op: str
    kind: str
    """the type of the candidate's op, for example conv"""
    dtype: str
    reference_kind: str
    """`input` where a cast of the candidate is held against the program's own input"""
    reference_dtype: str
    elements: int
    """pairs of values seen"""
    reference_range: float
    """from the reference's lowest finite value to its highest, 0 counted among them"""
    max_abs_error: float
    """over pairs of finite values"""
    relative_error: float | None
    """`max_abs_error` by `reference_range`; none where the reference is 0 throughout and the candidate is not"""
    snr_db: Score
    """over pairs of finite values"""
    cosine: Score
    unlike: int
    """pairs of which one is not finite, unless both are the same"""
    overflowed: int
    """of these, those that are infinite in the candidate and finite in the reference"""
    vanished: int
    """pairs that are 0 in the candidate and another number in the reference"""

    @property
    def severity(self) -> float:
        """The relative error; infinite where one side is not finite or only the reference is 0."""
        return math.inf if self.unlike or self.relative_error is None else self.relative_error


class ShapeMismatch(Record):
    """Namesakes whose values have different shapes; they are not compared."""

    op: str
    reference_op: str
    shape: tuple[int, ...]
    """in the candidate, at the first input for which they differ"""
    reference_shape: tuple[int, ...]


class Comparison(Record):
    """Two programs, op by op."""

    reference: str
    candidate: str
    inputs: int
    tolerance: float
    first: str | None
    """the first op of the candidate, in its program order, whose severity is beyond the tolerance"""
    worst: str | None
    """the op of largest severity, of equal ones the first; none where all values are equal"""
    ops: tuple[OpComparison, ...]
    """in the candidate's program order"""
    mismatches: tuple[ShapeMismatch, ...]
    unaligned: tuple[str, ...]
    """outputs of the candidate's ops that have no namesake"""
    reference_unaligned: tuple[str, ...]
    """outputs of the reference's ops that are nobody's namesake"""
    held_bytes: int
    """the most that values of the reference took while they waited for the candidate"""
