"""Exported programs (.pt2) and TorchScript, read so that nothing in the file can run code.

torch.export.load trusts what it reads: it unpickles tensors, evaluates sizes and guards as Python, calls whatever an
op's name leads to below `torch`, imports modules that the structure of arguments names, and loads compiled libraries.
And ops, in TorchScript too, can write files, as a shell's or Python's own. Here each of these ways is shut, and a file
that would go one is refused.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import json
import pickle
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packager.errors import PackagingError

_NAME = re.compile(r"[\w.:$#/+ -]*")
"""what names of tensors, modules and ops may be made of: names end up in Python that torch generates"""

_SIZE = re.compile(r"[\w\s().,'=+\-*/%<>!&|~]*")
_SIZE_PARTS = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.Call,
    ast.keyword,
    ast.Name,
    ast.Constant,
    ast.expr_context,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
)
_SYMPY = re.compile(
    "Symbol|Integer|Rational|Float|Add|Mul|Pow|Mod|Abs|Max|Min|And|Or|Not|Equality|Unequality|"
    "StrictLessThan|LessThan|StrictGreaterThan|GreaterThan"
)
"""what sizes are made with, beside torch's own classes"""

_UNREAD = frozenset({"metadata", "guards_code", "as_string"})
"""keys of a program's JSON whose text stays text in torch, or is dropped here (guards); tensors may bear such names"""

_SPECS = frozenset({"in_spec", "out_spec"})
"""keys that hold JSON as text"""

_IMPORTS = frozenset({"__enum__", "default_factory_module"})
"""keys within that JSON beside which torch finds the name of a module, and imports it"""

_FILE_OPS = re.compile(r"\b(from_file|save)\b|\bgetattr\b(?!\([\w.() ]+, \"[^\"\\]*\"\))")
"""ops that open files, in TorchScript; and `getattr` other than TorchScript writes it, as it could spell their names"""

_NAMESPACES = (
    "aten|prims?|_?quantized|quantized_decomposed|sparse|mkl(dnn(_prepacked)?)?|onednn|prepacked|torch(audio|vision)"
)
"""whose ops compute; others talk to processes, read what a debugger left, or are whatever somebody registered"""

_HIGHER_ORDER = re.compile(
    "associative_scan|cond|flex_attention|hints_wrapper|invoke_subgraph|map_impl|out_dtype|scan|strict_mode|"
    "tag_activation_checkpoint|while_loop|wrap|wrap_activation_checkpoint|wrap_with_autocast|wrap_with_set_grad_enabled"
)
"""ops on functions of the same program; others call compiled libraries and objects"""

_FOREIGN = re.compile(rf"\bops\.(?!(?:{_NAMESPACES})\.)\w+|\btorch\.classes\.(?!(?:quantized|rnn|sparse|mkldnn)\b)\w+")
"""in TorchScript: ops of other namespaces, and objects of C++ other than packed weights"""


class HoldsCodeError(pickle.UnpicklingError):
    """A file would run code of its own; the message says what it holds."""


