"""The catalogue as a whole: what holds of all phones together, whatever a single file says."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import pytest

from device_profiles.profile import CATALOG, DeviceProfile, Fact, profile_ids, read_profile
from device_profiles.record import Record

UNKNOWABLE = ("bandwidth_gb_s", "shared_cache_bytes", "clock_ghz", "macs_per_cycle", "peak_gmac_s")
"""numbers that a file may leave out"""


@cache
def phones() -> tuple[DeviceProfile, ...]:
    return tuple(read_profile(identifier) for identifier in profile_ids())


def facts(record: Record, place: str) -> Iterator[tuple[str, str, Fact | None]]:
    """Where, under which name and what: every number that a file could hold, an absent one as none."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, Fact) or (value is None and name in UNKNOWABLE):
            yield place, name, value
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Record) and not isinstance(item, Fact):
                yield from facts(item, f"{place} {getattr(item, 'name', name)}")


def test_there_are_phones_of_every_year_and_of_both_makers() -> None:
    assert len(phones()) >= 24
    assert {phone.year for phone in phones()} >= set(range(2017, 2026))
    for platform in ("android", "ios"):
        years = sorted(phone.year for phone in phones() if phone.platform == platform)
        assert years[0] <= 2017
        assert years[-1] >= 2025


def test_clusters_are_written_fastest_first() -> None:
    order = ("big", "middle", "little")
    for phone in phones():
        roles = [order.index(cluster.role) for cluster in phone.cpu.clusters]
        assert roles == sorted(roles), phone.id
        known = [peak for c in phone.cpu.clusters if (peak := c.core_float32_gmac_s) is not None]
        assert known == sorted(known, reverse=True), phone.id


# LPDDR4-3200 on 32 bits, the slowest memory of 2017, gives 12.8 GB/s, and LPDDR5X-10700 on 64 bits
# 85.6. Vector pipes are 128 bits wide or half of it, and a core has four at most. A phone's GPU has 16 to 2000 lanes at
# 0.4 to 1.8 GHz. Claims for NPUs that models can use go from 2 to 80 TOPS.
@pytest.mark.parametrize(
    ("name", "plausible"),
    [
        ("bandwidth_gb_s", lambda value: 12.8 <= value <= 86),
        ("macs_per_cycle", lambda value: value in (4, 8, 12, 16)),
        ("clock_ghz", lambda value: 1.4 <= value <= 4.8),
        ("shared_cache_bytes", lambda value: 2**20 <= value <= 2**25),
        ("memory_bytes", lambda value: value % 2**30 == 0 and 2 <= value / 2**30 <= 16),
    ],
)
def test_numbers_lie_in_physical_bounds(name: str, plausible: Callable[[float], bool]) -> None:
    found = [(place, fact.value) for p in phones() for place, known, fact in facts(p, p.id) if known == name and fact]
    assert found
    assert not [(place, value) for place, value in found if not plausible(value)]


@pytest.mark.parametrize(("kind", "low", "high"), [("gpu", 16 * 0.4, 2000 * 1.8), ("npu", 1000, 40_000)])
def test_peaks_lie_in_physical_bounds(kind: str, low: float, high: float) -> None:
    units = [(phone.id, unit.peak_gmac_s) for phone in phones() for unit in phone.compute_units if unit.kind == kind]
    known = [(identifier, peak.value) for identifier, peak in units if peak is not None]
    assert known
    assert not [entry for entry in known if not low <= entry[1] <= high]


def test_a_gpu_says_in_what_numbers_its_peak_is_reached() -> None:
    for phone in phones():
        gpu = phone.unit("gpu")
        assert gpu is None or gpu.peak_gmac_s is None or gpu.peak_precision == "float32", phone.id


def test_what_is_unknown_is_called_so_in_the_file() -> None:
    """An absent number has a comment of its name with a reason; a present one has none."""
    for phone in phones():
        text = (CATALOG / f"{phone.id}.toml").read_text(encoding="utf-8")
        cpu = phone.unit("cpu")
        absent = [name for _, name, fact in facts(phone, phone.id) if fact is None]
        if cpu is not None and cpu.peak_gmac_s is None:  # it follows from the clusters
            absent.remove("peak_gmac_s")
        said = re.findall(rf"^# (?:cpu\.)?({'|'.join(UNKNOWABLE)}): \S.{{8}}", text, re.MULTILINE)
        assert sorted(said) == sorted(absent), phone.id


_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")  # not the 32 of float32
_HALVED = re.compile(r"(\d+(?:\.\d+)?) ([TG])(?:FL)?OPS\b[^;:]*, halved")


