"""What a Python file says of the model in it, read and not run: its functions, its framework, its constants."""

from __future__ import annotations

import ast
import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.files import find_kind, read_text
from device_profiles.record import suggest
from packager.errors import PackagingError
from packager.factories import PREFIX, SCRIPT_MODEL, locate_factory, read_factory
from testpress.errors import RecipeError

_BEST = ("build", "build_model", "make_model", "create_model", "get_model", "load_model", "model", "make", "create")
_MAKES = re.compile(r"(build|make|create|get|load|new)(_|$)|.*model$")
_RATES = re.compile(r"(?i)(sample|sampling)?_?(rate|sr|fs)(_?hz)?$")
_FRAMEWORKS = {"torch": "torch", "torchaudio": "torch", "tensorflow": "tensorflow", "keras": "tensorflow"}
_FRAMEWORKS |= {"tf_keras": "tensorflow"}


@dataclass(frozen=True)
class PythonSource:
    """A model that is Python code.

    Attributes:
        source: As a recipe names it.
        framework: Told by what the code imports.
        rate_hz: A constant of the code that is named as a sample rate, with its name.
        lists: Its constants that are lists of words, by name.
    """

    source: str
    framework: str
    rate_hz: tuple[str, int] | None
    lists: dict[str, tuple[str, ...]]


def find_python(source: str, folder: Path) -> PythonSource:
    """The function that makes a model, and what its file says.

    Args:
        source: `net.py`, or `python:module:function`; a path starts where the shell stands.
        folder: The recipe's.

    Raises:
        RecipeError: There is no such file or function, or more than one could be meant; the message names those there.
    """
    named = source if source.startswith(PREFIX) else _name_function(Path(source), folder)
    try:
        path, function = locate_factory(named, folder, where="--model")
        texts = read_factory(path)
    except PackagingError as fault:
        raise RecipeError(str(fault)) from None
    tree = ast.parse(texts[path])
    _check_function(tree, function, path, named)
    imported = {word for text in texts.values() for word in _list_imports(ast.parse(text))}
    frameworks = {_FRAMEWORKS[word] for word in imported if word in _FRAMEWORKS}
    constants = _list_constants(tree)
    rates = [(n, v) for n, v in constants.items() if isinstance(v, int) and _RATES.match(n) and 4000 <= v <= 192_000]
    lists = {n: tuple(v) for n, v in constants.items() if isinstance(v, list | tuple) and _are_words(v)}
    framework = "tensorflow" if frameworks == {"tensorflow"} else "torch"
    return PythonSource(named, framework, rates[0] if rates else None, lists)


def _name_function(path: Path, folder: Path) -> str:
    if find_kind(path) != "file":
        raise RecipeError(f"--model: {path}: there is no such file; right is a path from where you are")
    resolved, base = path.resolve(), folder.resolve()
    if not resolved.is_relative_to(base):
        raise RecipeError(
            f"--model: {path}: does not lie in {folder}, where the recipe goes, and a recipe's Python code lies beside "
            f"it; write the recipe there: testpress init {path.parent} --model {path}"
        )
    try:
        tree = ast.parse(read_text(path, error=RecipeError))
    except (SyntaxError, ValueError) as fault:
        raise RecipeError(f"--model: {path}: is not Python: {fault}") from None
    parts = resolved.relative_to(base).with_suffix("").parts
    if not all(part.isidentifier() for part in parts):
        raise RecipeError(f"--model: {path}: cannot be imported by that name; right are letters, digits and _")
    found = _list_makers(tree)
    if not found:
        raise RecipeError(
            f"--model: {path}: has no function that can be called without arguments; write one that returns the model "
            "and an example of its inputs, or name it: --model python:MODULE:FUNCTION"
        )
    module = ".".join(parts)
    chosen = next((name for name in _BEST if name in found), None)
    likely = [name for name in found if _MAKES.match(name)]
    if chosen is None and len(likely) != 1 and len(found) != 1:
        names = ", ".join(f"{PREFIX}{module}:{name}" for name in found[:8])
        raise RecipeError(f"--model: {path}: more than one function could make the model; name one: {names}")
    return f"{PREFIX}{module}:{chosen or (likely if len(likely) == 1 else found)[0]}"


def _list_makers(tree: ast.Module) -> list[str]:
    """Public functions that take nothing, in the file's order; classes of modules only where there is none."""
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and _takes_nothing(node.args, 0)]
    public = [name for name in functions if not name.startswith("_") and name not in ("main", "get_args")]
    return public or [node.name for node in tree.body if isinstance(node, ast.ClassDef) and _is_model(node)]


def _is_model(node: ast.ClassDef) -> bool:
    makers = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    return bool(bases & {"Module", "Model", "Sequential"}) and all(_takes_nothing(each.args, 1) for each in makers)


def _takes_nothing(arguments: ast.arguments, own: int) -> bool:
    needed = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults) - own
    return needed <= 0 and all(default is not None for default in arguments.kw_defaults)


def _check_function(tree: ast.Module, function: str, path: Path, named: str) -> None:
    there = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    there += [alias.asname or alias.name for n in tree.body if isinstance(n, ast.ImportFrom) for alias in n.names]
    there += [t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
    if function in there or "*" in there:
        return
    makers = _list_makers(tree) or there
    hint = (
        f"{suggest(function, makers)}; there are {', '.join(makers[:8])}" if makers else "; it has no function at all"
    )
    script = f" (a script is called by {SCRIPT_MODEL})" if not named.startswith(PREFIX) else ""
    raise RecipeError(f"--model: {path}: has no function {function!r}{script}{hint}")


def _list_imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def _list_constants(tree: ast.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                with contextlib.suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
                    found[target.id] = ast.literal_eval(node.value)
    return found


def _are_words(value: list[Any] | tuple[Any, ...]) -> bool:
    return len(value) > 1 and all(isinstance(word, str) for word in value)
