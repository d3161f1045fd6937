"""Instructions counted while an emulated Arm core computed: what the plugin for QEMU writes, and how it is compiled.

Counts are of what lies between two markers. They repeat closely where one thread runs and little but the model is
between the markers; where the stack begins, which the guest's environment decides, moves the misses of small models by
a few percent, so that guests are to have the same one. Misses are those of a model of the core's two data caches,
which begin empty, evict what was used longest ago, and fetch nothing ahead; QEMU splits accesses into pieces of at
most eight bytes, which `l1d_accesses` counts. The instruction that clears a line at once (DC ZVA) is counted, and the
line it writes is not.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Self

import pydantic

from device_profiles.record import Record, parse_json, validate_json
from device_profiles.text import clean_text, shorten
from evaluators.errors import EvaluationError
from packager.bounds import Count

COUNTS_VARIABLE = "TESTPRESS_ARM_COUNTS"
"""of the environment: the file that the plugin appends to"""
OPEN_MARKER = 0x5EED0001
"""what the guest calls getpriority(PRIO_PROCESS, …) with where counting begins"""
CLOSE_MARKER = 0x5EED0002
"""and where it ends"""

CLASSES = (
    "scalar",
    "branch",
    "load",
    "store",
    "vector_load",
    "vector_store",
    "fma_float32",
    "fma_float16",
    "float_scalar",
    "dot_product",
    "matrix",
    "integer_mac",
    "vector_other",
)
"""of instructions; each is of exactly one"""

_SOURCE = Path(__file__).with_name("count_instructions.c")
_COMPILERS = ("cc", "gcc", "clang")
# Without headers and libraries: those of this machine may be newer than the ones QEMU is run with.
_OPTIONS = ("-std=gnu11", "-O2", "-shared", "-fPIC", "-ffreestanding", "-nostdlib", "-fvisibility=hidden")
_SECONDS = 120
_MOST_LINES = 10_000
_SHOWN = 400


class InstructionCounts(Record):
    """What one core executed between two markers."""

    instructions: Count
    """all of them, those of every thread"""
    scalar: Count
    """on general-purpose registers, and what belongs nowhere else: barriers, system registers, calls of the system"""
    branch: Count
    """jumps, calls and returns, taken or not"""
    load: Count
    """into general-purpose registers; prefetches too"""
    store: Count
    """from general-purpose registers; what reads and writes at once (atomics) too"""
    vector_load: Count
    """into vector registers, of scalars too"""
    vector_store: Count
    """from vector registers, of scalars too"""
    fma_float32: Count
    """vectors of float32 multiplied and added up: two or four lanes each"""
    fma_float16: Count
    """vectors of float16 (or bfloat16) multiplied and added up: four or eight lanes each"""
    float_scalar: Count
    """floating-point arithmetic, comparisons, conversions and moves of one value"""
    dot_product: Count
    """four products of int8 added to each lane of 32 bits, or two of bfloat16"""
    matrix: Count
    """products of small matrices of int8 or bfloat16"""
    integer_mac: Count
    """vectors of integers multiplied, with or without adding up"""
    vector_other: Count
    """everything else on vector registers"""
    bytes_loaded: Count | None = None
    """none, as are the next four, where no caches were modelled"""
    bytes_stored: Count | None = None
    l1d_accesses: Count | None = None
    """lines of the first-level data cache touched: an access that crosses into the next line touches two"""
    l1d_misses: Count | None = None
    """of them, not there"""
    l2_misses: Count | None = None
    """of the misses, not in the second level either"""
    threads: Annotated[int, pydantic.Field(ge=1, le=4096)]
    """that executed something between the markers: with more than one, counts are not repeatable"""

    @pydantic.model_validator(mode="after")
    def _agree(self) -> Self:
        found = sum(getattr(self, name) for name in CLASSES)
        if found != self.instructions:
            raise ValueError(f"its classes hold {found} instructions; right is as many as there are in all")
        misses = (self.l1d_accesses, self.l1d_misses, self.l2_misses)
        known = [count for count in misses if count is not None]
        if len(known) + sum(count is not None for count in (self.bytes_loaded, self.bytes_stored)) not in (0, 5):
            raise ValueError("some counts of caches are there and some are not; right is all or none")
        if known != sorted(known, reverse=True):
            raise ValueError("more misses than accesses; right is no more L2 misses than L1D misses than accesses")
        return self


def parse_counts(text: str) -> tuple[InstructionCounts, ...]:
    """Read what the plugin wrote: one record a pair of markers, in their order.

    Args:
        text: The file's contents.

    Raises:
        EvaluationError: It is not what the plugin writes.
    """
    where = "instruction counts"
    if text and not text.endswith("\n"):
        raise EvaluationError(f"{where}: the last line has no end; right is a line a pair of markers")
    lines = text.split("\n")[:-1]
    if len(lines) > _MOST_LINES:
        raise EvaluationError(f"{where}: {len(lines)} lines; right is at most {_MOST_LINES}")
    found = []
    for number, line in enumerate(lines, 1):
        here = f"{where}, line {number}"
        parse_json(line, where=here, error=EvaluationError)
        found.append(validate_json(line, InstructionCounts, where=here, error=EvaluationError))
    return tuple(found)


def find_compiler() -> str | None:
    """The C compiler of this machine; none where none is found by its usual names."""
    return next(filter(None, map(shutil.which, _COMPILERS)), None)


def compile_plugin(compiler: str | None, into: Path, *, options: tuple[str, ...] = ()) -> None:
    """Compile the plugin that counts.

    Args:
        compiler: The C compiler's command; none to take the machine's.
        into: The shared library to write; it is there whole or not at all.
        options: More options of the compiler.

    Raises:
        EvaluationError: There is no C compiler, or it cannot compile this; why.
    """
    command = compiler or find_compiler()
    if command is None:
        raise EvaluationError(f"no C compiler: none of {', '.join(_COMPILERS)} is on the PATH")
    with tempfile.TemporaryDirectory(dir=into.parent, prefix="compiling-") as folder:
        made = Path(folder, "plugin.so")
        try:
            done = subprocess.run(
                [command, *_OPTIONS, *options, "-o", made, _SOURCE],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, ValueError) as fault:
            raise EvaluationError(f"{shorten(command)}: the C compiler cannot be started: {fault}") from None
        except subprocess.TimeoutExpired:
            raise EvaluationError(f"{shorten(command)}: the C compiler was not done after {_SECONDS} s") from None
        if done.returncode or not made.is_file():
            said = clean_text(done.stderr.strip()[:_SHOWN]) or f"exit {done.returncode}"
            raise EvaluationError(f"{shorten(command)}: the C compiler failed: {said}")
        made.replace(into)
