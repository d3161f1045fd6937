"""Placeholder until the counting plugin is merged."""
from pathlib import Path
from device_profiles.record import Record
from evaluators.errors import EvaluationError
COUNTS_VARIABLE = "TESTPRESS_ARM_COUNTS"
class InstructionCounts(Record):
    """x"""
    instructions: int
def parse_counts(text: str) -> tuple[InstructionCounts, ...]:
    """x"""
    return ()
def compile_plugin(compiler: str | None, into: Path) -> None:
    """x"""
    raise EvaluationError("not yet")
