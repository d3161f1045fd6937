"""Python code that a recipe names: `python:module:function`, or a script of its own.

A module is a file beside the recipe, or one that is installed. It is found without being run, so that a recipe with a
wrong name is told at once; it runs only in a worker.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from device_profiles.record import suggest
from packager.errors import PackagingError
from packager.jobs.inputs import Input
from packager.neighbours import admit, explain_taken
from packager.storage import digest_bytes

PREFIX = "python:"
SCRIPT_MODEL = "get_model"
SCRIPT_ARGUMENTS = "get_args"


def is_python(uri: str) -> bool:
    """Whether a recipe's value names Python code, not a file of data."""
    return uri.startswith(PREFIX) or uri.endswith(".py")


def locate_factory(uri: str, base: Path, *, where: str, shared: Path | None = None) -> tuple[Path, str]:
    """The file and the function that `python:module:function` names; of a script, the file and `get_model`.

    Args:
        uri: As the recipe says it.
        base: The recipe's folder; modules beside the recipe go before installed ones.
        where: The recipe's key, for messages.
        shared: A folder whose modules go after those beside the recipe.

    Raises:
        PackagingError: There is no such module.
    """
    if not uri.startswith(PREFIX):
        path = (base / uri).resolve()
        if not path.is_file():
            raise PackagingError(f"{where}: {uri!r}: there is no file {path}")
        return path, SCRIPT_MODEL
    module, _, function = uri.removeprefix(PREFIX).partition(":")
    if not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise PackagingError(f"{where}: {uri!r} should read python:module:function")
    for folder in (base, *([] if shared is None else [shared])):
        beside = folder / module.replace(".", "/")
        for path in (beside.with_suffix(".py"), beside / "__init__.py"):
            if path.is_file():
                return path.resolve(), function
    return _find_installed(module, base, f"{where}: {uri!r}"), function


def _find_installed(module: str, base: Path, where: str) -> Path:
    top = module.partition(".")[0]
    found = importlib.util.find_spec(top)  # the top package alone: finding a submodule would run its parents
    if found is not None and found.origin and top == module:
        return Path(found.origin).resolve()
    for root in (found.submodule_search_locations or ()) if found is not None else ():
        inner = Path(root).joinpath(*module.split(".")[1:])
        for path in (inner.with_suffix(".py"), inner / "__init__.py"):
            if path.is_file():
                return path.resolve()
    beside = (base / module.replace(".", "/")).with_suffix(".py")
    raise PackagingError(f"{where}: there is no file {beside}, and no such module is installed")


def digest_factory(path: Path) -> str:
    """One SHA-256 over what `read_factory` reads; errors as its."""
    lines = [
        f"{digest_bytes(text)} {os.path.relpath(file, path.parent)}\n" for file, text in read_factory(path).items()
    ]
    return digest_bytes("".join(lines).encode())


def read_factory(path: Path) -> dict[Path, bytes]:
    """A module and all modules beside it (or in its package) that it imports, however indirectly, with their contents.

    Of a package that is every `__init__.py` on the way: they run too. Imports are read, not run: files opened by the
    code and installed packages are not part of it.

    Raises:
        PackagingError: A file is not Python, or has a name under which another module is loaded.
    """
    waiting, texts, root = [path], dict[Path, bytes](), package_root(path)
    while waiting:
        file = waiting.pop()
        if file in texts:
            continue
        _refuse_taken(file, root)
        texts[file] = file.read_bytes()
        waiting += _imported_files(file, texts[file])
    return dict(sorted(texts.items()))


def factory_input(path: Path) -> Input:
    """What a worker reads of a module: it, and all modules of the user's that it imports."""
    root = package_root(path)
    return Input(root, tuple(os.path.relpath(file, root) for file in read_factory(path)))


def _refuse_taken(file: Path, root: Path) -> None:
    if not file.is_relative_to(root) or str(root) in sysconfig.get_paths().values():  # installed: it is the very module
        return
    top = root / file.relative_to(root).parts[0]
    if (taken := explain_taken(top.stem)) is not None:
        raise PackagingError(f"{top}: {taken}, which is loaded in its place; rename it")


def _imported_files(file: Path, text: bytes) -> list[Path]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as fault:
        raise PackagingError(f"{file}: is not Python: {fault}") from None
    top = package_root(file)
    found = [parent / "__init__.py" for parent in file.parents if parent != top and parent.is_relative_to(top)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [(node.level, module), *((node.level, f"{module}.{alias.name}") for alias in node.names)]
        else:
            continue
        for level, name in names:
            roots = [file.parents[level - 1]] if level else [file.parent, top]
            for inner in (root.joinpath(*name.split(".")) for root in roots):
                candidates = (inner.with_suffix(".py"), inner / "__init__.py")
                found += [candidate for candidate in candidates if name and candidate.is_file()]
    return found


def package_root(file: Path) -> Path:
    """The folder that a file's top package lies in; of a file in no package, its folder."""
    root = file.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def import_file(path: Path) -> ModuleType:
    """Run a Python file as a module; what lies beside it can be imported by it.

    Inside a package (a folder with `__init__.py`) it is imported under its full name, so that relative imports work.
    """
    root = package_root(path)
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(part for part in parts if part != "__init__")
    admit(root)
    # Bytecode is told by a file's second and length: one saved twice in a second would run as what it was.
    sys.dont_write_bytecode = True
    known = sys.modules.get(name)
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() == path:
        return known
    if len(parts) > 1:
        return importlib.import_module(name)
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses look their module up while it is made
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # as Python's own import does: half a module is none
        raise
    return module


def find_callable(path: Path, name: str) -> Any:
    """The function or class of a name, from a file that is run as a module.

    Raises:
        PackagingError: There is none. What the module raises itself is not caught.
    """
    module = import_file(path)
    found = getattr(module, name, None)
    if not callable(found):
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise PackagingError(f"{path}: has no function or class {name!r}{suggest(name, known)}")
    return found


def call_factory(path: Path, function: str, *arguments: Any) -> Any:
    """What a factory returns; of a script, `(get_model(), get_args())`.

    Args:
        path: The module's file.
        function: Its function.
        arguments: A checkpoint's contents, where the recipe names weights.

    Raises:
        PackagingError: There is no such function, or it takes other arguments. What it raises itself is not caught.
    """
    found = find_callable(path, function)
    try:
        inspect.signature(found).bind(*arguments)
    except TypeError as fault:
        hint = "; model.weights hands it the checkpoint" if arguments else "; a factory is called without arguments"
        raise PackagingError(f"{path}: {function} cannot be called: {fault}{hint}") from None
    except ValueError:  # builtins may have no signature
        pass
    made = found(*arguments)
    arguments_maker = getattr(import_file(path), SCRIPT_ARGUMENTS, None)
    if function == SCRIPT_MODEL and callable(arguments_maker):
        return made, arguments_maker()
    return made
