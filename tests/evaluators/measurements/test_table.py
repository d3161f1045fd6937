from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.costs.own_measurements import MOST_ROWS
from evaluators.errors import EvaluationError
from evaluators.measurements import read_measurements

HEAD = "file,unit,threads,ms\n"


def read(folder: Path, text: str) -> list[tuple[object, ...]]:
    (folder / "m.csv").write_text(text)
    return [(row.file, row.unit, row.threads, row.ms) for row in read_measurements(folder / "m.csv")]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "a.tflite,cpu,4,1.5\nb.mlpackage,ANE,,2e1\n",
        "\ufeff" + HEAD.replace(",", ";") + "a.tflite; CPU ;4;1.5\r\nb.mlpackage;npu;;20\r\n",
        "ms\tthreads\tunit\tfile\n1.5\t4\tcpu\ta.tflite\n\n20\t\tnpu\tb.mlpackage\n",
    ],
)
def test_rows_of_any_separator_and_order(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == [("a.tflite", "cpu", 4, 1.5), ("b.mlpackage", "npu", None, 20.0)]


def test_runtime_and_signature_are_there_where_wanted(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,unit,threads,ms,runtime,signature\na,cpu,1,2,TFLite,\nb,cpu,1,2,,main\n")
    first, second = read_measurements(tmp_path / "m.csv")
    assert (first.runtime, first.signature) == ("TFLite", None)
    assert (second.runtime, second.signature) == (None, "main")
    assert second.source == f"{tmp_path}/m.csv: line 3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: has no column file and no column unit and no column threads and no column ms; right is"),
        ("file,unit,ms\na,cpu,1\n", "line 1: has no column threads; right is a CSV that begins with file,unit,thr"),
        ("file,unit,threads,ms,runtine\n", "line 1: unknown column 'runtine'; did you mean 'runtime'"),
        ("file,unit,threads,ms,ms\n", "line 1: a column is there twice"),
        (HEAD, "holds no row"),
        (HEAD + "a,cpu,1,-3\n", "line 2: ms is '-3'; right is a number above 0"),
        (HEAD + "a,cpu,1,0\n", "line 2: ms is '0'"),
        (HEAD + "a,cpu,1,nan\n", "line 2: ms is 'nan'"),
        (HEAD + "a,cpu,1,inf\n", "line 2: ms is 'inf'"),
        (HEAD + "a,cpu,1,fast\n", "line 2: ms is 'fast'"),
        (HEAD + "a,tpu,1,3\n", "line 2: unit is 'tpu'; right is cpu, gpu, npu, ane"),
        (HEAD + "a,cpu,0,3\n", "line 2: threads is '0'; right is 1 to 64, or nothing"),
        (HEAD + "a,cpu,2.5,3\n", "line 2: threads is '2.5'"),
        (HEAD + ",cpu,1,3\n", "line 2: file is empty"),
        (HEAD + "a,cpu,1\n", "line 2: has not as many cells as the header"),
        (HEAD + "a,cpu,1,3,4\n", "line 2: has not as many cells as the header"),
        (HEAD + 'a,cpu,1,"3\n', "no CSV: unexpected end of data"),
        (HEAD + "a,cpu,1,-3\nb,cpu,1,2\nc,gpu,1,x\n", "line 4: ms is 'x'"),
        (HEAD + "a" * 1001 + ",cpu,1,3\n", "line 2: a cell has more than 1000 letters"),
        (HEAD + "a,cpu,1,3\n" * (MOST_ROWS + 1), f"more than {MOST_ROWS} rows"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EvaluationError) as fault:
        read(tmp_path, text)
    assert message in str(fault.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\xff", "neither text nor"),
        (b"file,caf\xe9", "it should be UTF-8"),
        (b"a" * (5 * 2**20), "holds more than 4194304 bytes"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "m.csv").write_bytes(data)
    with pytest.raises(EvaluationError, match=message):
        read_measurements(tmp_path / "m.csv")
