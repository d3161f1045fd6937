from __future__ import annotations

from pathlib import Path

import pytest

from testpress.errors import RecipeError
from testpress.starting.functions import find_python


def write(folder: Path, text: str, name: str = "net.py") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("def build(): ...\ndef train(): ...", "build"),
        ("def small(): ...", "small"),
        ("def make_net(): ...\ndef main(): ...\ndef plot(x): ...", "make_net"),
        ("def load(path): ...\ndef net(width=3): ...", "net"),
        ("def _hidden(): ...\ndef get_model(): ...\ndef get_args(): ...", "get_model"),
        ("from torch import nn\nclass Net(nn.Module):\n  def __init__(self, width=3): ...", "Net"),
        ("from torch import nn\nclass Net(nn.Module): ...\ndef build(): ...", "build"),
    ],
)
def test_the_function_that_makes_a_model_is_found(tmp_path: Path, text: str, function: str) -> None:
    assert find_python(str(write(tmp_path, text)), tmp_path).source == f"python:net:{function}"


@pytest.mark.parametrize(
    ("text", "source", "message"),
    [
        (
            "def a(): ...\ndef b(): ...",
            "net.py",
            "more than one function could make the model; name one: python:net:a",
        ),
        ("def a(x): ...", "net.py", "has no function that can be called without arguments; write one that returns"),
        ("def a(", "net.py", "is not Python: "),
        ("def build(): ...", "python:net:biuld", "has no function 'biuld'; did you mean 'build'?; there are build"),
        ("x = 1", "python:net:build", "has no function 'build'"),
        ("def build(): ...", "python:nett:build", "there is no file"),
        ("def build(): ...", "python:net", "should read python:module:function"),
        ("def build(): ...", "other.py", "other.py: there is no such file; right is a path from where you are"),
    ],
)
def test_what_is_wrong_names_what_is_there(
    tmp_path: Path, text: str, source: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError) as caught:
        find_python(source, Path())
    assert message in str(caught.value)


def test_code_lies_beside_its_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, "def build(): ...")
    with pytest.raises(RecipeError, match=f"write the recipe there: testpress init {tmp_path} --model {path}"):
        find_python(str(path), tmp_path / "recipes")
    inner = write(tmp_path, "def build(): ...", "models/net.py")
    assert find_python(str(inner), tmp_path).source == "python:models.net:build"
    with pytest.raises(RecipeError, match="cannot be imported by that name; right are letters, digits and _"):
        find_python(str(write(tmp_path, "def build(): ...", "my-net.py")), tmp_path)


@pytest.mark.parametrize(
    ("text", "framework"),
    [
        ("import torch", "torch"),
        ("import keras", "tensorflow"),
        ("", "torch"),
        ("import other", "tensorflow"),
    ],
)
def test_the_framework_is_what_the_code_imports(tmp_path: Path, text: str, framework: str) -> None:
    write(tmp_path, "import tensorflow as tf", "other.py")
    assert find_python(str(write(tmp_path, f"{text}\ndef build(): ...")), tmp_path).framework == framework


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("SAMPLE_RATE = 22050", ("SAMPLE_RATE", 22050)),
        ("sr: int = 16000", ("sr", 16000)),
        ("SAMPLE_RATE_HZ = 8000", ("SAMPLE_RATE_HZ", 8000)),
        ("LEARNING_RATE = 8000", None),
        ("RATE = 3", None),
        ("SR = 'x'", None),
        ("SR = 2 * 8000", None),
    ],
)
def test_a_constant_says_the_rate(tmp_path: Path, text: str, rate: tuple[str, int] | None) -> None:
    found = find_python(str(write(tmp_path, f"{text}\nWORDS = ['b', 'a']\ndef build(): ...")), tmp_path)
    assert found.rate_hz == rate
    assert found.lists == {"WORDS": ("b", "a")}
