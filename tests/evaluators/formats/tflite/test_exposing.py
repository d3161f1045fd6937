"""A file whose ops are laid open: the same arithmetic, every op readable, and where two runs part."""

from __future__ import annotations

import numpy as np
import pytest

from evaluators.errors import EvaluationError
from evaluators.formats.tflite.exposing import ExposedOp, expose
from evaluators.formats.tflite.interpreter import TFLiteEmulator
from evaluators.playing.core_trace import find_departures
from packager.bundle import Bundle

OPS = (
    ExposedOp("CONV_2D", ("value_1",), (), ("conv",), (True,)),
    ExposedOp("LOG", ("value_2",), ("value_1",), ("log",), (True,)),
    ExposedOp("ADD", ("value_3",), ("value_2",), ("sum",), (True,)),
)


@pytest.mark.slow
@pytest.mark.tflite
@pytest.mark.tensorflow
def test_an_exposed_file_gives_what_the_file_gives(gain_bundles: dict[str, Bundle], tmp_path: object) -> None:
    path = gain_bundles["tflite-float32"].model_path
    data, ops, names = expose(path)
    exposed = tmp_path / "exposed.tflite"  # type: ignore[operator]
    exposed.write_bytes(data)
    model, shown = TFLiteEmulator(path, threads=1), TFLiteEmulator(exposed, threads=1)
    (name, tensor), *_ = model.inputs.items()
    value = np.random.default_rng(0).normal(size=tensor.shape).astype(np.float32)
    expected, found = model.run({name: value}), shown.run({names[name]: value})
    assert {output for op in ops for output in op.outputs} == set(found)
    (output,) = expected.values()
    np.testing.assert_array_equal(found[ops[-1].outputs[-1]], output)


def test_damage_is_one_message(tmp_path: object) -> None:
    path = tmp_path / "x.tflite"  # type: ignore[operator]
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(40))
    with pytest.raises(EvaluationError, match=r"x\.tflite: cannot be taken apart"):
        expose(path)


def _values(**changes: float) -> dict[str, np.ndarray]:
    return {f"value_{place}": np.array([1.0, 2.0 + changes.get(f"v{place}", 0.0)]) for place in (1, 2, 3)}


def test_the_first_op_that_makes_infinity_is_not_the_one_that_passes_it_on() -> None:
    there = _values()
    there["value_2"] = np.array([-np.inf, 1.0])
    there["value_3"] = np.array([np.nan, 1.0])
    trace = find_departures(7, OPS, _values(), there)
    assert trace.window == 7
    assert trace.first_not_finite is not None
    assert (trace.first_not_finite.op, trace.first_not_finite.tensor) == ("LOG", "log")
    assert trace.first is None and trace.worst is None


def test_the_first_and_the_worst_departure_are_told_as_shares() -> None:
    trace = find_departures(0, OPS, _values(), _values(v1=1e-5, v2=0.1, v3=0.5))
    assert trace.first_not_finite is None
    assert trace.first is not None and (trace.first.op, trace.first.share) == ("LOG", pytest.approx(0.05))
    assert trace.worst is not None and (trace.worst.op, trace.worst.max_abs_error) == ("ADD", pytest.approx(0.5))
    assert find_departures(0, OPS, _values(), _values(v1=1e-9)).first is None
