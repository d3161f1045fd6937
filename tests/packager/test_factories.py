"""Python code that a recipe names: found without being run, known by its text, and called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from packager.errors import PackagingError
from packager.factories import call_factory, digest_factory, is_python, locate_factory

BOOM = "raise RuntimeError('was run')"


@pytest.fixture(autouse=True)
def _leave_python_as_it_was(tmp_path: Path) -> Iterator[None]:
    """Modules and their folders stay known to Python once a factory was called; other tests have the same names."""
    folders = list(sys.path)
    yield
    sys.path[:] = folders
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _call(uri: str, folder: Path, *arguments: object) -> object:
    return call_factory(*locate_factory(uri, folder, where="model.source"), *arguments)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("python:m:make", True),
        ("m.py", True),
        ("folder/m.py", True),
        ("m.pt", False),
        ("pkg://python/m.pt2", False),
        ("m.pyc", False),
    ],
)
def test_code_is_told_from_data(uri: str, expected: bool) -> None:
    assert is_python(uri) is expected


@pytest.mark.parametrize(
    ("uri", "file", "function"),
    [
        ("python:m:make", "m.py", "make"),
        ("python:package:make", "package/__init__.py", "make"),
        ("python:package.inner:make", "package/inner.py", "make"),
        ("script.py", "script.py", "get_model"),
        ("package/inner.py", "package/inner.py", "get_model"),
        ("python:json:loads", "m.py", "loads"),
    ],
)
def test_a_factory_beside_the_recipe_is_found_and_not_run(uri: str, file: str, function: str, tmp_path: Path) -> None:
    _write(tmp_path, dict.fromkeys(("m.py", "script.py", "package/__init__.py", "package/inner.py"), BOOM))
    if ":json:" in uri:  # before an installed one of the same name
        (tmp_path / "m.py").rename(tmp_path / "json.py")
        file = "json.py"
    assert locate_factory(uri, tmp_path, where="x") == ((tmp_path / file).resolve(), function)


def test_a_script_may_lie_beside_the_recipes_folder(tmp_path: Path) -> None:
    """Recipes are the user's own: a path leads wherever it says."""
    _write(tmp_path, {"shared/m.py": "def get_model(): return 1", "job/recipe.toml": ""})
    assert _call("../shared/m.py", tmp_path / "job") == 1


