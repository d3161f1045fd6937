"""Which type of core stands for which core of a phone: nothing is left out, and each computes with the same."""

from __future__ import annotations

import re

import pytest

from device_profiles.profile import profile_ids, read_profile
from evaluators.emulators.arm.core_types import get_core_type, list_phone_cores, read_core_types
from evaluators.emulators.arm.player import PREFIX, find_core
from evaluators.errors import EvaluationError
from evaluators.targets import find_players, get_player, target_names

ANDROID = [name for name in profile_ids() if read_profile(name).platform == "android"]
LINUX = {"fp16": "asimdhp", "dotprod": "asimddp", "i8mm": "i8mm", "bf16": "bf16"}
"""an instruction set's name in profiles → as Linux has it"""


@pytest.mark.parametrize("name", ANDROID)
def test_every_core_of_a_phone_has_a_stand_in_or_a_reason(name: str) -> None:
    found = read_core_types()
    for cluster in read_profile(name).cpu.clusters:
        assert (cluster.name in found.stands_for) != (cluster.name in found.stands_for_none), cluster.name


@pytest.mark.parametrize("name", ANDROID)
def test_a_core_and_its_stand_in_have_the_same_arithmetic(name: str) -> None:
    for cluster in read_profile(name).cpu.clusters:
        stand_in = read_core_types().stands_for.get(cluster.name)
        if stand_in is not None and cluster.isa is not None:
            linux = set(get_core_type(stand_in).features.split())
            assert {word for word in LINUX if LINUX[word] in linux} == set(cluster.isa.features) & set(LINUX), (
                cluster.name
            )


@pytest.mark.parametrize("name", list(read_core_types().types))
def test_a_type_is_a_target_with_sound_caches(name: str) -> None:
    kind = get_core_type(name)
    for cache in (kind.l1d, kind.l2):
        sets = cache.bytes / 64 / cache.ways
        assert sets == int(sets) and int(sets) & (int(sets) - 1) == 0
    assert kind.l1d.bytes < kind.l2.bytes
    assert re.fullmatch(r"Cortex-A\d+", kind.title)
    assert PREFIX + name in target_names()
    player = get_player(PREFIX + name)
    assert (player.runtime, player.format, player.samples) == ("LiteRT", "tflite", True)


def test_slow_targets_play_no_whole_dataset() -> None:
    assert not [name for name, _ in find_players("tflite") if name.startswith(PREFIX)]


def test_the_big_cores_come_first_and_little_ones_not_at_all() -> None:
    assert list_phone_cores(read_profile("galaxy-a14")) == (("cortex_a55",), {})
    assert list_phone_cores(read_profile("galaxy-a54")) == (("cortex_a76",), {})
    types, reasons = list_phone_cores(read_profile("xiaomi-17"))
    assert types == () and all("SME" in reason for reason in reasons.values())


def test_an_unknown_type_is_one_message() -> None:
    with pytest.raises(EvaluationError, match=r"no type of core 'cortex_a67'.*cortex_a76"):
        get_core_type("cortex_a67")


def test_a_target_says_its_core() -> None:
    from evaluators.target_records import Target

    assert find_core(Target(name="arm_cortex_a76", runtime="LiteRT", version="x")) == "cortex_a76"