def stated(source: str) -> float | None:
    """What the arithmetic in a source comes to, in 10⁹ a second; none where it states none."""
    halved = _HALVED.search(source)
    if halved is not None:
        return float(halved[1]) * {"T": 1000, "G": 1}[halved[2]] / 2
    before, *after = source.split("×")
    if not after:
        return None
    return math.prod(map(float, (_NUMBER.findall(before)[-1], *(_NUMBER.findall(part)[0] for part in after))))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("LPDDR5-6400 on 64 bits: 6.4 GT/s × 8 bytes", 51.2),
        ("7 cores × 128 float32 multiply-adds a cycle (Arm's libGPUInfo (d853390f)) × 0.89 GHz (a page)", 797.44),
        ("an estimate: Adreno 730's 817 × 1.25, a claim", 1021.25),
        ("a page: 0.63 TFLOPS of float32, halved", 315),
        ("a page: 15.8 TOPS, said of int8, halved", 7900),
        ("nanoreview.net: 582 GFLOPS, halved; its other pages give 700", 291),
        ("17 % more than A17 Pro's 51.2", None),
    ],
)
def test_arithmetic_is_read_from_a_source(source: str, expected: float | None) -> None:
    assert stated(source) == (None if expected is None else pytest.approx(expected))


def test_derived_rates_are_what_their_arithmetic_says() -> None:
    checked = 0
    for phone in phones():
        for place, name, fact in facts(phone, phone.id):
            if fact is None or name not in ("bandwidth_gb_s", "peak_gmac_s") or fact.basis != "derived":
                continue
            found = stated(fact.source)
            if found is not None:
                assert fact.value == pytest.approx(found, rel=0.005), f"{place} {name}: {fact.source}"
                checked += 1
    assert checked > 60


def of_chip(phone: DeviceProfile) -> list[tuple[object, ...]]:
    """What the chip decides and not the phone."""
    return [
        ("bandwidth", _value(phone.bandwidth_gb_s)),
        *((c.name, _value(c.cores), _value(c.clock_ghz), _value(c.macs_per_cycle)) for c in phone.cpu.clusters),
        *((unit.name, _value(unit.peak_gmac_s), unit.peak_precision) for unit in phone.compute_units),
    ]


def test_phones_of_one_chip_agree() -> None:
    by_chip = defaultdict(list)
    for phone in phones():
        by_chip[phone.chip].append(phone)
    shared = [group for group in by_chip.values() if len(group) > 1]
    assert len(shared) >= 6
    for first, *others in shared:
        for other in others:
            assert of_chip(first) == of_chip(other), f"{first.id} and {other.id}"


def _value(fact: Fact | None) -> float | None:
    return None if fact is None else fact.value


def test_one_kind_of_core_is_the_same_in_every_phone() -> None:
    kinds: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for phone in phones():
        for cluster in phone.cpu.clusters:
            core = re.search(r"Cortex-[AX]\d+|Oryon, \w+ generation", cluster.name)
            # The Cortex-A75 may have the dot product or not: the Snapdragon 845's has not.
            if core is not None and core[0] != "Cortex-A75":
                kinds[core[0]].add((_value(cluster.macs_per_cycle), cluster.isa.features))
    assert len(kinds) > 15
    assert not {name: found for name, found in kinds.items() if len(found) > 1}


@pytest.mark.parametrize(
    ("of", "generations"),
    [
        (lambda phone: phone.cpu.clusters[0].core_float32_gmac_s, 9),
        (lambda phone: _value(phone.bandwidth_gb_s), 9),
        (lambda phone: _peak(phone, "npu"), 7),  # not of A11, whose no app can use, and not of A19
    ],
    ids=["core", "bandwidth", "npu"],
)
def test_every_iphone_is_at_least_as_fast_as_those_of_an_earlier_chip(
    of: Callable[[DeviceProfile], float | None], generations: int
) -> None:
    found = by_generation(of)
    assert len(found) >= generations
    for earlier, later in pairwise(found):
        assert max(earlier) <= min(later)


def test_the_fastest_gpu_of_each_iphone_chip_is_not_slower() -> None:
    """Cheaper phones of a generation have fewer cores than the best of the one before."""
    fastest = [max(values) for values in by_generation(lambda phone: _peak(phone, "gpu"))]
    assert len(fastest) >= 9
    assert fastest == sorted(fastest)


def by_generation(of: Callable[[DeviceProfile], float | None]) -> list[list[float]]:
    """One number of all iPhones, those of one generation of chips together, oldest first."""
    found: dict[int, list[float]] = defaultdict(list)
    for phone in phones():
        generation, value = re.match(r"Apple A(\d+)", phone.chip), of(phone)
        if generation is not None and value is not None:
            found[int(generation[1])].append(value)
    return [found[generation] for generation in sorted(found)]


def _peak(phone: DeviceProfile, kind: str) -> float | None:
    return next((_value(unit.peak_gmac_s) for unit in phone.compute_units if unit.kind == kind), None)


# The order in which Arm's and others' instruction sets gained them: armv8.2 (fp16), 8.4 (dotprod), 8.6 (i8mm, bf16).
def test_instruction_sets_grow_in_order() -> None:
    order = {"dotprod": {"fp16"}, "i8mm": {"dotprod"}, "bf16": {"dotprod"}, "sve2": {"i8mm"}, "sme2": {"i8mm", "bf16"}}
    for phone in phones():
        for cluster in phone.cpu.clusters:
            features = set(cluster.isa.features)
            assert all(needed <= features for word, needed in order.items() if word in features), phone.id
