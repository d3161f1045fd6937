"""Lists: what is written is read, a write leaves the old list as it was, and no index goes astray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evaluators.emulators.coreml.binding import Slot, bind
from evaluators.emulators.coreml.ops import find_op
from evaluators.errors import EvaluationError

A, B = np.array([1, 2], np.float32), np.array([3, 4], np.float32)


def call(kind: str, **arguments: Any) -> Any:
    """An op as a plan runs it, every argument known at run time only."""
    bound_to: dict[str, list[Any]] = {name: [Slot(i)] for i, name in enumerate(arguments)}
    values = [
        torch.from_numpy(np.asarray(value)) if isinstance(value, np.ndarray | int) else value
        for value in arguments.values()
    ]
    bound = bind(find_op(kind, "CoreML5", where="test"), bound_to, where="test")
    return bound.call(*(values[slot] for slot in bound.slots))


def make(*elem_shape: int | str, length: int = 2, grows: bool = True, dtype: str = "fp32") -> Any:
    sizes = [size if isinstance(size, str) else torch.tensor(size) for size in elem_shape]
    arguments = {"elem_shape": sizes, "init_length": [torch.tensor(length)], "dynamic_length": [torch.tensor(grows)]}
    return bind(find_op("make_list", "CoreML5", where="test"), {**arguments, "dtype": [dtype]}, where="test").call()


def read(ls: Any, index: int) -> np.ndarray:
    return call("list_read", ls=ls, index=index).numpy()


def length(ls: Any) -> int:
    found = call("list_length", ls=ls)
    assert found.shape == ()
    assert found.dtype == torch.int32
    return int(found)


def test_what_is_written_is_read_and_the_old_list_stays() -> None:
    empty = make(2)
    first = call("list_write", ls=empty, index=0, value=A)
    second = call("list_write", ls=first, index=0, value=B)
    np.testing.assert_array_equal(read(second, 0), B)
    np.testing.assert_array_equal(read(first, 0), A)
    np.testing.assert_array_equal(read(empty, 0), [0, 0])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fp32", "fp16", "int32", "bool"])
def test_elements_never_written_are_zero(dtype: str) -> None:
    found = read(make(2, 3, dtype=dtype), 1)
    assert found.shape == (2, 3)
    assert not found.any()
    assert found.dtype == {"fp32": "f4", "fp16": "f4", "int32": "i4", "bool": "?"}[dtype]


def test_lists_grow() -> None:
    grown = call("list_write", ls=make(2, length=1), index=4, value=A)
    assert length(grown) == 5
    stacked = call("list_gather", ls=grown, indices=np.array([4, 3, 4], np.int32)).numpy()
    np.testing.assert_array_equal(stacked, [A, A * 0, A])


def test_scatter_writes_rows() -> None:
    rows = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    scattered = call("list_scatter", ls=make(2), indices=np.array([3, 0, 3], np.int32), value=rows)
    stacked = call("list_gather", ls=scattered, indices=np.arange(4, dtype=np.int32)).numpy()
    np.testing.assert_array_equal(stacked, [[3, 4], [0, 0], [0, 0], [5, 6]])


def test_no_indices_give_no_rows() -> None:
    ls = make(2, 3)
    assert call("list_gather", ls=ls, indices=np.zeros(0, np.int32)).shape == (0, 2, 3)
    same = call("list_scatter", ls=ls, indices=np.zeros(0, np.int32), value=np.zeros((0, 2, 3), np.float32))
    assert length(same) == 2


def test_a_named_size_is_that_of_the_first_element() -> None:
    ls = make("n", 2)
    with pytest.raises(EvaluationError, match="reads an element before any is written"):
        read(ls, 1)
    ls = call("list_write", ls=ls, index=0, value=np.ones((3, 2), np.float32))
    np.testing.assert_array_equal(read(ls, 1), np.zeros((3, 2)))
    with pytest.raises(
        EvaluationError, match=r"writes an element of shape \[4, 2\] to a list whose elements are \[3, 2\]"
    ):
        call("list_write", ls=ls, index=1, value=np.ones((4, 2), np.float32))


WRITES = st.lists(st.tuples(st.integers(0, 9), st.integers(-9, 9)), max_size=12)


@given(WRITES, st.integers(0, 4))
def test_a_list_is_a_dictionary_with_a_length(writes: list[tuple[int, int]], start: int) -> None:
    ls, known, size = make(1, length=start), {}, start
    for index, value in writes:
        ls = call("list_write", ls=ls, index=index, value=np.array([value], np.float32))
        known[index], size = value, max(size, index + 1)
    assert length(ls) == size
    if size:
        found = call("list_gather", ls=ls, indices=np.arange(size, dtype=np.int32)).numpy()
        np.testing.assert_array_equal(found[:, 0], [known.get(i, 0) for i in range(size)])


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: read(make(2), 2), "reads element 2 of a list of 2"),
        (lambda: read(make(2), -1), "reads element -1 of a list of 2"),
        (lambda: call("list_gather", ls=make(2), indices=np.array([0, 5])), "reads element 5 of a list of 2"),
        (
            lambda: call("list_write", ls=make(2, grows=False), index=2, value=A),
            "writes element 2 of a list of 2 that does not grow",
        ),
        (lambda: call("list_write", ls=make(2), index=-1, value=A), "writes element -1 of a list of 2"),
        (
            lambda: call("list_write", ls=make(2), index=2**31 - 1, value=A),
            "the list would have 2,147,483,648 elements; at most 16,777,216 are possible",
        ),
        (
            lambda: call("list_write", ls=make(3), index=0, value=A),
            r"writes an element of shape \[2\] to a list whose elements are \[3\]",
        ),
        (
            lambda: call("list_scatter", ls=make(2), indices=np.array([0]), value=np.ones((2, 2), np.float32)),
            "writes 2 elements to 1 indices",
        ),
        (lambda: make(2, dtype="fp8"), "make_list has dtype 'fp8'; expected bool, fp16, fp32, int32"),
        (lambda: make(2, length=-1), "make_list has init_length -1; expected at least 0"),
        (lambda: make(2, length=2**30), "the list would have 1,073,741,824 elements"),
    ],
)
def test_bad_use(attempt: Callable[[], Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=f"^{message}"):
        attempt()


@pytest.mark.coreml
@pytest.mark.slow
def test_a_list_filled_by_a_loop(run_mil: Any) -> None:
    """Powers of x, one a round; float16 elements are rounded as any other value."""

    def body(mb: Any, x: Any) -> Any:
        ls = mb.make_list(init_length=1, elem_shape=(3,), dtype="fp16")
        one = mb.mul(x=x, y=np.float16(0))
        start = mb.add(x=one, y=np.float16(1))
        _, _, filled = mb.while_loop(
            _cond=lambda i, power, ls: mb.less(x=i, y=np.int32(5)),
            _body=lambda i, power, ls: (
                mb.add(x=i, y=np.int32(1)),
                mb.mul(x=power, y=x),
                mb.list_write(ls=ls, index=i, value=power),
            ),
            loop_vars=(np.int32(0), start, ls),
        )
        return mb.list_gather(ls=filled, indices=mb.range_1d(start=0, end=mb.list_length(ls=filled), step=1))

    x = np.array([0.3, -1.1, 2.0], np.float16)
    wanted = [np.ones(3, np.float16)]
    for _ in range(4):
        wanted.append((wanted[-1].astype(np.float32) * x).astype(np.float16))
    (found,) = run_mil(body, {"x": x})
    np.testing.assert_array_equal(found, np.stack(wanted))
