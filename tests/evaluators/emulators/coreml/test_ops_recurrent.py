"""Recurrent layers against the documented formulas, frame by frame in float64, and against torch's own modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from evaluators.emulators.coreml.binding import Slot, bind
from evaluators.emulators.coreml.ops import find_op
from evaluators.errors import EvaluationError

TOLERANCE = 5e-6
"""absolute, for outputs of about 1: float32 rounding of sums of some ten products, carried over 7 frames"""

FRAMES, BATCH, INPUTS, HIDDEN = 7, 3, 4, 5
RNG = np.random.default_rng(11)
pytestmark = pytest.mark.usefixtures("own_draws")

Array = np.ndarray
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "scaled_tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
    "hard_sigmoid": lambda x: np.clip(x / 5 + 0.5, 0, 1),
    "sigmoid_hard": lambda x: np.clip(x / 5 + 0.5, 0, 1),
}


def normal(*shape: int) -> Array:
    return (RNG.standard_normal(shape) / 2).astype(np.float32)


X, H0, C0 = normal(FRAMES, BATCH, INPUTS), normal(BATCH, HIDDEN), normal(BATCH, HIDDEN)


def tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def run(kind: str, operands: dict[str, Array], opset: str = "CoreML7", **parameters: Any) -> list[Array]:
    """An op as a plan runs it: the operands at run time, all else bound before."""
    arguments: dict[str, list[Any]] = {name: [Slot(i)] for i, name in enumerate(operands)}
    arguments |= {name: [tensor(value)] for name, value in parameters.items() if value is not None}
    bound = bind(find_op(kind, opset, where="test"), arguments, where="test")
    values = [torch.from_numpy(value) for value in operands.values()]
    return [result.numpy() for result in bound.call(*(values[slot] for slot in bound.slots))]


def check(found: list[Array], wanted: list[Array]) -> None:
    assert len(found) == len(wanted)
    for array, reference in zip(found, wanted, strict=True):
        assert array.shape == reference.shape
        np.testing.assert_allclose(array, reference, rtol=0, atol=TOLERANCE)


def shown(outputs: list[Array], *states: Array, sequence: bool) -> list[Array]:
    return [np.stack(outputs if sequence else outputs[-1:]), *states]


def expect_rnn(x: Array, h: Array, w: dict[str, Any], activation: str = "tanh", sequence: bool = True) -> list[Array]:
    outputs = []
    for frame in x.astype(np.float64):
        h = FUNCTIONS[activation](frame @ w["weight_ih"].T + h @ w["weight_hh"].T + w["bias"])
        outputs.append(h)
    return shown(outputs, h, sequence=sequence)


def rnn_weights() -> dict[str, Array]:
    return {"weight_ih": normal(HIDDEN, INPUTS), "weight_hh": normal(HIDDEN, HIDDEN), "bias": normal(HIDDEN)}


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("sequence", [True, False])
def test_rnn(activation: str, sequence: bool) -> None:
    weights = rnn_weights()
    found = run("rnn", {"x": X, "initial_h": H0}, activation=activation, output_sequence=sequence, **weights)
    check(found, expect_rnn(X, H0, weights, activation, sequence))


def test_rnn_of_unit_weights_sums() -> None:
    x = normal(FRAMES, BATCH, HIDDEN)
    eye = np.eye(HIDDEN, dtype=np.float32)
    found = run(
        "rnn", {"x": x, "initial_h": H0}, weight_ih=eye, weight_hh=eye, activation="linear", output_sequence=True
    )
    check(found, [H0 + np.cumsum(x, 0), H0 + x.sum(0)])


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_reverse_reads_the_last_frame_first(kind: str) -> None:
    weights, operands = WEIGHTS[kind](), dict(OPERANDS[kind])
    reverse = run(kind, operands, direction="reverse", output_sequence=True, **weights)
    operands["x"] = X[::-1].copy()
    forward = run(kind, operands, output_sequence=True, **weights)
    check(reverse, forward)
    assert not np.allclose(reverse[1], run(kind, {**operands, "x": X}, **weights)[1])


def expect_gru(
    w: dict[str, Any], gate: str = "sigmoid", new: str = "tanh", after: bool = False, sequence: bool = True
) -> list[Array]:
    (i_r, i_o, i_z), (h_r, h_o, h_z) = np.split(w["weight_ih"], 3), np.split(w["weight_hh"], 3)
    (b_r, b_o, b_z), (a_r, a_o, a_z) = np.split(w["bias"], 3), np.split(w.get("input_bias", w["bias"] * 0), 3)
    h, outputs = H0.astype(np.float64), []
    for x in X.astype(np.float64):
        r = FUNCTIONS[gate](x @ i_r.T + h @ h_r.T + a_r + b_r)
        z = FUNCTIONS[gate](x @ i_z.T + h @ h_z.T + a_z + b_z)
        past = r * (h @ h_o.T + b_o) if after else (r * h) @ h_o.T + b_o
        o = FUNCTIONS[new](x @ i_o.T + a_o + past)
        h = (1 - z) * o + z * h
        outputs.append(h)
    return shown(outputs, h, sequence=sequence)


def gru_weights() -> dict[str, Array]:
    ih, hh = normal(3 * HIDDEN, INPUTS), normal(3 * HIDDEN, HIDDEN)
    return {"weight_ih": ih, "weight_hh": hh, "bias": normal(3 * HIDDEN)}


@pytest.mark.parametrize(("gate", "new"), [("sigmoid", "tanh"), ("tanh", "sigmoid"), ("hard_sigmoid", "relu")])
@pytest.mark.parametrize("sequence", [True, False])
@pytest.mark.parametrize("opset", ["CoreML5", "CoreML8"])
def test_gru(gate: str, new: str, sequence: bool, opset: str) -> None:
    weights = gru_weights()
    settings = {"recurrent_activation": gate, "activation": new, "output_sequence": sequence}
    found = run("gru", {"x": X, "initial_h": H0}, opset, **settings, **weights)
    check(found, expect_gru(weights, gate, new, sequence=sequence))


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("with_bias", [True, False])
def test_gru_with_input_bias(after: bool, with_bias: bool) -> None:
    weights = {**gru_weights(), "input_bias": normal(3 * HIDDEN)}
    if not with_bias:
        weights["bias"] *= 0
    given = weights if with_bias else {name: value for name, value in weights.items() if name != "bias"}
    found = run("gru", {"x": X, "initial_h": H0}, "CoreML8", reset_after=after, output_sequence=True, **given)
    check(found, expect_gru(weights, after=after))


def test_gru_with_reset_after_is_torchs() -> None:
    weights = {**gru_weights(), "input_bias": normal(3 * HIDDEN)}
    module = torch.nn.GRU(INPUTS, HIDDEN)
    names = {"weight_ih": "weight_ih", "weight_hh": "weight_hh", "input_bias": "bias_ih", "bias": "bias_hh"}
    state = {f"{theirs}_l0": torch.from_numpy(reordered(weights[ours], 0, 2, 1)) for ours, theirs in names.items()}
    module.load_state_dict(state)
    with torch.no_grad():
        outputs, last = module(torch.from_numpy(X), torch.from_numpy(H0)[None])
    found = run("gru", {"x": X, "initial_h": H0}, "CoreML8", reset_after=True, output_sequence=True, **weights)
    check(found, [outputs.numpy(), last[0].numpy()])


def test_gru_whose_update_gate_is_open_keeps_its_state() -> None:
    weights = gru_weights()
    weights["bias"] = np.repeat(np.array([0, 0, 100], np.float32), HIDDEN)
    check(run("gru", {"x": X, "initial_h": H0}, **weights), [H0[None], H0])


def reordered(stacked: Array, *order: int) -> Array:
    parts = np.split(stacked, len(order))
    return np.concatenate([parts[i] for i in order])


def lstm_weights() -> dict[str, Array]:
    ih, hh = normal(4 * HIDDEN, INPUTS), normal(4 * HIDDEN, HIDDEN)
    return {"weight_ih": ih, "weight_hh": hh, "bias": normal(4 * HIDDEN)}


OPERANDS = {
    "rnn": {"x": X, "initial_h": H0},
    "gru": {"x": X, "initial_h": H0},
    "lstm": {"x": X, "initial_h": H0, "initial_c": C0},
}
WEIGHTS = {"rnn": rnn_weights, "gru": gru_weights, "lstm": lstm_weights}


def expect_lstm(
    w: dict[str, Any],
    functions: tuple[str, str, str] = ("sigmoid", "tanh", "tanh"),
    clip: float = np.inf,
    sequence: bool = True,
) -> list[Array]:
    gate, new, final = (FUNCTIONS[name] for name in functions)
    ih, hh, bias = (np.split(w[name], 4) for name in ("weight_ih", "weight_hh", "bias"))
    p_i, p_f, p_o = np.split(w.get("peephole", np.zeros(3 * HIDDEN)), 3)
    h, c, outputs = H0.astype(np.float64), C0.astype(np.float64), []
    for x in X.astype(np.float64):
        sums = [x @ a.T + h @ b.T + d for a, b, d in zip(ih, hh, bias, strict=True)]
        admitted, kept = gate(sums[0] + p_i * c), gate(sums[1] + p_f * c)
        c = np.clip(kept * c + admitted * new(sums[3]), -clip, clip)
        h = gate(sums[2] + p_o * c) * final(c)
        outputs.append(h)
    return shown(outputs, h, c, sequence=sequence)


@pytest.mark.parametrize("sequence", [True, False])
@pytest.mark.parametrize(
    "functions",
    [
        ("sigmoid", "tanh", "tanh"),
        ("hard_sigmoid", "relu", "linear"),
        ("tanh", "sigmoid", "scaled_tanh"),
    ],
)
@pytest.mark.parametrize("clip", [np.inf, 0.3])
@pytest.mark.parametrize("peephole", [True, False])
def test_lstm(functions: tuple[str, str, str], clip: float, peephole: bool, sequence: bool) -> None:
    weights = {**lstm_weights(), **({"peephole": normal(3 * HIDDEN)} if peephole else {})}
    names = dict(zip(("recurrent_activation", "cell_activation", "activation"), functions, strict=True))
    limit = None if clip == np.inf else np.float32(clip).reshape(())
    found = run("lstm", OPERANDS["lstm"], clip=limit, output_sequence=sequence, **names, **weights)
    check(found, expect_lstm(weights, functions, clip, sequence))


def test_names_of_activations_may_be_in_capitals() -> None:
    weights = lstm_weights()
    found = run("lstm", OPERANDS["lstm"], activation="ReLU", output_sequence=True, **weights)
    check(found, expect_lstm(weights, ("sigmoid", "tanh", "relu")))


def test_lstm_that_takes_and_keeps_all_sums() -> None:
    """With all gates open, c is the sum of the candidates."""
    weights = lstm_weights()
    weights["weight_hh"] *= 0
    weights["weight_ih"][: 3 * HIDDEN] = 0
    weights["bias"] = np.repeat(np.array([50, 50, 50, 0], np.float32), HIDDEN)
    candidates = np.tanh(X @ weights["weight_ih"][3 * HIDDEN :].T)
    sums = C0 + np.cumsum(candidates, 0)
    check(run("lstm", OPERANDS["lstm"], output_sequence=True, **weights), [np.tanh(sums), np.tanh(sums[-1]), sums[-1]])


@pytest.mark.parametrize("sequence", [True, False])
@pytest.mark.parametrize("clip", [None, 1e9])  # a clip that never bites takes the other way to the same numbers
def test_bidirectional_lstm_is_torchs(sequence: bool, clip: float | None) -> None:
    module = torch.nn.LSTM(INPUTS, HIDDEN, bidirectional=True)
    ahead, back = lstm_weights(), lstm_weights()
    state = {}
    for weights, suffix in ((ahead, ""), (back, "_reverse")):
        for name in ("weight_ih", "weight_hh"):
            state[f"{name}_l0{suffix}"] = torch.from_numpy(reordered(weights[name], 0, 1, 3, 2))
        state[f"bias_ih_l0{suffix}"] = torch.from_numpy(reordered(weights["bias"], 0, 1, 3, 2))
        state[f"bias_hh_l0{suffix}"] = torch.zeros(4 * HIDDEN)
    module.load_state_dict(state)
    h, c = normal(BATCH, 2 * HIDDEN), normal(BATCH, 2 * HIDDEN)
    halves = [torch.stack(torch.from_numpy(part).chunk(2, 1)) for part in (h, c)]
    with torch.no_grad():
        outputs, states = module(torch.from_numpy(X), tuple(halves))
    last = [torch.cat(tuple(part), 1).numpy() for part in states]
    found = run(
        "lstm",
        {"x": X, "initial_h": h, "initial_c": c},
        direction="bidirectional",
        output_sequence=sequence,
        clip=None if clip is None else np.float32(clip).reshape(()),
        **ahead,
        **{f"{name}_back": value for name, value in back.items()},
    )
    check(found, [outputs.numpy() if sequence else last[0][None], *last])


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("sequence", [True, False])
def test_no_frames_leave_the_states_as_they_are(kind: str, sequence: bool) -> None:
    operands = {**OPERANDS[kind], "x": X[:0]}
    first, *states = run(kind, operands, output_sequence=sequence, **WEIGHTS[kind]())
    assert first.shape == (0 if sequence else 1, BATCH, HIDDEN)
    check(states, [H0, C0][: len(states)])


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_bias_may_be_missing(kind: str) -> None:
    weights = WEIGHTS[kind]()
    bare = {name: value for name, value in weights.items() if name != "bias"}
    weights["bias"] = weights["bias"] * 0
    check(run(kind, OPERANDS[kind], **bare), run(kind, OPERANDS[kind], **weights))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("rnn", {"direction": "sideways"}, "rnn has direction 'sideways'; expected forward or reverse"),
        ("gru", {"direction": "bidirectional"}, "gru has direction 'bidirectional'; expected forward or reverse"),
        ("lstm", {"direction": "back"}, "lstm has direction 'back'; expected forward, reverse or bidirectional"),
        ("lstm", {"direction": "bidirectional"}, "lstm is bidirectional but lacks weight_ih_back or weight_hh_back"),
        ("gru", {"activation": "gelu"}, "gru has activation 'gelu'; expected hard_sigmoid, linear"),
        ("gru", {"reset_after": True}, "test: parameter 'reset_after' is unknown to the emulator's gru"),
    ],
)
def test_bad_parameters(kind: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=f"^{message}"):
        run(kind, OPERANDS[kind], **WEIGHTS[kind](), **changes)


@pytest.mark.coreml
@pytest.mark.slow
def test_in_a_program_of_float16(run_mil: Any) -> None:
    """All three, as a file has them; each result is the float32 one, rounded once."""
    weights = {kind: {name: w.astype(np.float16) for name, w in WEIGHTS[kind]().items()} for kind in WEIGHTS}
    halves = {name: value.astype(np.float16) for name, value in OPERANDS["lstm"].items()}

    def body(mb: Any, x: Any, h: Any, c: Any) -> Any:
        rnn = mb.rnn(x=x, initial_h=h, output_sequence=True, **weights["rnn"])
        gru = mb.gru(x=x, initial_h=h, direction="reverse", **weights["gru"])
        lstm = mb.lstm(x=x, initial_h=h, initial_c=c, peephole=np.ones(3 * HIDDEN, np.float16), **weights["lstm"])
        return (*rnn, *gru, *lstm)

    found = run_mil(body, dict(zip("xhc", halves.values(), strict=True)))
    wide = {kind: {name: w.astype(np.float32) for name, w in parts.items()} for kind, parts in weights.items()}
    x, h, c = (value.astype(np.float32) for value in halves.values())
    expected = [
        *run("rnn", {"x": x, "initial_h": h}, output_sequence=True, **wide["rnn"]),
        *run("gru", {"x": x, "initial_h": h}, direction="reverse", **wide["gru"]),
        *run(
            "lstm",
            {"x": x, "initial_h": h, "initial_c": c},
            peephole=np.ones(3 * HIDDEN, np.float32),
            **wide["lstm"],
        ),
    ]
    assert len(found) == len(expected)
    for array, reference in zip(found, expected, strict=True):
        np.testing.assert_array_equal(array, reference.astype(np.float16))
