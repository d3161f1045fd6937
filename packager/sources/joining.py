"""Several exported programs, one for each way through a model's branches, as one.

All nodes go into one table, in which what computes the same of the same is one entry: what comes before a branch is
then shared by itself. Behind it, two results of one op on different values are that op on the value that is chosen,
since the question is one truth value for the whole call; so the choice is made as early as it can be, and what follows
a branch runs once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node


MOST_COMPARED = 2**16
"""elements of constants that are compared; larger ones are one only where they are one tensor"""


class DifferentWaysError(Exception):
    """Two ways give what no choice between values can stand for."""


@dataclass(frozen=True)
class BranchPath:
    """One way through the branches.

    Attributes:
        choices: The answers that lead there, in order.
        program: Its outputs are the model's, then the questions.
        names: Of the model's outputs.
    """

    choices: tuple[bool, ...]
    program: ExportedProgram
    names: Sequence[str]


@dataclass(frozen=True)
class _Ref:
    """An entry's number, where an op's arguments name it."""

    number: int


@dataclass(frozen=True)
class _Entry:
    """One value.

    Attributes:
        kind: "input", "held" or "op".
        target: The position of an input, the name of what is held, or the op.
        args: Of an op, with `_Ref`s.
        kwargs: Likewise.
        node: Where it came from.
        follows: Whether it depends on an input.
    """

    kind: str
    target: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    node: Any
    follows: bool


def join_paths(ways: Sequence[BranchPath], export: Callable[[Any], Any]) -> Any:
    """One program that computes all ways and chooses.

    Args:
        ways: At least one.
        export: Exports a module with the example inputs.

    Raises:
        DifferentWaysError: The ways give tensors of different sizes or types, or ask different things.
    """
    if not ways:
        raise DifferentWaysError("every way ends in an error")
    table = _Table()
    programs = _without_writes([way.program for way in ways])
    found = [(way, table.add_program(program)) for way, program in zip(ways, programs, strict=True)]
    count = len(ways[0].names)
    if any(list(way.names) != list(ways[0].names) for way in ways):
        raise DifferentWaysError("the ways return different outputs")
    results = _fold(table, [(way.choices, values[:count], values[count:]) for way, values in found], 0)
    return export(_make_joined(table, results, ways[0].names))


_Leaf = tuple[tuple[bool, ...], list[int], list[int]]


def _fold(table: _Table, leaves: Sequence[_Leaf], depth: int) -> list[int]:
    if len(leaves) == 1:
        return leaves[0][1]
    sides = [[leaf for leaf in leaves if leaf[0][depth] is side] for side in (True, False)]
    folded = [_fold(table, side, depth + 1) for side in sides if side]
    if len(folded) == 1:
        return folded[0]
    asked = {leaf[2][depth] for leaf in leaves}
    if len(asked) != 1:
        raise DifferentWaysError("the ways ask different things")
    (question,) = asked
    return [table.choose(question, a, b) for a, b in zip(*folded, strict=True)]


class _Table:
    """All values of all ways.

    Attributes:
        entries: By number.
        held: Parameters, buffers and constants, by the name under which entries know them.
    """

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.held: dict[str, Any] = {}
        self._known: dict[Any, int] = {}
        self._chosen: dict[tuple[int, int, int], int | None] = {}

    def add_program(self, program: ExportedProgram) -> list[int]:
        """Add a program's values; gives its outputs' numbers."""
        import torch

        numbers: dict[Any, int] = {}
        inputs = list(program.graph_signature.user_inputs)
        specs = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
        for node in program.graph.nodes:
            if node.op == "placeholder":
                spec = specs[node.name]
                if spec.target is None:
                    numbers[node] = self._intern("input", inputs.index(node.name), node=node)
                else:
                    value = program.state_dict.get(spec.target, program.constants.get(spec.target))
                    numbers[node] = self._intern("held", self._hold(spec.target, value), node=node)
            elif node.op == "call_function" and isinstance(node.target, torch._ops.HigherOrderOperator):
                raise DifferentWaysError(f"{node.target} is within a branch")
            elif node.op == "call_function":
                args = _renamed(node.args, numbers)
                numbers[node] = self._intern("op", node.target, args, _renamed(dict(node.kwargs), numbers), node=node)
            elif node.op == "output":
                return [numbers[one] for one in node.args[0]]
            else:
                raise DifferentWaysError(f"{node.op} {node.target} is within a branch")
        raise AssertionError("a graph without output")

    def _hold(self, name: str, value: Any) -> str:
        if name not in self.held:
            same = (known for known, held in self.held.items() if _same_value(held, value))
            name = next(same, name)
        while name in self.held and not _same_value(self.held[name], value):
            name += "_other"
        self.held[name] = value
        return name

    def _intern(self, kind: str, target: Any, args: Any = (), kwargs: Any = None, *, node: Node) -> int:
        kwargs = kwargs or {}
        key = (kind, target, _frozen(args), _frozen(kwargs))
        if key not in self._known:
            follows = kind == "input" or any(self.entries[ref.number].follows for ref in _refs((args, kwargs)))
            self._known[key] = len(self.entries)
            self.entries.append(_Entry(kind, target, args, kwargs, node, follows))
        return self._known[key]

    def choose(self, question: int, a: int, b: int) -> int:
        """The number of what is `a` where the question's answer is yes, else `b`."""
        found = self._choose(question, a, b)
        if found is None:
            raise DifferentWaysError("a branch changes the size or the type of a tensor")
        return found

    def _choose(self, question: int, a: int, b: int) -> int | None:
        if a == b:
            return a
        key = (question, a, b)
        if key not in self._chosen:
            self._chosen[key] = None
            found = self._choose_earlier(question, a, b)
            self._chosen[key] = self._choose_here(question, a, b) if found is None else found
        return self._chosen[key]

    def _choose_earlier(self, question: int, a: int, b: int) -> int | None:
        """One op on chosen values, where both are results of that op."""
        one, other = self.entries[a], self.entries[b]
        alike = one.kind == other.kind == "op" and one.target is other.target
        refs = [_refs((entry.args, entry.kwargs)) for entry in (one, other)]
        shapes = [_frozen((entry.args, entry.kwargs), blind=True) for entry in (one, other)]
        if not alike or shapes[0] != shapes[1]:
            return None
        chosen: dict[int, int] = {}
        for left, right in zip(*refs, strict=True):
            if left == right:
                continue
            # A choice between weights would make every product one of two computed values.
            if not (self.entries[left.number].follows and self.entries[right.number].follows):
                return None
            found = self._choose(question, left.number, right.number)
            if found is None or chosen.get(left.number, found) != found:
                return None
            chosen[left.number] = found
        if not chosen or any(left == right and left.number in chosen for left, right in zip(*refs, strict=True)):
            return None
        args, kwargs = _mapped((one.args, one.kwargs), lambda ref: _Ref(chosen.get(ref.number, ref.number)))
        return self._intern("op", one.target, args, kwargs, node=one.node)

    def _choose_here(self, question: int, a: int, b: int) -> int | None:
        import torch

        values = [self.entries[number].node.meta.get("val") for number in (a, b)]
        if not all(isinstance(value, torch.Tensor) for value in values):
            return None
        if values[0].shape != values[1].shape or values[0].dtype != values[1].dtype:
            return None
        where = torch.ops.aten.where.self
        return self._intern("op", where, (_Ref(question), _Ref(a), _Ref(b)), node=self.entries[a].node)

    def order(self, results: Sequence[int]) -> list[int]:
        """The numbers that results need, each after what it needs."""
        done: dict[int, None] = {}
        waiting = list(reversed(results))
        while waiting:
            number = waiting[-1]
            entry = self.entries[number]
            missing = [ref.number for ref in _refs((entry.args, entry.kwargs)) if ref.number not in done]
            if missing and number not in done:
                waiting += missing
            else:
                done[waiting.pop()] = None
        return list(done)


