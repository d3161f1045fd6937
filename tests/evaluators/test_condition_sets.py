"""What a recipe's set of conditions may say, and the one line that each fault gets."""

from __future__ import annotations

from typing import Any

import pytest

from evaluators.condition_records import ConditionInfo
from evaluators.condition_sets import PRESETS, find_conditions, list_conditions, list_libraries
from evaluators.errors import EvaluationError

KNOWN = ", ".join(("clean", *PRESETS, *list_conditions()))


def find(*entries: Any, rate_hz: int = 16_000) -> tuple[ConditionInfo, ...]:
    return find_conditions(entries, rate_hz)


def test_presets_kinds_and_tables() -> None:
    found = find(
        "clean",
        "phone-call",
        "g711",
        {"kind": "noise", "colour": "white", "snr_db": 10},
        {"name": "car", "steps": [{"kind": "noise", "snr_db": 0}, {"kind": "clipping"}]},
    )
    assert [one.name for one in found] == ["phone-call", "g711", "noise colour=white snr_db=10", "car"]
    assert [step.kind for step in found[0].steps] == ["noise", "band_limit", "gsm", "packet_loss"]
    assert found[1].steps[0].parameters == {"law": "mu"}
    assert found[2].steps[0].parameters == {"colour": "white", "snr_db": 10.0, "voices": 6}
    assert found[3].text == "noise (colour pink, snr_db 0.0, voices 6), then clipping (overdrive_db 12.0)"
    assert tuple(list_libraries(found[0])) == ("numpy", "scipy", "soundfile", "soxr")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rate_hz", [8000, 48_000])
def test_every_preset_can_be_opened(preset: str, rate_hz: int) -> None:
    (found,) = find(preset, rate_hz=rate_hz)
    assert len(found.steps) == len(PRESETS[preset])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("foggy", f"set[0]: no condition 'foggy'; known: {KNOWN}"),
        ("phone_call", "set[0]: no condition 'phone_call'; did you mean 'phone-call'?"),
        ({"kind": "nois"}, "set[0]: no condition 'nois'; did you mean 'noise'?"),
        (
            {"kind": "amr", "kbit_s": 12},
            "set[0]: kbit_s: 12 is no mode of AMR; right is one of 4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2",
        ),
        (
            {"kind": "packet_loss", "loss": 0.9, "burst": 1.0},
            (
                "set[0]: loss: cannot come in bursts of 1 packets with one between any two at least; right is at most "
                "0.5, or longer bursts; found 0.9"
            ),
        ),
        (
            {"kind": "band_limit", "low_hz": 500, "high_hz": 400},
            "set[0]: high_hz: must be larger than low_hz, which is 500; found 400",
        ),
        (
            {"kind": "band_limit", "low_hz": 9000, "high_hz": 10_000},
            "set[0]: band_limit: low_hz 9000 leaves nothing of audio at 16000 Hz; right is less than 8000",
        ),
        (
            {"kind": "room", "distance_m": 9},
            "set[0]: size_m: is too small for distance_m 9; right is at most 5.3",
        ),
        (
            {"steps": [{"kind": "gain"}]},
            'set[0]: a condition of several steps needs a name: name = "…"',
        ),
        (
            {"name": "clean", "kind": "gain"},
            (
                "set[0].name: 'clean' cannot name a condition; right are 1 to 100 letters, digits, spaces and ._=+,- "
                "other than 'clean'"
            ),
        ),
        (
            5,
            (
                "set[0]: 5 is no condition; right is a name, or a table with a kind: "
                '{ kind = "noise", colour = "pink", snr_db = 10 }, or one with steps, a list of such'
            ),
        ),
        (
            {"name": "x", "steps": []},
            (
                "set[0]: steps must be a list of tables, not empty; right is a name, or a table with a kind: "
                '{ kind = "noise", colour = "pink", snr_db = 10 }'
            ),
        ),
    ],
)
def test_a_fault_is_one_line(entry: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        find(entry)
    assert str(caught.value).startswith(message)  # where a parameter is at fault, its meaning follows
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "parameter", "value"),
    [
        ("noise", "snr_db", 200),
        ("noise", "colour", "green"),
        ("noise", "voices", 0),
        ("gain", "gain_db", -61),
        ("clipping", "overdrive_db", -1),
        ("dc_offset", "offset", 1.5),
        ("band_limit", "low_hz", -1),
        ("background", "layers", 0),
        ("background", "recordings", ""),
        ("microphone", "order", 5),
        ("microphone", "spread_db", 11),
        ("g711", "law", "c"),
        ("gsm", "rate", 3),
        ("opus", "compression_level", 1.5),
        ("vorbis", "compression_level", -0.5),
        ("mp3", "compression_level", 1),
        ("room", "t60_s", 3),
        ("room", "size_m", [1, 2, 3]),
        ("resampling", "rate_hz", 10),
        ("clock_skew", "skew_ppm", 1e6),
        ("packet_loss", "packet_ms", 0),
    ],
)
def test_a_parameter_out_of_range_is_named_in_one_line(kind: str, parameter: str, value: Any) -> None:
    with pytest.raises(EvaluationError) as caught:
        find({"kind": kind, parameter: value})
    assert len(str(caught.value).split("\n")) == 1
    assert str(caught.value).startswith("set[0]")
    assert parameter in str(caught.value)


def test_all_faults_are_told_at_once_and_names_are_not_there_twice() -> None:
    with pytest.raises(EvaluationError) as caught:
        find("g711", "foggy", {"name": "g711", "kind": "gain"}, {"name": "a", "steps": [{"kind": "gsm"}, {"kind": 3}]})
    lines = str(caught.value).split("\n")
    assert [line.split(":")[0] for line in lines] == ["set[1]", "set[2]", "set[3].steps[1]"]
    assert lines[1] == "set[2]: there is a condition 'g711' already; give this one another: name = \"…\""
    with pytest.raises(EvaluationError, match=r"set: 33 conditions are too many; right is 32 at most"):
        find(*["gain"] * 33)