_DEEPEST = 100
_MOST_OPERATORS = 1000
_TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<opens>[(\[{])|(?P<closes>[)\]}])|(?P<end>(?<!\\)\n)|(?P<comma>,)
    |(?P<operator>[-+*/%<>=!&|^~@.]|\b(?:not|and|or|if|else|lambda)\b|\n[ ]{400})""",
    re.VERBOSE,
)


def load_program(path: Path, *, trust: bool) -> Any:
    """A `torch.export.ExportedProgram` from a file.

    Args:
        path: What `torch.export.save` wrote.
        trust: Whether code in it may run. Without, its module has no guards, which only compare inputs with those of
            the export: torch writes them as Python, in which text of the file stands.

    Raises:
        HoldsCodeError: It holds code, and is not trusted; torch may wrap it in a fault of its own.
        pickle.UnpicklingError: It holds a pickle with more than tensors, and is not trusted.
    """
    import torch

    if trust:
        return torch.export.load(path)
    package = importlib.import_module("torch.export.pt2_archive._package")
    with _shut(package):
        program: Any = package.load_pt2(str(path)).exported_programs["model"]
    program._guards_code = []
    program.module = functools.partial(program.module, check_guards=False)  # others come of the example inputs
    return program


def load_script(path: Path, *, trust: bool) -> Any:
    """A `torch.jit.ScriptModule` in evaluation mode.

    Args:
        path: What `torch.jit.save` wrote.
        trust: Whether it may open files.

    Raises:
        HoldsCodeError: It opens files, and is not trusted.
    """
    import torch

    if not trust:
        reader = torch._C.PyTorchFileReader(str(path))  # which torch.jit.load reads with: both see the same
        for name in reader.get_all_records():
            code = name.lower().endswith(".py")  # it finds x.PY too where it is asked for x.py
            text = reader.get_record(name).decode() if code else ""
            if _is_deep(text):
                raise PackagingError(
                    f"{path}: its {name} is nested too deep for torch to read it; it was not made by torch"
                )
            if found := _FILE_OPS.search(text):
                raise HoldsCodeError(f"TorchScript with {found[0]!r}, which can open files")
            if found := _FOREIGN.search(text):
                raise HoldsCodeError(f"TorchScript with {found[0]!r}, which is no op that only computes")
    return torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]


def _is_deep(text: str) -> bool:
    """Whether a statement of TorchScript has so many brackets and operators that torch's parser would end the process.

    It calls itself for each; torch writes one operation a line.
    """
    operators = [0]  # a number for each open bracket; a comma begins another part of a flat list
    for token in _TOKEN.finditer(text):
        if token["opens"]:
            operators.append(0)
        elif token["closes"] and len(operators) > 1:
            operators.pop()
        elif token["operator"]:
            operators[-1] += 1
        elif token["comma"] or (token["end"] and len(operators) == 1):
            operators[-1] = 0
        if len(operators) > _DEEPEST or operators[-1] > _MOST_OPERATORS:
            return True
    return False


@contextlib.contextmanager
def _shut(package: Any) -> Iterator[None]:
    import torch

    serde: Any = importlib.import_module("torch._export.serde.serialize")
    load, read, find = torch.load, serde._bytes_to_dataclass, serde.GraphModuleDeserializer.deserialize_operator

    def load_tensors(*args: Any, **kwargs: Any) -> Any:
        return load(*args, **{**kwargs, "weights_only": True})

    def read_checked(type_: Any, text: bytes) -> Any:
        check_text(json.loads(text))
        return read(type_, text)

    def find_op(deserializer: Any, name: str) -> Any:
        found = find(deserializer, name)
        if isinstance(found, torch._ops.OpOverload) and any(one.name == "filename" for one in found._schema.arguments):
            raise HoldsCodeError(f"a call of {name}, which opens a file")
        if isinstance(found, torch._ops.OpOverload) and not re.fullmatch(_NAMESPACES, found.namespace):
            raise HoldsCodeError(f"a call of {name}, which is no op that only computes")
        if isinstance(found, torch._ops.HigherOrderOperator) and not _HIGHER_ORDER.fullmatch(str(found)):
            raise HoldsCodeError(f"a call of {name}, which runs more than this program")
        if isinstance(found, str | torch._ops.OpOverload | torch._ops.HigherOrderOperator) or found in serde._SYM_OPS:
            return found
        raise HoldsCodeError(f"a call of {name}, which is no op")

    no_pickle = types.SimpleNamespace(load=_refuse("pickled objects"), loads=_refuse("pickled objects"))
    with contextlib.ExitStack() as stack:
        for place, name, replacement in (
            (torch, "load", load_tensors),
            (package, "pickle", no_pickle),
            (package, "_load_aoti", _refuse("a compiled library")),
            (serde, "_bytes_to_dataclass", read_checked),
            (serde.GraphModuleDeserializer, "deserialize_operator", find_op),
        ):
            stack.callback(setattr, place, name, getattr(place, name))
            setattr(place, name, replacement)
        yield


def _refuse(what: str) -> Any:
    def refuse(*_: Any, **__: Any) -> Any:
        raise HoldsCodeError(what)

    return refuse


def check_text(value: Any, key: str = "") -> None:
    """Refuse a program's JSON if any text in it could become code.

    Args:
        value: The JSON, or a part of it.
        key: The key it stands under.

    Raises:
        HoldsCodeError: With the text.
    """
    if key in _UNREAD and _is_text(value):
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            check_text(name)
            check_text(inner, name)
    elif isinstance(value, list):
        for inner in value:
            check_text(inner)
    elif isinstance(value, str):
        if key == "expr_str":
            _check_size(value)
        elif key in _SPECS:
            _check_spec(value)
        elif not _NAME.fullmatch(value):
            raise HoldsCodeError(f"{value[:60]!r} where a name should be")


def _is_text(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return all(isinstance(part, str) for part in parts)


def _check_spec(value: Any) -> None:
    """The structure of arguments: JSON, and within it the keys of dictionaries as JSON once more."""
    if isinstance(value, dict):
        if _IMPORTS & value.keys():
            raise HoldsCodeError("the name of a module to import")
        for name, inner in value.items():
            check_text(name)
            _check_spec(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_spec(inner)
    elif isinstance(value, str):
        try:
            inside = json.loads(value)
        except ValueError:
            inside = value
        if isinstance(inside, dict | list):
            _check_spec(inside)
        else:
            check_text(inside)


def _check_size(text: str) -> None:
    """A size as sympy writes it, which torch reads with eval."""
    try:
        parts = list(ast.walk(ast.parse(text, mode="eval"))) if _SIZE.fullmatch(text) else []
    except SyntaxError:
        parts = []
    if not parts or not all(isinstance(part, _SIZE_PARTS) and _is_plain(part) for part in parts):
        raise HoldsCodeError(f"{text[:60]!r} where a size should be")


def _is_plain(part: ast.AST) -> bool:
    if isinstance(part, ast.Call):
        name = part.func.id if isinstance(part.func, ast.Name) else ""
        return bool(_SYMPY.fullmatch(name)) or name in _torch_classes()
    return not isinstance(part, ast.Constant) or not isinstance(part.value, str) or part.value.isidentifier()


@functools.cache
def _torch_classes() -> frozenset[str]:
    from torch.utils._sympy import functions

    own = {name for name, value in vars(functions).items() if getattr(value, "__module__", "") == functions.__name__}
    return frozenset(name for name in own if name[:1].isupper())
