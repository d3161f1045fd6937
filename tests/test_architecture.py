"""The laws of the folders, read from the code itself."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = ("device_profiles", "packager", "evaluators", "reports", "testpress")
"""each may import those before it, and itself"""

HEAVY = {
    "ai_edge_litert",
    "ai_edge_quantizer",
    "coremltools",
    "litert_torch",
    "tensorflow",
    "tf_keras",
    "tflite_runtime",
    "torch",
    "torchaudio",
}
TORCH_ONLY = Path("evaluators/emulators/coreml")
"""a leaf: its kernels are torch's, and it is imported by `open_model` alone"""

OPS = (
    TORCH_ONLY / "ops",
    Path("packager/rewrites/torch"),
    Path("packager/formats/tflite/lowerings"),
    Path("packager/formats/coreml/lowerings"),
)
"""where functions stand for ops of a framework and take the parameters that the op has"""

MODULES = sorted(
    path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.is_file()
)

MOST_LINES = 400


def _of_each(modules: list[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """One test of all modules, which names each that does not hold: thousands of tests would take a minute."""

    def wrap(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            faults = []
            for module in modules:
                try:
                    check(module)
                except AssertionError as fault:
                    faults.append(f"{module}: {fault}")
            assert not faults, "\n".join(faults)

        test.__doc__ = check.__doc__
        return test

    return wrap


@functools.cache
def _tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), str(module))


def _imports(nodes: Iterator[ast.AST]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            names.add(node.module or "")
        elif isinstance(node, ast.Call) and _called(node) in {"importlib.import_module", "__import__"} and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant):
                names.add(str(argument.value))
            elif isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
                names.add(str(argument.values[0].value).rstrip("."))
    return names


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def _at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """What runs when a module is imported: everything outside functions and `if TYPE_CHECKING`."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        nested = [getattr(statement, field, []) for field in ("body", "orelse", "finalbody", "handlers")]
        if any(nested):
            for inner in nested:
                yield from _at_import(inner)
        else:
            yield from ast.walk(statement)


def _owner(name: str) -> str:
    return name.partition(".")[0]


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 100
    assert {module.parts[0] for module in MODULES} == set(PACKAGES)


@pytest.mark.slow
@_of_each(MODULES)
def test_imports_run_in_one_direction(module: Path) -> None:
    allowed = PACKAGES[: PACKAGES.index(module.parts[0]) + 1]
    ours = {_owner(name) for name in _imports(ast.walk(_tree(module)))} & set(PACKAGES)
    # The worker calls what it is told to by name, and the names are its callers'.
    assert ours <= set(allowed), f"{module} may import {', '.join(allowed)}"


@pytest.mark.slow
def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also not by way of others, nor inside functions; what type checkers alone import does not count."""
    found = _circles({_dotted(m): _ours(m) for m in MODULES})
    assert not found, "\n".join(" <-> ".join(sorted(circle)) for circle in found)


def test_a_circle_is_found() -> None:
    arrows = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"f"}, "g": {"a"}}
    assert [sorted(circle) for circle in _circles(arrows)] == [["a", "b", "c"]]