def _without_writes(programs: Sequence[ExportedProgram]) -> list[ExportedProgram]:
    """Programs whose ops write nothing; all of them are of one kind of ops, so that what is alike looks alike."""
    from packager.rewrites.torch.inlining import inline_regions

    flat = [inline_regions(program) for program in programs]
    schemas = (getattr(node.target, "_schema", None) for program in flat for node in program.graph.nodes)
    writes = any(schema is not None and schema.is_mutable for schema in schemas)
    return [program.run_decompositions({}) for program in flat] if writes else flat


def _same_value(a: Any, b: Any) -> bool:
    import torch

    if a is b:
        return True
    small = a.numel() <= MOST_COMPARED
    return small and a.dtype == b.dtype and a.shape == b.shape and bool(torch.equal(a, b))


def _mapped(value: Any, call: Callable[[_Ref], Any]) -> Any:
    if isinstance(value, _Ref):
        return call(value)
    if isinstance(value, list | tuple):
        return type(value)(_mapped(one, call) for one in value)
    if isinstance(value, dict):
        return {key: _mapped(one, call) for key, one in value.items()}
    return value


def _renamed(value: Any, numbers: Mapping[Any, int]) -> Any:
    from torch.fx.node import map_arg

    rename: Any = lambda node: _Ref(numbers[node])  # noqa: E731  fx knows no such arguments
    plain: Any = map_arg(value, rename)
    return list(plain) if isinstance(value, list) else tuple(plain) if isinstance(value, tuple) else dict(plain)


def _refs(value: Any) -> list[_Ref]:
    found: list[_Ref] = []
    _mapped(value, found.append)
    return found


def _frozen(value: Any, *, blind: bool = False) -> Any:
    """An op's arguments as a key; `blind` does not tell the entries that they name."""
    if isinstance(value, _Ref):
        return "ref" if blind else value
    if isinstance(value, list | tuple):
        return tuple(_frozen(one, blind=blind) for one in value)
    if isinstance(value, Mapping):
        return tuple(sorted((key, _frozen(one, blind=blind)) for key, one in value.items()))
    return (type(value).__name__, repr(value))


def _make_joined(table: _Table, results: Sequence[int], names: Sequence[str]) -> Any:
    """A module that computes entries, and holds what they need under the names that the model has for it."""
    import torch

    order = table.order(results)

    class Joined(torch.nn.Module):
        def forward(self, *tensors: Any) -> dict[str, Any]:
            values: dict[int, Any] = {}
            for number in order:
                entry = table.entries[number]
                if entry.kind == "input":
                    values[number] = tensors[entry.target]
                elif entry.kind == "held":
                    values[number] = _find_held(self, entry.target)
                else:
                    args, kwargs = _mapped((entry.args, dict(entry.kwargs)), lambda ref: values[ref.number])
                    with torch.fx.traceback.set_current_meta(entry.node):
                        values[number] = entry.target(*args, **kwargs)
            return {name: values[number] for name, number in zip(names, results, strict=True)}

    module = Joined()
    for number in order:
        if table.entries[number].kind == "held":
            _hold(module, table.entries[number].target, table.held[table.entries[number].target])
    return module.eval()


def _hold(module: Any, target: str, value: Any) -> None:
    import torch

    *path, name = target.split(".")
    for step in path:
        if step not in module._modules:
            module.add_module(step, torch.nn.Module())
        module = module._modules[step]
    if isinstance(value, torch.nn.Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _find_held(module: Any, target: str) -> Any:
    *path, name = target.split(".")
    for step in path:
        module = module._modules[step]
    return getattr(module, name)
