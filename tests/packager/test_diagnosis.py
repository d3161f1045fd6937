"""A fault in one line: what frameworks say, cut down to the reason, the op and the user's line."""

from __future__ import annotations

import pytest

from packager.diagnosis import describe_fault, explain

EXECUTING = """Lowering not found: aten._linalg_svd.default

While executing %_linalg_svd : call_function[target=torch.ops.aten._linalg_svd.default](args = (%mm,), kwargs = {})
Original traceback:
File "/somewhere/net.py", line 6, in forward
    return torch.linalg.svdvals(y @ y.T)
Use tlparse to see full graph. (https://github.com/pytorch/tlparse)
"""


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError("\n  \n====\nthird"), "ValueError: third"),
        (RuntimeError(""), "RuntimeError: no message"),
        (KeyError("x" * 1000), "KeyError: " + repr("x" * 1000)[:300]),
    ],
)
def test_the_first_line_that_says_anything(fault: Exception, line: str) -> None:
    assert describe_fault(fault) == line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            EXECUTING,
            (
                "RuntimeError: Lowering not found: aten._linalg_svd.default "
                "(op aten._linalg_svd.default, at net.py:6 in forward: return torch.linalg.svdvals(y @ y.T))"
            ),
        ),
        (
            "PyTorch convert function for op 'unfold' not implemented.",
            "RuntimeError: PyTorch convert function for op 'unfold' not implemented. (op unfold)",
        ),
        (
            "error: failed to legalize operation 'mhlo.fft' that was marked illegal",
            "RuntimeError: error: failed to legalize operation 'mhlo.fft' that was marked illegal (op mhlo.fft)",
        ),
        ("no op is named", "RuntimeError: no op is named"),
    ],
    ids=["executing", "coremltools", "mlir", "none"],
)
def test_the_op_and_the_place_are_named(text: str, expected: str) -> None:
    assert explain(RuntimeError(text)) == expected


def test_the_place_is_the_users_and_not_the_librarys() -> None:
    trace = 'File "{lib}", line 1, in inner\n    a()\nFile "/mine/net.py", line 2, in forward\n    b()\n'
    library = pytest.__file__
    assert "net.py:2 in forward: b()" in explain(RuntimeError("While executing\n" + trace.format(lib=library)))
    only = f'While executing\nFile "{library}", line 1, in inner\n    a()\n'
    assert " in inner" not in explain(RuntimeError(only))


def test_without_text_the_place_is_the_last_frame_of_the_users() -> None:
    def fail() -> None:
        raise ValueError("in the user's own code")

    with pytest.raises(ValueError, match="own code") as caught:
        fail()
    assert "test_diagnosis.py" in explain(caught.value)
    assert 'in fail: raise ValueError("in the user\'s own code")' in explain(caught.value)
