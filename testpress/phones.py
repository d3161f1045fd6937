"""Device profiles as a terminal shows them: a line a phone, or every number of one with its source."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence

from device_profiles.profile import ComputeUnit, CpuCluster, DeviceProfile, Fact, InstructionSet, VersionFact
from device_profiles.record import Record
from device_profiles.text import shorten
from reports.notation import format_number
from testpress.table import align

_UNITS = {"_ghz": "GHz", "_gb_s": "GB/s", "_gmac_s": "10⁹ multiply-adds/s"}
_SYSTEMS = {"android": "Android", "ios": "iOS"}
_RECALLED = "recalled (!)"

Row = tuple[str, str, str, str]


def list_text(profiles: Sequence[DeviceProfile]) -> str:
    """One line a phone: identifier, name, year, chip, runtimes, system, precisions preferred of the first runtime."""
    rows = [("id", "name", "year", "chip", "runtimes", "system", "precisions")]
    rows += [
        (p.id, p.name, str(p.year), p.chip, _runtimes(p), f"{_SYSTEMS[p.platform]} {p.os.value}", _preferred(p))
        for p in profiles
    ]
    return align([[shorten(cell) for cell in row] for row in rows])


def _runtimes(profile: DeviceProfile) -> str:
    return ", ".join(runtime.name for runtime in profile.runtimes)


def _preferred(profile: DeviceProfile) -> str:
    return " ".join(profile.runtimes[0].precisions)


def phone_text(profile: DeviceProfile) -> str:
    """All that is known of one phone, each number with its basis and source."""
    facts = [*_facts(profile, ""), *_derived(profile)]
    recalled = sum(basis == _RECALLED for _, _, basis, _ in facts)
    parts = [
        f"{profile.name} ({profile.id}), first sold in {profile.year}",
        align(_plain(profile), indent="  "),
        align([("number", "value", "basis", "source"), *facts]),
    ]
    if recalled:
        parts.append(f"(!) {recalled} recalled: from general knowledge, no document at hand")
    return "\n\n".join(parts)


def _plain(profile: DeviceProfile) -> list[tuple[str, str]]:
    rows = [
        ("chip", profile.chip),
        ("oldest system", f"{profile.minimum_deployment_target} (what packaged models must run on)"),
    ]
    for runtime in profile.runtimes:
        words = f"on {', '.join(runtime.units)}; packaged in {', '.join(runtime.precisions)} (preferred first)"
        rows.append((runtime.name, words))
    for unit in profile.compute_units:
        asked = f"; used under {', '.join(unit.requests)}" if unit.requests else ""
        rows.append((unit.kind, f"{unit.name}: computes in {', '.join(unit.precisions)}{asked}"))
    return rows


def _facts(record: Record, place: str) -> Iterator[Row]:
    """A row for every sourced number below a record, and for every one that is left out of the file."""
    for name, field in type(record).model_fields.items():
        value = getattr(record, name)
        label = f"{place}{_label(name)}"
        if isinstance(value, Fact):
            yield _row(label, _number(name, value.value) + _peak_precision(record, name), value)
        elif isinstance(value, VersionFact):
            yield _row(label, value.value, value)
        elif isinstance(value, InstructionSet):
            yield _row(f"{place}instruction set", ", ".join(value.features) or "plain 64-bit Arm", value)
        elif isinstance(value, Record):
            yield from _facts(value, f"{place}{name} ")
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, Record):
                    yield from _facts(item, f"{_owner(item)} ")
        elif value is None and _holds_fact(field.annotation) and not _follows(record):
            yield (label, "not known", "", "")


def _derived(profile: DeviceProfile) -> list[Row]:
    peak = profile.peak_float32_gmac_s
    if peak is None:
        return []
    how = "cores × clock × multiply-adds a cycle of big and middle cores"
    return [("float32 peak of the CPU", _number("_gmac_s", peak), "derived", how)]


def _row(label: str, value: str, fact: Fact | VersionFact | InstructionSet) -> Row:
    return (label, value, _RECALLED if fact.basis == "recalled" else fact.basis, fact.source)


def _label(name: str) -> str:
    for suffix in ("_bytes", *_UNITS):
        name = name.removesuffix(suffix)
    return name.replace("macs_per_cycle", "float32 multiply-adds a cycle").replace("_", " ")


def _number(name: str, value: float) -> str:
    if name.endswith("_bytes"):
        return format_number(value, "bytes")
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
    return f"{value:g} {unit}".rstrip()


def _peak_precision(record: Record, name: str) -> str:
    known = isinstance(record, ComputeUnit) and name == "peak_gmac_s" and record.peak_precision is not None
    return f" in {record.peak_precision}" if known and isinstance(record, ComputeUnit) else ""


def _owner(record: Record) -> str:
    if isinstance(record, CpuCluster):
        return f"{record.name} ({record.role})"
    return record.kind if isinstance(record, ComputeUnit) else type(record).__name__


def _holds_fact(annotation: object) -> bool:
    return annotation is Fact or any(_holds_fact(part) for part in typing.get_args(annotation))


def _follows(record: Record) -> bool:
    """Whether the record's peak is not a number of its own: the CPU's follows from its clusters."""
    return isinstance(record, ComputeUnit) and record.kind == "cpu"
