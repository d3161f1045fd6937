"""What ops cost on a compute unit: the formula that is fitted on published measurements, and predicts from them.

    ms of a call = call + (Σ ops)^growth
    ms of an op  = √(arithmetic² + traffic²) + overhead

    arithmetic = multiply-adds / (peak · u · saturation of the op's shape)
    traffic    = bytes / cache speed + bytes beyond the cache / memory speed, activations and weights apart
    overhead   = cycles, so that a slow core pays more; ops that multiply pay more than ops that only move

Arithmetic and traffic hide each other as in a roofline, but not wholly. A matrix product of m rows, n columns and
depth k saturates with each of them (m / (m + m₀) and so on): a row at a time, as in a dense layer over one frame, a
core waits for weights. Threads divide arithmetic and cache traffic and cost a fork and a join; an op they do not help
runs on one. A recurrence runs its products step by step and reads its weights in every one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evaluators.costs.graph import Op
from evaluators.costs.op_kinds import OP_KINDS, kind_of

Vector = npt.NDArray[np.float64]

VALUE_BYTES = {"float64": 8, "float32": 4, "int32": 4, "int64": 8, "float16": 2, "bfloat16": 2, "int16": 2}
"""bytes of one value; 1 for all others (int8, uint8, bool); int4 weights are widened before they are multiplied"""


@dataclass(frozen=True)
class Coefficients:
    """Of one kind of compute unit; all positive."""

    call_ms: float
    op_kilocycles: float
    """each time an op that multiplies runs"""
    light_kilocycles: float
    """each time another op runs"""
    conv: float
    """utilisation of the peak by large convolutions; above 1 where they take fewer multiply-adds than counted
    (Winograd's algorithm) or the unit has matrix hardware that the peak does not count"""
    depthwise: float
    dense: float
    """by matrix products and recurrences"""
    spectrum: float
    """by Fourier transforms and filter banks"""
    memory_share: float
    """of the bandwidth, for activations"""
    weight_share: float
    """of the bandwidth, for weights"""
    cache_bytes_per_cycle: float
    """of one core"""
    half_rows: float
    """rows of a matrix product at which half of the utilisation is reached"""
    half_columns: float
    half_depth: float
    fork_us: float
    """to share an op between threads and wait for them"""
    value_cycles: float
    """cycles of one core for each value that an op writes without multiplying"""
    window_gain: float
    """how many times faster convolutions over 3 × 3 and wider windows run that move by one, where they are computed
    with fewer multiply-adds (Winograd's algorithm)"""
    growth: float
    """exponent of the ops' time: below 1 where a unit that has more to do in a call runs faster, as when its clock
    follows the load"""
    product: float = 1.0
    """utilisation by products of two activations over that by other matrix products: below 1 where the second one is
    brought into the order of weights in every call, as TFLite's GPU delegate does"""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """In order."""
        return tuple(field.name for field in fields(cls))

    def stretch(self, ops_ms: float | Vector) -> float | Vector:
        """Factor of all ops' times, from their sum."""
        return np.maximum(ops_ms, 1e-9) ** (self.growth - 1)

    @property
    def vector(self) -> Vector:
        """The values in the order of `names`."""
        return np.array([getattr(self, name) for name in self.names()])


@dataclass(frozen=True)
class Hardware:
    """What a phone's unit can do at most: a number, or a column of them, one an op."""

    gmac_s: float | Vector
    """of all threads, 10⁹ multiply-adds a second"""
    one_gmac_s: float | Vector
    """of the fastest core alone; the unit's where it is no CPU"""
    matrix_gmac_s: float | Vector
    """of a matrix unit that the cores share, for convolutions and matrix products; 0 without one"""
    threads: float | Vector
    clock_ghz: float | Vector
    """of the fastest core; 1 where the unit is no CPU, so that its cycles are nanoseconds"""
    bandwidth_gb_s: float | Vector
    cache_bytes: float | Vector
    vector_width: float | Vector = 1.0
    """of a CPU's vectors, in NEON's of 128 bits: kernels compute so many more columns at once"""


class Work(NamedTuple):
    """Ops as columns of numbers, those of all runs together."""

    kind: npt.NDArray[np.int64]
    """index in OP_KINDS"""
    times: Vector
    """how many equal ops"""
    macs: Vector
    read_bytes: Vector
    written_bytes: Vector
    weight_bytes: Vector
    read_values: Vector
    written_values: Vector
    weight_values: Vector
    runs: Vector
    steps: Vector
    """one after another, of all runs: a recurrence takes several in each, every other op one"""
    columns: Vector
    """of the matrix product a convolution is computed as; 0 where they follow from its weights"""
    weight_reads: Vector
    """how often a run reads all weights; a recurrence does so in each step besides"""
    model_bytes: Vector
    """weights of the whole graph: what must stay in a cache from call to call"""


class Parts(NamedTuple):
    """Milliseconds of each op, by what they are spent on; they add up."""

    arithmetic: Vector
    traffic: Vector
    overhead: Vector

    @property
    def total(self) -> Vector:
        """Of each op."""
        return self.arithmetic + self.traffic + self.overhead

    def sums(self, work: Work) -> dict[str, float]:
        """Of all ops together, under the names of `LatencyPrediction.parts`.

        Args:
            work: Whose parts these are.
        """
        multiplies = work.macs > 0
        found = {
            "arithmetic": np.where(multiplies, self.arithmetic, 0.0),
            "memory": np.where(multiplies, self.traffic, 0.0),
            "values": np.where(multiplies, 0.0, self.arithmetic + self.traffic),
            "ops": self.overhead,
        }
        return {name: float(np.sum(ms * work.times)) for name, ms in found.items()}

    def kinds(self, work: Work) -> dict[str, float]:
        """Of all ops of each kind together; kinds that take no time are left out.

        Args:
            work: Whose parts these are.
        """
        found = np.bincount(work.kind, self.total * work.times, len(OP_KINDS))
        return {kind: float(ms) for kind, ms in zip(OP_KINDS, found, strict=True) if ms > 0}


_MATRIX_TILE = 4.0
"""how many times more rows and columns a matrix unit needs than a vector unit: SME2 of 512 bits works on 16 × 16 and
more values at once, a NEON kernel on about 4 × 8 to 8 × 8"""

_MATRIX_SHARE = 0.65
"""utilisation of a matrix unit by large products, as vector units reach it; not measured"""

_LEAST_OVERLAP = 7.0
"""of windows of 3 × 3 that move by one; 9 less the edges of small pictures"""

_CONV, _DEPTHWISE = OP_KINDS.index("conv"), OP_KINDS.index("depthwise")
_SPECTRUM, _PRODUCT = OP_KINDS.index("spectrum"), OP_KINDS.index("matmul")


def work_of(ops: Sequence[Op], *, float_bytes: int | None = None, is_cpu: bool = False) -> Work:
    """The columns of a graph's ops.

    Args:
        ops: Of one graph.
        float_bytes: Bytes of a float32 on the unit, where it holds floats otherwise than the file says.
        is_cpu: Whether the runtime's CPU kernels compute them, of which ops may say more.
    """
    columns = np.zeros((len(Work._fields) - 1, len(ops)))
    kinds = np.zeros(len(ops), np.int64)
    for i, op in enumerate(ops):
        size = VALUE_BYTES.get(op.dtype, 1)
        weight_size = VALUE_BYTES.get(op.weight_dtype or op.dtype, 1)
        # Units that compute in float16 hold float16 whatever the file says.
        narrower = float_bytes / 4 if float_bytes and op.dtype == "float32" else 1.0
        kernel = op.cpu_kernel if is_cpu else None
        kinds[i] = _CONV if kernel else OP_KINDS.index(kind_of(op))
        columns[:-1, i] = (
            1, op.macs, op.read_bytes * narrower, op.written_bytes * narrower, op.weight_bytes * narrower,
            op.read_bytes / size, op.written_bytes / size, op.weight_bytes / weight_size, op.runs, op.runs * op.steps,
            kernel.columns if kernel else 0, kernel.weight_reads if kernel else 1,
        )  # fmt: skip
    columns[-1] = np.sum(columns[4] / np.maximum(columns[8], 1))
    return Work(kinds, *columns)


def split_times(work: Work, hardware: Hardware, k: Coefficients) -> Parts:
    """Milliseconds of each op, all of its runs together, of one of `times`.

    Args:
        work: Ops.
        hardware: What computes them; its fields may be columns too, one value an op.
        k: Of the kind of unit.
    """
    multiplies = work.macs > 0
    runs = np.maximum(work.runs, 1)
    weights = work.weight_values / runs
    depth = np.maximum(work.macs / np.maximum(work.written_values, 1), 1)
    # Without weights, a product of two activations: how its result divides into rows and columns is not known.
    columns = np.where(work.weight_values > 0, weights / depth, np.sqrt(work.written_values / runs))
    columns = np.where(work.columns > 0, work.columns, np.maximum(columns, 1))
    rows = work.written_values / runs / columns
    steps = np.maximum(work.steps, runs)
    rows = np.where(steps > runs, 1.0, np.maximum(rows, 1))
    share = np.select(
        [work.kind == _CONV, work.kind == _DEPTHWISE, work.kind == _SPECTRUM, work.kind == _PRODUCT],
        [k.conv, k.depthwise, k.spectrum, k.dense * k.product],
        k.dense,
    )
    is_product = (work.kind != _DEPTHWISE) & (work.kind != _SPECTRUM)

    def saturate(scale: float) -> Vector:
        by_rows = rows / (rows + k.half_rows * scale)
        by_others = (
            columns / (columns + k.half_columns * scale * hardware.vector_width) * depth / (depth + k.half_depth)
        )
        return np.asarray(by_rows * np.where(is_product, by_others, 1.0))

    # Values read for each row of a product: the depth, unless windows overlap and share them.
    overlap = depth * rows * runs / np.maximum(work.read_values, 1)
    is_window = (work.kind == _CONV) & (overlap >= _LEAST_OVERLAP)
    share = share * np.where(is_window, k.window_gain, 1.0)
    use = share * saturate(1.0)
    matrix_use = np.where(is_product, np.minimum(share, _MATRIX_SHARE) * saturate(_MATRIX_TILE), 0.0)
    moved = work.read_bytes + work.written_bytes
    weight_bytes = work.weight_bytes * work.weight_reads * steps / runs
    light = np.where(multiplies, 0.0, np.maximum(work.read_values, work.written_values)) * k.value_cycles
    # A loop's data are those of one turn.
    in_memory = moved / (moved + hardware.cache_bytes * runs) / (hardware.bandwidth_gb_s * k.memory_share)
    weights_in_memory = (
        work.model_bytes / (work.model_bytes + hardware.cache_bytes) / (hardware.bandwidth_gb_s * k.weight_share)
    )

    def on(gmac_s: float | Vector, threads: float | Vector) -> tuple[Vector, Vector]:
        in_cache = 1 / (k.cache_bytes_per_cycle * hardware.clock_ghz * threads)
        rate = np.maximum(gmac_s * use, hardware.matrix_gmac_s * matrix_use)
        arithmetic = work.macs / rate + light / (hardware.clock_ghz * threads)
        traffic = moved * (in_cache + in_memory) + weight_bytes * (in_cache + weights_in_memory)
        return arithmetic / 1e6, traffic / 1e6

    arithmetic, traffic = on(hardware.one_gmac_s, 1)
    alone = np.hypot(arithmetic, traffic)
    shared_arithmetic, shared_traffic = on(hardware.gmac_s, hardware.threads)
    fork_ms = k.fork_us / 1e3 * runs
    forks = (np.asarray(hardware.threads) > 1) & (np.hypot(shared_arithmetic, shared_traffic) + fork_ms < alone)
    arithmetic, traffic = np.where(forks, shared_arithmetic, arithmetic), np.where(forks, shared_traffic, traffic)
    both = np.maximum(np.hypot(arithmetic, traffic), 1e-12)
    cycles = np.where(
        multiplies, k.op_kilocycles * runs + k.light_kilocycles * (steps - runs), k.light_kilocycles * runs
    )
    overhead = cycles / 1e3 / hardware.clock_ghz + np.where(forks, fork_ms, 0.0)
    # A view, or a value known before the call: no kernel runs.
    runs_at_all = moved + work.weight_bytes > 0
    return Parts(*(np.where(runs_at_all, part, 0.0) for part in (arithmetic**2 / both, traffic**2 / both, overhead)))