def _ours(module: Path) -> set[str]:
    """Dotted names of our own modules that a module imports, anywhere in it."""
    known = {_dotted(m) for m in MODULES}
    found = set()
    for node in _walk_without_types(_tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & known or {node.module or ""}
    return (found & known) - {_dotted(module)}


def _walk_without_types(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from _walk_without_types(child)


def _circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Sets of two and more that reach each other."""
    reach = {start: _reached(start, arrows) for start in arrows}
    circles: list[set[str]] = []
    for start in arrows:
        circle = {other for other in reach[start] if start in reach[other]} | {start}
        if len(circle) > 1 and circle not in circles:
            circles.append(circle)
    return circles


def _reached(start: str, arrows: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = arrows[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached


@_of_each(MODULES)
def test_heavy_frameworks_are_imported_inside_functions(module: Path) -> None:
    heavy = {_owner(name) for name in _imports(_at_import(_tree(module).body))} & HEAVY
    assert heavy <= ({"torch"} if module.is_relative_to(TORCH_ONLY) else set())


@_of_each([m for m in MODULES if not m.is_relative_to(TORCH_ONLY)])
def test_the_torch_leaf_is_imported_inside_functions(module: Path) -> None:
    """But for modules of it that import no torch themselves."""
    light = {name for name in _light_modules() if name.startswith("evaluators.emulators.coreml")}
    imported = {
        name for name in _imports(_at_import(_tree(module).body)) if name.startswith("evaluators.emulators.coreml")
    }
    assert imported <= light


@functools.cache
def _light_modules() -> set[str]:
    """Modules of the leaf that reach no torch at import, however far one follows."""
    trees = {_dotted(m): _imports(_at_import(_tree(m).body)) for m in MODULES if m.is_relative_to(TORCH_ONLY)}
    heavy = {name for name, imports in trees.items() if any(_owner(i) in HEAVY for i in imports)}
    while more := {name for name, imports in trees.items() if name not in heavy and imports & heavy}:
        heavy |= more
    return set(trees) - heavy


def _dotted(module: Path) -> str:
    parts = module.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["devices", "--help"], ["--version"]], ids=" ".join
)
def test_help_imports_no_framework(arguments: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "testpress", *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr[-2000:]
    imported = {_owner(line.rpartition("|")[2].strip()) for line in run.stderr.splitlines() if "import time:" in line}
    assert "click" in imported  # the reading above works
    assert not imported & (HEAVY | {"numpy", "scipy", "pydantic", "jinja2", "mir_eval", "soundfile"})


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_whole_imports_no_framework(package: str) -> None:
    """All modules but the torch leaf's own, and the command's entry, in one process."""
    light = _light_modules()
    names = [_dotted(m) for m in MODULES if m.parts[0] == package and m.name != "__main__.py"]
    names = [name for name in names if not name.startswith("evaluators.emulators.coreml") or name in light]
    code = f"import importlib, sys\nfor n in {names!r}: importlib.import_module(n)\nprint(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr[-2000:]
    assert not {_owner(name) for name in run.stdout.split()} & HEAVY


def _public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{prefix}{node.name}", node
            if isinstance(node, ast.ClassDef) and not _is_protocol(node):
                yield from _public(node.body, f"{prefix}{node.name}.")


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base) == "Protocol" for base in node.bases)


def _is_plain(node: ast.AST) -> bool:
    """Records say what their fields are beside each field, a property's name says what it is."""
    if isinstance(node, ast.ClassDef):
        return any(ast.unparse(base).endswith("Record") for base in node.bases)
    decorators = {ast.unparse(decorator) for decorator in getattr(node, "decorator_list", [])}
    return "property" in decorators


@_of_each(MODULES)
def test_what_is_public_is_documented(module: Path) -> None:
    tree = _tree(module)
    missing = [
        name
        for name, node in _public(tree.body)
        if not _is_plain(node) and ast.get_docstring(node) is None  # type: ignore[arg-type]
    ]
    if module.is_relative_to(TORCH_ONLY / "ops"):
        missing = []  # an op's name is Core ML's, and the module says where its meaning is written
    assert not missing
    assert ast.get_docstring(tree) or (module.name == "__init__.py" and not tree.body)


@_of_each(MODULES)
def test_files_stay_small(module: Path) -> None:
    assert len((ROOT / module).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@_of_each(MODULES)
def test_names_say_what_is_inside(module: Path) -> None:
    assert module.stem not in {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


COMMANDS = {module for module in MODULES if module.parent == Path("testpress/commands")}
EDGE = COMMANDS | {Path(f"testpress/{name}.py") for name in ("__main__", "cli", "edge", "options", "progress")}


@pytest.mark.slow
@_of_each([m for m in MODULES if m not in EDGE])
def test_the_library_is_quiet(module: Path) -> None:
    tree = _tree(module)
    assert "click" not in {_owner(name) for name in _imports(ast.walk(tree))}
    calls = {_called(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    # A worker process has no caller to raise at: its exit is its own.
    allowed = {"sys.exit", "os._exit"} if module == Path("packager/jobs/worker.py") else set()
    assert (
        not calls & {"print", "sys.exit", "exit", "quit", "os._exit", "sys.stdout.write", "sys.stderr.write"} - allowed
    )


@pytest.mark.slow
@_of_each(MODULES)
def test_no_broad_except_but_at_a_framework(module: Path) -> None:
    """`except Exception` re-raises from the original, or says beside it why not."""
    lines = (ROOT / module).read_text(encoding="utf-8").splitlines()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: bare except"
            if ast.unparse(node.type) == "Exception":
                raises = any(isinstance(inner, ast.Raise) and inner.cause is not None for inner in ast.walk(node))
                assert raises or "noqa: BLE001  " in lines[node.lineno - 1], f"line {node.lineno}"


@pytest.mark.slow
@_of_each([module for module in MODULES if module not in COMMANDS])
def test_functions_take_six_parameters_at_most(module: Path) -> None:
    """All but commands, which have a parameter an option and are called by Click, by name."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.FunctionDef) and not any(module.is_relative_to(folder) for folder in OPS):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [argument.arg for argument in arguments if argument.arg not in {"self", "cls"}]
            assert len(names) <= 6, f"line {node.lineno}: {node.name}"


def test_nothing_names_a_folder_of_this_machine() -> None:
    pattern = re.compile(r"""["'\s(](/tmp/|/home/|/root/|/Users/)""")
    for module in MODULES:
        assert not pattern.search((ROOT / module).read_text(encoding="utf-8")), module
