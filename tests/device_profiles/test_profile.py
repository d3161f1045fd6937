"""Profiles: the catalogue loads, each fault gives its message, and what is read is what was written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.errors import ProfileError
from device_profiles.profile import (
    CpuCluster,
    DeviceProfile,
    Fact,
    InstructionSet,
    profile_ids,
    read_profile,
)
from device_profiles.record import dump_json, parse_record
from packager.formats import precisions
from packager.formats.phones import format_of_runtime, read_phone

DATA = Path(__file__).parents[1] / "data" / "profiles"

REQUIRED = {"pixel-4", "pixel-8", "galaxy-s24", "galaxy-a14", "iphone-12", "iphone-15-pro"}


def test_required_phones_are_in_the_catalogue() -> None:
    assert set(profile_ids()) >= REQUIRED
    assert list(profile_ids()) == sorted(profile_ids())


@pytest.mark.parametrize("id_", profile_ids())
def test_catalogue_file_loads(id_: str) -> None:
    profile = read_phone(id_)
    assert profile.id == id_
    for runtime in profile.runtimes:
        format_ = format_of_runtime(runtime.name, profile.platform)
        assert format_ is not None
        assert set(runtime.precisions) <= set(precisions(format_.name))
    peak = profile.peak_float32_gmac_s
    # A phone of 2015 to 2035: one little core does some 5, ten fast ones some 1000.
    assert peak is not None
    assert 5 < peak < 1000


@pytest.mark.parametrize("id_", profile_ids())
def test_no_placeholder_passes_for_a_source(id_: str) -> None:
    def sources(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["source"]] if "source" in value else []
            return own + [found for part in value.values() for found in sources(part)]
        if isinstance(value, list):
            return [found for part in value for found in sources(part)]
        return []

    found = sources(json.loads(dump_json(read_profile(id_))))
    assert len(found) >= 8
    assert not [text for text in found if "todo" in text.lower() or len(text) < 8]


@pytest.mark.parametrize("path", sorted(DATA.glob("bad_*.toml")), ids=lambda path: path.stem)
def test_bad_profile_gives_its_message(path: Path, tmp_path: Path) -> None:
    expected = path.with_suffix(".txt").read_text(encoding="utf-8").strip()
    if path.stem != "bad_name_differs":
        copy = tmp_path / f"{'an-iphone' if 'an-iphone' in path.read_text() else 'a-phone'}.toml"
        copy.write_bytes(path.read_bytes())
        path = copy
    with pytest.raises(ProfileError) as caught:
        read_phone(str(path))
    assert expected in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_every_message_belongs_to_a_bad_profile() -> None:
    messages = {path.stem for path in DATA.glob("bad_*.txt")}
    assert messages == {path.stem for path in DATA.glob("bad_*.toml")}
    assert len(messages) > 20


@pytest.mark.parametrize(("name", "runtime"), [("a-phone", "LiteRT"), ("an-iphone", "Core ML")])
def test_a_file_of_one_format_and_one_runtime_is_still_read(name: str, runtime: str) -> None:
    """As profiles were written before there were several runtimes."""
    profile = read_phone(str(DATA / f"{name}.toml"))
    assert (profile.id, [one.name for one in profile.runtimes]) == (name, [runtime])
    assert profile.runtimes[0].units == tuple(unit.kind for unit in profile.compute_units)
    assert profile.runtimes[0].precisions[0] == "float32"


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = (DATA / "a-phone.toml").read_text(encoding="utf-8")
    text = text.replace("year = 2024", 'year = "2024"').replace("value = 2.5", "value = 0")
    path = tmp_path / "a-phone.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        read_profile(str(path))
    assert str(caught.value).count("\n") == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pixle-8", "unknown device 'pixle-8'; did you mean 'pixel-8'?; known devices: galaxy-a14, "),
        ("toaster", "unknown device 'toaster'; known devices: galaxy-a14, "),
        ("", "unknown device ''; known devices: "),
        ("nowhere/x.toml", "nowhere/x.toml: no such file"),
        ("../pixel-8", "../pixel-8: no such file"),
    ],
)
def test_unknown_device(name: str, expected: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read_profile(name)
    assert str(caught.value).startswith(expected)


def test_names_are_listed_without_parsing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.toml").write_text("not toml at all [", encoding="utf-8")
    monkeypatch.setattr("device_profiles.profile.CATALOG", tmp_path)
    assert profile_ids() == ("broken",)


def test_import_loads_no_framework() -> None:
    code = (
        "import sys, device_profiles.profile; print([m for m in sys.modules if m in {'torch', 'tensorflow', 'numpy'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Pixel 4: Cortex-A76 at 2.84 GHz and three at 2.42 GHz, 8 multiply-adds a cycle: 8 · (2.84 + 3 · 2.42) = 80.8.
def test_peak_counts_big_and_middle_cores() -> None:
    profile = read_profile("pixel-4")
    assert profile.peak_float32_gmac_s == pytest.approx(80.8)
    assert profile.big_cores == 4


# Pixel 8's little cores have no known width; they may not take the peak away, a big core's would.
def test_unknown_factor_leaves_no_peak() -> None:
    profile = read_profile("pixel-8")
    little = profile.cpu.clusters[-1]
    assert little.role == "little"
    assert little.peak_float32_gmac_s is None
    assert profile.peak_float32_gmac_s == pytest.approx(16 * 2.91 + 4 * 8 * 2.37)
    big = profile.cpu.clusters[0].model_copy(update={"macs_per_cycle": None})
    cpu = profile.cpu.model_copy(update={"clusters": (big, *profile.cpu.clusters[1:])})
    assert profile.model_copy(update={"cpu": cpu}).peak_float32_gmac_s is None


def test_units_and_system_numbers() -> None:
    phone, iphone = read_profile("galaxy-a14"), read_profile("iphone-15-pro")
    assert phone.unit("npu") is None
    npu = iphone.unit("npu")
    assert npu is not None
    assert npu.requests == ("CPU_AND_NE", "ALL")
    assert (phone.os_number, phone.target_number) == (33, 24)  # Android 13 is API level 33
    assert (iphone.os_number, iphone.target_number) == (17, 17)


@pytest.mark.parametrize("id_", profile_ids())
def test_catalogue_round_trip(id_: str) -> None:
    profile = read_profile(id_)
    assert parse_record(json.loads(dump_json(profile)), DeviceProfile, where="x", error=ProfileError) == profile


def facts(low: float, high: float) -> st.SearchStrategy[Fact]:
    return st.builds(
        Fact,
        value=st.floats(low, high),
        source=st.text(st.characters(min_codepoint=33, codec="utf-8"), min_size=1).filter(str.strip),
        basis=st.sampled_from(["specified", "derived", "recalled"]),
    )


clusters = st.builds(
    CpuCluster,
    name=st.just("core"),
    role=st.sampled_from(["big", "middle", "little"]),
    cores=st.integers(1, 16).map(lambda n: Fact(value=n, source="a page", basis="specified")),
    clock_ghz=st.none() | facts(0.3, 6.0),
    macs_per_cycle=st.none() | facts(1, 512),
    isa=st.builds(
        InstructionSet,
        features=st.lists(st.sampled_from(["fp16", "dotprod", "i8mm"]), unique=True).map(tuple),
        source=st.just("a page"),
        basis=st.just("specified"),
    ),
)


@pytest.mark.slow
@given(clusters)
def test_cluster_round_trip(cluster: CpuCluster) -> None:
    again = parse_record(json.loads(dump_json(cluster)), CpuCluster, where="x", error=ProfileError)
    assert again == cluster
    one, all_ = again.core_float32_gmac_s, again.peak_float32_gmac_s
    assert (one is None) == (all_ is None) == (again.clock_ghz is None or again.macs_per_cycle is None)
    if one is not None and all_ is not None:
        assert all_ == pytest.approx(one * again.cores.value)
