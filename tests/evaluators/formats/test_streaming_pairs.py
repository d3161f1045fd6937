from __future__ import annotations

import pytest

from evaluators.formats.signatures import Port, Signature
from evaluators.formats.streaming_pairs import find_state_pairs


def signature(inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]]) -> Signature:
    sides = (
        tuple(Port(name=name, shape=shape, dtype="float32") for name, shape in side.items())
        for side in (inputs, outputs)
    )
    return Signature(name="main", inputs=next(sides), outputs=next(sides))


H = (1, 128)


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        (
            {"audio": (1, 512), "h_in": H, "c_in": H}, {"p": (1, 1), "h_out": H, "c_out": H},
            {"h_in": "h_out", "c_in": "c_out"},
        ),
        ({"audio": (1, 512), "h0": H, "c0": H}, {"p": (1, 1), "hn": H, "cn": H}, {"h0": "hn", "c0": "cn"}),
        ({"x": (1, 512), "state": H}, {"y": (1, 512), "stateOut": H}, {"state": "stateOut"}),
        (
            {"mic": (1, 512), "prev_context": H}, {"enhanced": (1, 512), "next_context": H},
            {"prev_context": "next_context"},
        ),
        ({"x": (1, 512), "cache_1_in:0": H}, {"y": (1, 512), "cache_1_out:0": H}, {"cache_1_in:0": "cache_1_out:0"}),
        ({"audio_in": (1, 512)}, {"audio_out": (1, 512)}, {}),
        ({"audio_in": (1, 512), "gain": (1,)}, {"audio_out": (1, 512)}, {}),
        ({"x": (1, 512), "h_in": H}, {"y": (1, 512), "h_out": (1, 64)}, {}),
        ({"h_in": H}, {"h_out": H}, {}),
    ],
)  # fmt: skip
def test_pairs_go_by_name_and_shape(
    inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]], expected: dict[str, str]
) -> None:
    assert find_state_pairs(signature(inputs, outputs)) == expected