def test_an_installed_module_is_found_without_its_parents_being_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(
        tmp_path, {"site/wheelish/__init__.py": BOOM, "site/wheelish/zoo.py": "", "site/wheelish/nets/__init__.py": ""}
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    for module, file in (
        ("wheelish", "__init__.py"),
        ("wheelish.zoo", "zoo.py"),
        ("wheelish.nets", "nets/__init__.py"),
    ):
        found = locate_factory(f"python:{module}:make", tmp_path, where="x")
        assert found == ((tmp_path / "site" / "wheelish" / file).resolve(), "make")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("python:absent:make", "there is no file {folder}/absent.py, and no such module is installed"),
        ("python:m.absent:make", "there is no file {folder}/m/absent.py, and no such module is installed"),
        ("python:json.absent:make", "there is no file {folder}/json/absent.py, and no such module is installed"),
        ("python:m", "should read python:module:function"),
        ("python:m:", "should read python:module:function"),
        ("python::make", "should read python:module:function"),
        ("python:../m:make", "should read python:module:function"),
        ("python:m.py:make()", "should read python:module:function"),
        ("absent.py", "there is no file {folder}/absent.py"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(uri: str, message: str, tmp_path: Path) -> None:
    _write(tmp_path, {"m.py": BOOM})
    with pytest.raises(PackagingError) as caught:
        locate_factory(uri, tmp_path, where="model.source")
    text = str(caught.value).removeprefix("model.source: ").removeprefix(f"{uri!r}").lstrip(": ")
    assert text == message.format(folder=tmp_path)


PROJECT = {
    "m.py": "import beside\nfrom package import inner\ndef make():\n    import late",
    "beside.py": "from further import x",
    "further.py": "x = 1",
    "late.py": "",
    "package/__init__.py": "",
    "package/inner.py": "from . import sibling\nfrom .deep.leaf import y",
    "package/sibling.py": "",
    "package/deep/__init__.py": "",
    "package/deep/leaf.py": "from ..up import z\ny = 1",
    "package/up.py": "z = 1",
    "unrelated.py": "this is no Python",
    "package/unused.py": "",
    "notes.txt": "",
}
UNREAD = {"unrelated.py", "package/unused.py", "notes.txt"}


@pytest.mark.parametrize("name", PROJECT)
def test_the_digest_follows_what_is_imported_and_nothing_else(name: str, tmp_path: Path) -> None:
    _write(tmp_path, PROJECT)
    before = digest_factory(tmp_path / "m.py")
    _write(tmp_path, {name: PROJECT[name] + "\n# changed"})
    assert (digest_factory(tmp_path / "m.py") == before) == (name in UNREAD)


def test_the_digest_does_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    _write(tmp_path / "a", PROJECT)
    _write(tmp_path / "b" / "c", PROJECT)
    assert digest_factory(tmp_path / "a" / "m.py") == digest_factory(tmp_path / "b" / "c" / "m.py")
    (tmp_path / "a" / "late.py").rename(tmp_path / "a" / "latest.py")
    assert digest_factory(tmp_path / "a" / "m.py") != digest_factory(tmp_path / "b" / "c" / "m.py")


def test_a_module_in_a_package_runs_what_the_package_is_made_with(tmp_path: Path) -> None:
    _write(tmp_path, PROJECT)
    before = digest_factory(tmp_path / "package" / "deep" / "leaf.py")
    _write(tmp_path, {"package/__init__.py": "import beside"})
    assert digest_factory(tmp_path / "package" / "deep" / "leaf.py") != before


def test_modules_that_import_each_other_have_a_digest(tmp_path: Path) -> None:
    _write(tmp_path, {"a.py": "import b", "b.py": "import a"})
    assert len(digest_factory(tmp_path / "a.py")) == 64


@pytest.mark.parametrize("text", ["def make(:", "x = \0"], ids=["syntax", "zero"])
def test_a_neighbour_that_is_no_python_is_named(text: str, tmp_path: Path) -> None:
    _write(tmp_path, {"m.py": "import beside", "beside.py": text})
    with pytest.raises(PackagingError) as caught:
        digest_factory(tmp_path / "m.py")
    assert str(caught.value).startswith(f"{tmp_path / 'beside.py'}: is not Python: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "files", "arguments", "expected"),
    [
        ("python:m:make", {"m.py": "from beside import x\ndef make(): return x", "beside.py": "x = 3"}, (), 3),
        ("python:m:make", {"m.py": "def make(weights): return weights * 2"}, (4,), 8),
        ("python:m:make", {"m.py": "class make:\n    def __eq__(self, other): return other == 5"}, (), 5),
        ("python:m:make", {"m.py": "from functools import partial\nmake = partial(int, '7')"}, (), 7),
        ("python:m:dict", {"m.py": "dict = dict"}, (), {}),
        (
            "python:p.m:make",
            {"p/__init__.py": "", "p/m.py": "from .n import x\ndef make(): return x", "p/n.py": "x = 1"},
            (),
            1,
        ),
        ("script.py", {"script.py": "def get_model(): return 1\ndef get_args(): return (2,)"}, (), (1, (2,))),
        ("script.py", {"script.py": "def get_model(): return 1"}, (), 1),
        ("python:script:get_model", {"script.py": "def get_model(): return 1\nget_args = 0"}, (), 1),
        (
            "python:m:make",
            {
                "m.py": "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\n"
                "class C:\n    x: int = 6\ndef make(): return C().x"
            },
            (),
            6,
        ),
    ],
)
def test_a_factory_is_called(
    uri: str, files: dict[str, str], arguments: tuple[object, ...], expected: object, tmp_path: Path
) -> None:
    _write(tmp_path, files)
    assert _call(uri, tmp_path, *arguments) == expected


def test_a_file_is_run_once_and_one_of_the_same_name_elsewhere_is_another(tmp_path: Path) -> None:
    text = "made = []\ndef make():\n    made.append({})\n    return made"
    _write(tmp_path, {"a/m.py": text.format(1), "b/m.py": text.format(2)})
    assert _call("python:m:make", tmp_path / "a") == [1]
    assert _call("python:m:make", tmp_path / "a") == [1, 1]
    assert _call("python:m:make", tmp_path / "b") == [2]


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("maek", (), "has no function or class 'maek'; did you mean 'make'?"),
        ("absent", (), "has no function or class 'absent'"),
        ("number", (), "has no function or class 'number'"),
        ("_hidden", (), "has no function or class '_hidden'"),
        (
            "needs",
            (),
            "needs cannot be called: missing a required argument: 'weights'; a factory is called without arguments",
        ),
        ("make", ({},), "make cannot be called: too many positional arguments; model.weights hands it the checkpoint"),
    ],
)
def test_a_factory_that_cannot_be_called_is_said_in_one_line(
    function: str, arguments: tuple[object, ...], message: str, tmp_path: Path
) -> None:
    _write(tmp_path, {"m.py": "number = 3\ndef make(): raise AssertionError\ndef needs(weights): raise AssertionError"})
    with pytest.raises(PackagingError) as caught:
        _call(f"python:m:{function}", tmp_path, *arguments)
    assert str(caught.value) == f"{tmp_path / 'm.py'}: {message}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def make(): raise KeyError('mine')", KeyError),
        ("def make(): return 1 + None", TypeError),  # and not taken for arguments that do not fit
        ("1 / 0", ZeroDivisionError),
        ("import no_such_module_here", ModuleNotFoundError),
    ],
)
def test_what_a_factory_raises_reaches_its_author(text: str, fault: type[Exception], tmp_path: Path) -> None:
    _write(tmp_path, {"m.py": text})
    for _ in range(2):  # a module that failed is not taken for one that is loaded
        with pytest.raises(fault):
            _call("python:m:make", tmp_path)


@pytest.mark.pytorch
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("return 3", r"make returned a int; a factory returns a torch.nn.Module, or \(module, example_inputs\)"),
        ("return None", "make returned a NoneType; a factory returns a torch.nn.Module"),
        ("return lambda x: x", "make returned a function; a factory returns a torch.nn.Module"),
        ("raise OSError('no weights here')", "no weights here"),
    ],
)
def test_a_factory_of_something_else_is_refused(text: str, words: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from packager.model import ModelSpec, find_source
    from packager.sources import load_source

    _write(tmp_path, {"m.py": f"def make():\n    {text}"})
    with pytest.raises((PackagingError, OSError), match=words):
        load_source(
            find_source(ModelSpec(name="m", version="1", license="MIT", source="python:m:make"), tmp_path), None
        )
