from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from device_profiles.profile import Fact, InstructionSet, VersionFact, profile_ids, read_profile
from device_profiles.record import Record
from testpress.phones import list_text, phone_text


def sourced(record: Record) -> Iterator[Fact | VersionFact | InstructionSet]:
    for name in type(record).model_fields:
        value = getattr(record, name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Fact | VersionFact | InstructionSet):
                yield item
            elif isinstance(item, Record):
                yield from sourced(item)


def table(identifier: str) -> list[str]:
    text = phone_text(read_profile(identifier))
    return text[text.index("number ") :].split("\n\n")[0].splitlines()[1:]


@pytest.mark.parametrize("identifier", profile_ids())
def test_every_sourced_number_is_shown_with_its_source(identifier: str) -> None:
    facts = list(sourced(read_profile(identifier)))
    lines = table(identifier)
    for fact in facts:
        word = "recalled (!)" if fact.basis == "recalled" else fact.basis
        assert any(re.search(rf" {re.escape(word)} +{re.escape(fact.source)}$", line) for line in lines)
    assert sum("not known" not in line and not line.startswith("float32 peak") for line in lines) == len(facts)


@pytest.mark.parametrize("identifier", profile_ids())
def test_recalled_numbers_are_counted_below_the_table(identifier: str) -> None:
    recalled = sum(fact.basis == "recalled" for fact in sourced(read_profile(identifier)))
    text = phone_text(read_profile(identifier))
    assert (f"(!) {recalled} recalled: from general knowledge" in text) == (recalled > 0)
    assert text.count("recalled (!)") == recalled


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("Cortex-X3 (big) clock", "2.91 GHz"),
        ("Cortex-X3 (big) float32 multiply-adds a cycle", "16"),
        ("Cortex-A510 (little) float32 multiply-adds a cycle", "not known"),
        ("memory", "8.59 GB"),
        ("bandwidth", "68.3 GB/s"),
        ("gpu peak", "797.4 10⁹ multiply-adds/s in float32"),  # 7 cores × 128 × 0.89 GHz
        ("npu peak", "not known"),
        ("os", "14"),
        ("float32 peak of the CPU", "122.4 10⁹ multiply-adds/s"),  # 1 × 2.91 × 16 + 4 × 2.37 × 8
    ],
)
def test_numbers_of_the_pixel_8_have_their_units(label: str, value: str) -> None:
    assert any(
        line.startswith(f"{label}  ") and line[len(label) :].strip().startswith(value) for line in table("pixel-8")
    )


def test_the_cpus_peak_is_not_called_unknown_where_it_follows_from_the_clusters() -> None:
    assert not any(line.startswith("cpu peak") for line in table("pixel-8"))


def test_a_neural_engine_says_in_what_numbers_its_peak_is_reached() -> None:
    unit = read_profile("iphone-15-pro").unit("npu")
    assert unit is not None and unit.peak_gmac_s is not None and unit.peak_precision is not None
    line = next(line for line in table("iphone-15-pro") if line.startswith("npu peak"))
    assert f"{unit.peak_gmac_s.value:g} 10⁹ multiply-adds/s in {unit.peak_precision}" in line


def test_the_list_has_a_line_a_phone_in_aligned_columns() -> None:
    profiles = [read_profile(identifier) for identifier in profile_ids()]
    head, *lines = list_text(profiles).split("\n")
    assert head.split() == ["id", "name", "year", "chip", "runtimes", "system", "precisions"]
    starts = [head.index(word) for word in ("id", "name", "year", "chip", "runtimes", "system", "precisions")]
    assert len(lines) == len(profiles)
    for line, profile in zip(lines, profiles, strict=True):
        cells = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        system = f"{'iOS' if profile.platform == 'ios' else 'Android'} {profile.os.value}"
        assert cells == [
            profile.id, profile.name, str(profile.year), profile.chip,
            ", ".join(runtime.name for runtime in profile.runtimes), system,
            " ".join(profile.runtimes[0].precisions),
        ]  # fmt: skip
