"""The metrics that every evaluation has, whatever the task: parity, sizes, calls timed on the host, and the phones'."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from evaluators.score import MetricInfo

_PREDICTED = 0.1
"""of what was before: a cost model errs, and what a compiler moves by less is noise"""
_MEASURED = 0.12
"""of what was before. Source: nine of ten repeated runs of one model on AI Hub's CPUs are that close"""
_COUNTED = 0.01
"""counts repeat to a thousandth at worst; what is less than this no timing could show"""
_COMPILED = 0.01
"""compilers move a few bytes"""

_PARITY = {
    "max_abs_error": MetricInfo(
        unit="dimensionless",
        direction="lower",
        scope="output",
        description="Largest difference of any value from the source model's.",
    ),
    "snr_db": MetricInfo(
        unit="db",
        direction="higher",
        scope="output",
        description="Power of the source model's output over that of the difference from it.",
        tolerance=3.0,  # twice the error's power
    ),
    "cosine": MetricInfo(
        unit="dimensionless",
        direction="higher",
        scope="output",
        description="Cosine of the angle between the output and the source model's.",
    ),
}
_SIZES = {
    "size_bytes": MetricInfo(
        unit="bytes",
        direction="lower",
        scope="bundle",
        description="Size of the model's files.",
        relative_tolerance=_COMPILED,
    ),
    "compressed_bytes": MetricInfo(
        unit="bytes",
        direction="lower",
        scope="bundle",
        description="Their size after deflate, as in a store's package.",
        relative_tolerance=_COMPILED,
    ),
    "peak_memory_bytes": MetricInfo(
        unit="bytes",
        direction="lower",
        scope="bundle",
        description="Most memory that running the model took on the machine that evaluated.",
        relative_tolerance=0.1,  # the host's memory moves by itself
        machine_bound=True,
        only_told=True,
    ),
}
_HOST = {
    "host_latency_p50_ms": MetricInfo(
        unit="ms",
        direction="lower",
        scope="host",
        description="Median time of a call on the machine that evaluated.",
        machine_bound=True,
    ),
    "host_latency_p90_ms": MetricInfo(
        unit="ms",
        direction="lower",
        scope="host",
        description="Time of a call on the machine that evaluated that nine of ten calls keep.",
        machine_bound=True,
    ),
}
CLIPS_NOT_WORSE = "clips_not_worse"
_CLIPS = {
    CLIPS_NOT_WORSE: MetricInfo(
        unit="ratio",
        direction="higher",
        scope="dataset",
        description="Share of the clips on which the task's first metric of clips is no worse than the source model's, "
        "by more than that metric's tolerance.",
        tolerance=0.01,
        with_source=True,
    ),
}
_PHONES = {
    "latency_ms": MetricInfo(
        unit="ms",
        direction="lower",
        scope="phone",
        description="Time of a call.",
        relative_tolerance=_PREDICTED,
    ),
    "measured_latency_ms": MetricInfo(
        unit="ms",
        direction="lower",
        scope="phone",
        description="Time of a call, measured on the phone.",
        relative_tolerance=_MEASURED,
        only_told=True,  # a bundle that changed was not measured
    ),
    "latency_p90_ms": MetricInfo(
        unit="ms",
        direction="lower",
        scope="phone",
        description="Time of a call that nine of ten calls keep.",
        relative_tolerance=_PREDICTED,
        repeats="latency_ms",
    ),
    "real_time_factor": MetricInfo(
        unit="ratio",
        direction="lower",
        scope="phone",
        description="Time of a call over the time of the audio that it moves on by.",
        relative_tolerance=_PREDICTED,
        repeats="latency_ms",
    ),
    "memory_bytes": MetricInfo(
        unit="bytes",
        direction="lower",
        scope="phone",
        description="Memory that running the model takes.",
        relative_tolerance=_PREDICTED,
    ),
}
LONG_RUN: Mapping[str, MetricInfo] = MappingProxyType(
    {
        "long_run_snr_db": MetricInfo(
            unit="db",
            direction="higher",
            scope="bundle",
            description="Over the long run: power of the source model's output over that of the difference from it, of "
            "the worst output.",
            tolerance=3.0,
        ),
        "long_run_growth_db_per_minute": MetricInfo(
            unit="db",
            direction="lower",
            scope="bundle",
            description="By how many dB the error grows in a minute of the long run, the same audio at two times, of "
            "the output that grows most.",
            tolerance=0.1,
        ),
        "after_silence_loss_db": MetricInfo(
            unit="db",
            direction="lower",
            scope="bundle",
            description="By how many dB the seconds after the silence are farther from the source model than the same "
            "audio at the start.",
            tolerance=3.0,
        ),
        "repeat_max_abs_error": MetricInfo(
            unit="dimensionless",
            direction="lower",
            scope="bundle",
            description="Largest difference of any value when the start is heard again after a reset, or in other "
            "pieces.",
        ),
        "decision_delay_ms": MetricInfo(
            unit="ms",
            direction="lower",
            scope="bundle",
            description="Median time by which decisions come later than the source model's on the same audio.",
        ),
        "decision_delay_worst_ms": MetricInfo(
            unit="ms",
            direction="lower",
            scope="bundle",
            description="The same of the decision that comes latest; decisions within 1 s of each other are one.",
        ),
    }
)
"""of an evaluation with a long run"""
CORES: Mapping[str, MetricInfo] = MappingProxyType(
    {
        "instructions": MetricInfo(
            unit="count",
            direction="lower",
            scope="phone",
            description="Instructions of a call on the type of core that stands for the phone's big ones, counted as "
            "QEMU executes it, whatever else the machine does.",
            relative_tolerance=_COUNTED,
        ),
        "l1d_misses": MetricInfo(
            unit="count",
            direction="lower",
            scope="phone",
            description="Misses of a call in the first data cache of that core, simulated.",
            relative_tolerance=_COUNTED,
            only_told=True,
        ),
        "l2_misses": MetricInfo(
            unit="count",
            direction="lower",
            scope="phone",
            description="Misses of a call in its second cache, simulated.",
            relative_tolerance=_COUNTED,
            only_told=True,
        ),
    }
)
"""of an evaluation with emulated cores"""
BUILT_IN: Mapping[str, MetricInfo] = MappingProxyType({**_PARITY, **_CLIPS, **_SIZES, **_HOST, **_PHONES})
"""by name; the scopes `output` and `host` have no others: a record has a field for each"""
