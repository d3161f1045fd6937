"""What a phone's compute unit can do at most, from the facts of its profile."""

from __future__ import annotations

from device_profiles.profile import CpuCluster, DeviceProfile
from evaluators.costs.op_times import Hardware
from evaluators.costs.placement import Compute

_DOT_PRODUCT_SPEEDUP = 4.0
_PLAIN_INT8_SPEEDUP = 2.0
"""integer multiply-adds a cycle against float32 ones: a dot product does four in the place of one; without it int8
takes the form of int16, two in the place of one. Source: Arm's Cortex-A76 and A75 instruction tables (SDOT, SMLAL).
i8mm counts as the dot product: no published row here shows its gain"""

_SME_MACS_PER_CYCLE = 228.0
"""float32 multiply-adds a cycle of the matrix unit that a cluster's cores share. Source: 2009 GFLOPS of one Apple M4
performance cluster at 4.4 GHz (Remke and Breuer 2024, "Hello SME!", table 1)"""

_VECTOR_WIDTHS = {"avx2": 2.0, "avx512f": 4.0}
"""of an instruction set's vectors, in NEON's of 128 bits. SVE2's are no wider in any phone"""

_HEXAGON_GMAC_S = {"float16": 8500.0, "int8": 17000.0}
"""taken for Qualcomm's NPU in the flagship chip of 2024. The maker publishes no peak of recent parts that is the NPU's
alone, so the scale is free, and the utilisations are fitted to it"""

_HEXAGON_GROWTH = 1.5
"""how much faster each year's flagship NPU is than the last one's: of the phones of 2022 to 2026 that AI Hub measured,
each with 40 models, no year's median lies further from it than a fifth (`python -m benchmarks.latency_model`)"""

_CACHE_BYTES = {"cpu": 2e6, "gpu": 1e6, "npu": 4e6}
"""where a profile states no cache: sizes common in phones"""


def find_hardware(profile: DeviceProfile, compute: Compute, threads: int) -> Hardware | str:
    """What the unit can do, or the reason why that is not known.

    Args:
        profile: The phone.
        compute: The unit, and the numbers it computes in.
        threads: On a CPU; they take the fastest cores.
    """
    if profile.bandwidth_gb_s is None:
        return f"{profile.id}: the profile gives no bandwidth_gb_s"
    bandwidth = profile.bandwidth_gb_s.value
    if compute.unit != "cpu":
        return _find_unit(profile, compute, bandwidth)
    fastest = profile.cpu.clusters[0]
    together, one = _cores_gmac_s(profile, compute, threads), _cores_gmac_s(profile, compute, 1)
    if together is None or one is None or fastest.clock_ghz is None:
        return f"{profile.id}: the profile gives no peak for cpu.clusters"
    cache = profile.cpu.shared_cache_bytes
    return Hardware(
        gmac_s=together,
        one_gmac_s=one,
        matrix_gmac_s=_SME_MACS_PER_CYCLE * fastest.clock_ghz.value if has_matrix_unit(profile) else 0.0,
        threads=threads,
        clock_ghz=fastest.clock_ghz.value,
        bandwidth_gb_s=bandwidth,
        cache_bytes=_CACHE_BYTES["cpu"] if cache is None else cache.value,
        vector_width=max((_VECTOR_WIDTHS.get(feature, 1.0) for feature in fastest.isa.features), default=1.0),
    )


def has_matrix_unit(profile: DeviceProfile) -> bool:
    """Whether the fastest cores share a matrix unit that kernels reach by Arm's SME2."""
    return "sme2" in profile.cpu.clusters[0].isa.features


def _find_unit(profile: DeviceProfile, compute: Compute, bandwidth_gb_s: float) -> Hardware | str:
    unit = profile.unit(compute.unit)
    if unit is None:
        return f"{profile.id} has no {compute.unit} a model can use"
    speed = 1.0
    if unit.name.startswith("Hexagon"):
        if "Snapdragon 8 " not in profile.chip:
            return f"{profile.id}: no published time is known of the NPU of its class ({profile.chip})"
        speed = _HEXAGON_GROWTH ** (profile.year - 2024)
        gmac_s = _HEXAGON_GMAC_S[compute.number] * speed
    elif unit.peak_gmac_s is not None:
        # The last doublings of the Neural Engine's claimed rate are int8's; float16 runs at half of it.
        gmac_s = unit.peak_gmac_s.value / (2 if unit.peak_precision == "int8" and compute.number != "int8" else 1)
    else:
        return f"{profile.id}: the profile gives no peak for the {compute.unit}"
    return Hardware(gmac_s, gmac_s, 0.0, 1, speed, bandwidth_gb_s, _CACHE_BYTES[compute.unit])


def _cores_gmac_s(profile: DeviceProfile, compute: Compute, threads: int) -> float | None:
    total = 0.0
    for cluster in profile.cpu.clusters:  # fastest first
        cores = min(threads, int(cluster.cores.value))
        if cores == 0:
            break
        one = cluster.core_float32_gmac_s
        if one is None:
            return None
        total += cores * one * (_int8_speedup(cluster) if compute.number == "int8" else 1.0)
        threads -= cores
    return total


def _int8_speedup(cluster: CpuCluster) -> float:
    return _DOT_PRODUCT_SPEEDUP if {"dotprod", "i8mm"} & set(cluster.isa.features) else _PLAIN_INT8_SPEEDUP
