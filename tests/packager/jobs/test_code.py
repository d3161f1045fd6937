"""A key follows the code that decides a result, and no other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from packager.jobs.code import find_code
from tests.specimens import ROOT, code_environment, copy_code

KEYS = """
import json
from evaluators.datasets.preparation import _CODE
from packager.jobs.code import digest_job_code
from packager.package import conversion_code
from testpress.stage_requests import MODEL_RUNNER

pairs = [(framework, format_) for framework in ("torch", "tensorflow") for format_ in ("tflite", "coreml")]
keys = {"-".join(pair): digest_job_code(*conversion_code(*pair, MODEL_RUNNER)) for pair in pairs}
print(json.dumps({**keys, "dataset": digest_job_code(*_CODE)}))
"""
CONVERSIONS = {"torch-tflite", "torch-coreml", "tensorflow-tflite", "tensorflow-coreml"}
TFLITE, COREML = {"torch-tflite", "tensorflow-tflite"}, {"torch-coreml", "tensorflow-coreml"}
ALL = {*CONVERSIONS, "dataset"}


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_code(tmp_path_factory.mktemp("code"))


def _keys(code: Path) -> dict[str, str]:
    command = [sys.executable, "-c", KEYS]
    ran = subprocess.run(command, capture_output=True, text=True, env=code_environment(code), check=True)
    found: dict[str, str] = json.loads(ran.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "text", "changed"),
    [
        ("reports/judging/verdicts.py", "# a comment\n", set()),
        ("evaluators/comparing/ranking.py", "# a comment\n", set()),
        ("evaluators/tasks/new_task.py", "TASK = None\n", set()),
        ("testpress/pipeline.py", "# a comment\n", set()),
        ("packager/formats/tflite/tflite_op_versions.csv", "\n", TFLITE),
        ("packager/rewrites/torch/new_rewrite.py", "X = 1\n", {"torch-tflite", "torch-coreml"}),
        ("packager/formats/coreml/from_torch.py", "# a comment\n", {"torch-coreml"}),
        ("evaluators/emulators/coreml/plan.py", "# a comment\n", COREML),
        ("evaluators/datasets/reading.py", "# a comment\n", {"dataset"}),
        ("packager/jobs/worker.py", "# a comment\n", ALL),
    ],
)
def test_a_change_is_followed_by_the_keys_it_decides(path: str, text: str, changed: set[str], code: Path) -> None:
    before, file = _keys(code), code / path
    whole = file.read_bytes() if file.exists() else None
    file.write_bytes((whole or b"") + text.encode())
    try:
        now = _keys(code)
    finally:
        file.unlink() if whole is None else file.write_bytes(whole)
    followed = {name for name in ALL if now[name] != before[name]}
    assert followed >= changed
    assert bool(followed) == bool(changed)  # imports within functions bind more than a worker may use


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_imports_in_every_form_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(
        tmp_path,
        {
            "shop/__init__.py": "",
            "shop/a.py": "import shop.b, shop.c as c\nfrom shop import (\n    d,  # why, not\n    e as other,\n)\n",
            "shop/b.py": "def f():\n    from .inner import g\n    return 'shop.h:run'\n",
            "shop/c.py": "if TYPE_CHECKING:\n    from shop import i\n\nrows = read('t.csv')\n",
            "shop/d.py": "import os\nimport numpy\n",
            "shop/e.py": "",
            "shop/h.py": "",
            "shop/i.py": "",
            "shop/t.csv": "",
            "shop/unused.csv": "",
            "shop/inner/__init__.py": "files = sorted(Path(__file__).parent.glob('[a-z]*.py'))\n",
            "shop/inner/g.py": "from .. import j\n",
            "shop/inner/k.py": "",
            "shop/j.py": "",
        },
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {path.relative_to(tmp_path / "shop").as_posix() for path in find_code("shop.a")}
    inner = {"inner/__init__.py", "inner/g.py", "inner/k.py"}
    assert found == {"__init__.py", "a.py", "b.py", "c.py", "d.py", "e.py", "h.py", "j.py", "t.csv", *inner}


def test_of_what_is_only_looked_at_the_work_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(
        tmp_path,
        {
            "stall/__init__.py": "",
            "stall/seen.py": "from stall import top\n\n\ndef work():\n    from stall import inside\n",
            "stall/top.py": "",
            "stall/inside.py": "",
        },
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for entries, inside in ((("~stall.seen",), False), (("stall.seen",), True), (("~stall.seen", "stall.seen"), True)):
        names = {path.name for path in find_code(*entries)}
        assert names == {"__init__.py", "seen.py", "top.py", *(["inside.py"] if inside else [])}


def test_every_file_is_one_of_ours() -> None:
    assert all(path.is_relative_to(ROOT) for path in find_code("packager.conversion"))
