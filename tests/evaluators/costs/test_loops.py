"""How often loops run: told from numbers the file states, and never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_profiles.profile import read_profile
from evaluators.costs import loops
from evaluators.costs.graph import Graph
from evaluators.costs.latency import predict_latency
from evaluators.costs.loops import Number, Routine, Setting, Step, Turns, fold
from evaluators.costs.memory import predict_memory
from evaluators.formats import place, read_graph

FLAG = Setting(dtype=np.bool_)
NUMBER = Setting()


def step(kind: str, reads: Sequence[str], write: str, setting: Setting = NUMBER) -> Step:
    return Step(partial(fold, kind, setting=setting), tuple(reads), (write,))


def counted(compare: str, first: int | None, bound: int, change: tuple[str, int]) -> int | None:
    """A loop of one counter."""
    known: dict[Any, Number] = {"bound": np.asarray(bound), "by": np.asarray(change[1])}
    condition = Routine(("i",), ("on",), (step(compare, ("i", "bound"), "on", FLAG),), known)
    body = Routine(("i",), ("next",), (step(change[0], ("i", "by"), "next"),), known)
    return Turns().count(condition, body, [None if first is None else np.asarray(first)])


@pytest.mark.parametrize(
    ("compare", "first", "bound", "change", "expected"),
    [
        ("less", 0, 10, ("add", 1), 10),
        ("less", 0, 10, ("add", 3), 4),
        ("less_equal", 0, 10, ("add", 1), 11),
        ("greater", 10, 0, ("sub", 2), 5),
        ("not_equal", 0, 6, ("add", 2), 3),
        ("less", 1, 100, ("mul", 2), 7),
        ("less", 5, 3, ("add", 1), 0),
        ("less", None, 10, ("add", 1), None),
        ("less", 0, 10, ("unheard_of", 1), None),
        ("less", 0, 10, ("mul", 2), None),  # 0 times 2 is 0: it never ends
    ],
)
def test_turns_in_closed_form(
    compare: str, first: int | None, bound: int, change: tuple[str, int], expected: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(loops, "MOST_WORK", 1000)
    assert counted(compare, first, bound, change) == expected


def test_a_bound_on_data_beside_a_known_one_tells_nothing() -> None:
    steps = (
        step("less", ("i", "bound"), "early", FLAG),
        step("less", ("loudness", "bound"), "quiet", FLAG),
        step("logical_and", ("early", "quiet"), "on", FLAG),
    )
    known: dict[Any, Number] = {"bound": np.asarray(10), "by": np.asarray(1)}
    condition = Routine(("i", "loudness"), ("on",), steps, known)
    advance = (step("add", ("i", "by"), "next"), Step(None, ("loudness",), ("louder",)))
    body = Routine(("i", "loudness"), ("next", "louder"), advance, known)
    assert Turns().count(condition, body, [np.asarray(0), np.asarray(0)]) is None


def test_all_loops_of_a_file_share_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MOST_WORK", 45)
    turns = Turns()
    known: dict[Any, Number] = {"bound": np.asarray(10), "by": np.asarray(1)}
    condition = Routine(("i",), ("on",), (step("less", ("i", "bound"), "on", FLAG),), known)
    body = Routine(("i",), ("next",), (step("add", ("i", "by"), "next"),), known)
    assert [turns.count(condition, body, [np.asarray(0)]) for _ in range(2)] == [10, None]


@pytest.mark.parametrize(
    ("kind", "operands", "setting", "expected"),
    [
        ("strided_slice", [[1, 40, 9], [1], [2], [1]], Setting((1,)), [40]),
        ("strided_slice", [[1, 40, 9], [-1], [0], [1]], Setting((), shrinks=True), 9),
        ("slice_by_index", [[7, 8, 9], [1], [1]], Setting((2,), begin_mask=1, end_mask=1), None),
        ("slice_by_index", [[7, 8], [1], [1]], Setting((2,), begin_mask=1, end_mask=1), [7, 8]),
        ("gather", [[7, 8, 9], 2], Setting(), 9),
        ("gather", [[7, 8, 9], 5], Setting(), None),
        ("pack", [3, 4], Setting((2,)), [3, 4]),
        ("div", [-7, 2], Setting(), -3),
        ("floor_div", [-7, 2], Setting(), -4),
        ("conv_2d", [1], Setting(), None),
    ],
)
def test_what_ops_make_of_numbers(kind: str, operands: list[Any], setting: Setting, expected: Any) -> None:
    found = fold(kind, [np.asarray(operand) for operand in operands], setting)
    assert (None if found is None else found.tolist()) == expected


def latency_reason(graph: Graph, device: str) -> str | None:
    profile = read_profile(device)
    placement = place(graph, "float32", profile)
    found = predict_latency(graph, placement, profile)
    assert (found.latency_ms.value is None) == (found.latency_ms.low is None) == bool(found.latency_ms.reason)
    assert predict_memory(graph, profile, placement).value is not None  # a loop takes no more, however often it runs
    return found.latency_ms.reason


TURNS = (10, 20, 1000)


def check_turns(graphs: Sequence[Graph], device: str) -> None:
    """See that 1000 turns have 100 times the multiply-adds of 10, and take 100 times as long."""
    profile = read_profile(device)
    times = []
    for graph in graphs:
        found = predict_latency(graph, place(graph, "float32", profile), profile)
        times.append(sum(ms for op, ms in found.per_op if op.macs))
    assert [graph.macs for graph in graphs] == [64 * turns for turns in TURNS]
    assert times[2] == pytest.approx(100 * times[0])
    assert times[1] > times[0] > 0


@pytest.mark.tflite
class TestTFLite:
    @pytest.mark.parametrize(
        ("options", "turns"), [({}, 100), ({"bound_given": True}, 100), ({"start": 40, "step": 20}, 3)]
    )
    def test_a_body_counts_as_often_as_it_runs(self, options: dict[str, Any], turns: int, tmp_path: Path) -> None:
        pytest.importorskip("ai_edge_litert")
        from tests.testpress.tiny_tflite import write_loop

        graph = read_graph(write_loop(tmp_path / "m.tflite", 100, **options))
        assert graph.macs == 64 * turns
        runs = {op.kind: op.runs for op in graph.ops}
        assert runs == {"WHILE": 1, "LESS": turns + 1, "RESHAPE": turns + 1, "ADD": turns, "FULLY_CONNECTED": turns}
        assert graph.weight_bytes < 1000  # weights are held once
        assert latency_reason(graph, "pixel-8") is None

    @pytest.mark.parametrize(("rows", "block"), [(80, 9), (10, 4), (12, 4), (5, 5)])
    def test_loops_in_loops_begin_where_the_outer_turn_says(self, rows: int, block: int, tmp_path: Path) -> None:
        pytest.importorskip("ai_edge_litert")
        from tests.testpress.tiny_tflite import write_blocks

        graph = read_graph(write_blocks(tmp_path / "m.tflite", rows=rows, block=block))
        assert (graph.macs, graph.unpriced) == (64 * rows, ())
        blocks = -(-rows // block)
        assert sorted(op.runs for op in graph.ops if op.kind == "LESS") == sorted([blocks + 1, rows + blocks])

    def test_a_loop_in_a_loop_that_is_too_long_to_be_remembered_has_no_price(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("ai_edge_litert")
        from tests.testpress.tiny_tflite import write_blocks

        monkeypatch.setattr(loops, "MOST_KEPT", 5)
        graph = read_graph(write_blocks(tmp_path / "m.tflite", rows=80, block=9))
        assert graph.unpriced == ("a WHILE loop of unknown length",)

    def test_a_loop_on_data_has_no_latency(self, tmp_path: Path) -> None:
        pytest.importorskip("ai_edge_litert")
        from tests.testpress.tiny_tflite import write_loop

        graph = read_graph(write_loop(tmp_path / "m.tflite", 100, on_data=True))
        assert graph.unpriced == ("a WHILE loop of unknown length",)
        assert graph.macs == 64
        assert latency_reason(graph, "pixel-8") == "a WHILE loop of unknown length"

    def test_a_loop_costs_what_its_turns_cost(self, tmp_path: Path) -> None:
        pytest.importorskip("ai_edge_litert")
        from tests.testpress.tiny_tflite import write_loop

        profile = read_profile("pixel-8")
        scores = []
        for turns in (10, 1000):
            graph = read_graph(write_loop(tmp_path / "m.tflite", turns))
            scores.append(predict_latency(graph, place(graph, "float32", profile), profile).latency_ms)
        short, long = scores
        assert short.value and long.value and long.low and long.high and short.low and short.high
        assert long.value > 5 * short.value
        assert long.high / long.low > short.high / short.low  # no phone's loops were published

    def test_a_turn_more_costs_what_the_body_costs(self, tmp_path: Path) -> None:
        pytest.importorskip("ai_edge_litert")
        from tests.testpress.tiny_tflite import write_loop

        check_turns([read_graph(write_loop(tmp_path / "m.tflite", turns)) for turns in TURNS], "pixel-8")


@pytest.mark.slow
@pytest.mark.coreml
@pytest.mark.skipif(not find_spec("coremltools"), reason="needs coremltools")
class TestCoreML:
    @staticmethod
    def loop(path: Path, *, on_data: bool, rows: int = 30) -> Graph:
        from tests.mil_programs import FLOAT32, write_program

        weight = np.eye(8, dtype=np.float32)

        def body(mb: Any, x: Any) -> Any:
            length = mb.gather(x=mb.shape(x=x), indices=np.int32(0), axis=np.int32(0))

            def going_on(i: Any, h: Any) -> Any:
                if on_data:
                    return mb.less(x=mb.reduce_max(x=h, axes=[0, 1], keep_dims=False), y=np.float32(0.5))
                return mb.less(x=i, y=length)

            def turn(i: Any, h: Any) -> Any:
                return mb.add(x=i, y=np.int32(2)), mb.linear(x=h, weight=weight)

            first = mb.slice_by_size(x=x, begin=[0, 0], size=[1, 8])
            return mb.while_loop(_cond=going_on, _body=turn, loop_vars=(np.int32(0), first))[1]

        write_program(path, body, {"x": ((rows, 8), FLOAT32)})
        return read_graph(path)

    def test_a_bound_may_be_the_size_of_an_input(self, tmp_path: Path) -> None:
        graph = self.loop(tmp_path / "m.mlpackage", on_data=False)
        assert graph.macs == 64 * 15
        assert latency_reason(graph, "iphone-15-pro") is None

    def test_a_turn_more_costs_what_the_body_costs(self, tmp_path: Path) -> None:
        graphs = [
            self.loop(tmp_path / f"{turns}.mlpackage", on_data=False, rows=2 * turns) for turns in TURNS
        ]  # fmt: skip
        check_turns(graphs, "iphone-15-pro")

    def test_a_loop_on_data_has_no_latency(self, tmp_path: Path) -> None:
        graph = self.loop(tmp_path / "m.mlpackage", on_data=True)
        assert latency_reason(graph, "iphone-15-pro") == "a WHILE loop of unknown length"

    def test_a_flexible_loop_that_never_ends_on_zeros_is_given_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import coremltools as ct

        from tests.mil_programs import FLOAT32, write_program

        def body(mb: Any, x: Any) -> Any:
            def going_on(h: Any) -> Any:
                return mb.less(x=mb.reduce_max(x=h, axes=[0, 1], keep_dims=False), y=np.float32(0.5))

            return mb.while_loop(_cond=going_on, _body=lambda h: mb.mul(x=h, y=np.float32(2)), loop_vars=(x,))

        path = tmp_path / "m.mlpackage"
        write_program(path, body, {"x": ((1, ct.RangeDim(2, 9)), FLOAT32)})
        monkeypatch.setattr("evaluators.formats.coreml.shapes.MOST_ITERATIONS", 10)
        assert "a WHILE loop of unknown length" in read_graph(path).unpriced
        assert any("still loops after 10 iterations" in reason for reason in read_graph(path).unpriced)

    def test_a_flexible_recurrence_is_counted_at_its_default(self, tmp_path: Path) -> None:
        import coremltools as ct

        from tests.mil_programs import FLOAT32, write_program

        weight = np.eye(8, dtype=np.float32)

        def body(mb: Any, x: Any) -> Any:
            length = mb.gather(x=mb.shape(x=x), indices=np.int32(0), axis=np.int32(0))

            def turn(i: Any, rows: Any) -> Any:
                row = mb.linear(x=mb.gather(x=rows, indices=i, axis=np.int32(0)), weight=weight)
                rows = mb.scatter(data=rows, indices=i, updates=row, axis=np.int32(0), mode="update")
                return mb.add(x=i, y=np.int32([1])), rows

            first = (np.int32([0]), mb.identity(x=x))
            return mb.while_loop(_cond=lambda i, rows: mb.less(x=i, y=length), _body=turn, loop_vars=first)[1]

        path = tmp_path / "m.mlpackage"
        write_program(path, body, {"x": ((ct.RangeDim(10, 200, default=40), 8), FLOAT32)})
        graph = read_graph(path)
        assert (graph.macs, graph.unpriced) == (40 * 64, ())
