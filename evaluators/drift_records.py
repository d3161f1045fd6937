"""Where a bundle departs from its source, op by op, as `evaluation.json` holds it."""

from __future__ import annotations

from device_profiles.record import Record
from evaluators.picture_records import NotNegative


class DriftStep(Record):
    """One op of the candidate program, in program order."""

    op: str
    kind: str
    """the op's type, for example conv or log"""
    error_after: NotNegative
    """largest absolute error left in the outputs when this op and all before it are put right"""


class Drift(Record):
    """Where a variant departs from its reference, found by putting ever longer prefixes of it right."""

    reference: str
    """the variant it was compared with"""
    output_error: NotNegative
    """largest absolute error of the outputs with nothing put right"""
    first_op: str
    """the earliest op at which the departure starts: putting right all up to it removes a tenth of the error"""
    worst_op: str
    """the op that, put right, removes the most"""
    explanation: str
    """one sentence for the reviewer"""
    steps: tuple[DriftStep, ...]
