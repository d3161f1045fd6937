"""Files beside a recipe whose names others import too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from packager.errors import PackagingError
from packager.factories import digest_factory
from packager.neighbours import OWN, explain_taken

_CALL = """
import json, sys
from pathlib import Path
from packager.factories import call_factory
print(json.dumps(call_factory(Path(sys.argv[1]) / "net.py", "build")))
"""


def _call(folder: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run = subprocess.run([sys.executable, "-c", _CALL, folder], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    made: list[str] = json.loads(run.stdout)
    return made


BOOM = "raise RuntimeError('the file beside the recipe was taken')"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beside", "imported"),
    [
        ("evaluators.py", "testpress.pipeline"),
        ("reports/__init__.py", "testpress.pipeline"),
        ("shelve.py", "shelve"),
        ("click.py", "testpress.cli"),
        ("rich.py", "testpress.progress"),
        ("jsonschema.py", "nothing"),
    ],
)
def test_nobody_else_takes_a_file_beside_a_recipe(beside: str, imported: str, tmp_path: Path) -> None:
    """The tool imports most of itself and of its libraries after the recipe's code has run."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "asking.py").write_text(f"def ask():\n    import {imported} as found\n    return [found.__name__]")
    (site / "nothing.py").write_text("")
    net = f"import sys\nsys.path.append({str(site)!r})\nimport asking\ndef build():\n    return asking.ask()"
    assert _call(tmp_path / "job", {beside: BOOM, "net.py": net}) == [imported]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layers", "yaml", "click"])
def test_a_recipes_code_takes_what_lies_beside_it(name: str, tmp_path: Path) -> None:
    """Whether or not something of that name is installed."""
    net = f"from {name} import made\ndef build():\n    import package.inner\n    return [made, package.inner.made]"
    files = {"net.py": net, f"{name}.py": "made = 'mine'", "package/__init__.py": "", "package/inner.py": "made = 'in'"}
    assert _call(tmp_path, files) == ["mine", "in"]


def test_what_only_lies_beside_a_recipe_is_found_by_libraries_too(tmp_path: Path) -> None:
    """Frameworks load a user's classes by the name of their module."""
    net = "import importlib\ndef build():\n    return [importlib.import_module('layers').made]"
    library = "import importlib\ndef load(name):\n    return importlib.import_module(name)"
    assert _call(tmp_path, {"net.py": net, "layers.py": "made = 'mine'", "library.py": library}) == ["mine"]


@pytest.mark.parametrize(
    ("name", "reason"), [("random", "Python's own"), ("evaluators", "of testpress"), ("torch", "of torch")]
)
@pytest.mark.parametrize("direct", [True, False])
def test_a_name_that_is_taken_is_told(name: str, reason: str, direct: bool, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("def build(): pass")
    (tmp_path / "net.py").write_text(f"import {name}\ndef build(): pass")
    with pytest.raises(PackagingError) as caught:
        digest_factory(tmp_path / f"{name if direct else 'net'}.py")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / name}.py: has the name of ")
    assert reason in text
    assert text.endswith(", which is loaded in its place; rename it")


def test_a_name_is_taken_at_the_top_only(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    for name, text in {"__init__": "", "random": "", "net": "import random\nfrom . import random as mine"}.items():
        (tmp_path / "package" / f"{name}.py").write_text(text)
    before = digest_factory(tmp_path / "package" / "net.py")
    (tmp_path / "package" / "random.py").write_text("x = 1")
    assert digest_factory(tmp_path / "package" / "net.py") != before, "its own module of that name counts"


@pytest.mark.slow
def test_an_installed_module_may_be_named_by_a_recipe() -> None:
    digest_factory(Path(json.__file__))
    assert all(explain_taken(name) for name in OWN)
    assert explain_taken("basic_pitch") is None
