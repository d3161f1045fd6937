"""PyTorch's files: what loads, and what would run code of its own and does not."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from packager.errors import PackagingError  # noqa: E402  needs torch
from packager.sources.torch_archives import HoldsCodeError, check_text  # noqa: E402
from packager.sources.torch_files import is_torchscript, load_checkpoint, load_module  # noqa: E402

pytestmark = [pytest.mark.pytorch, pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")]

Change = Callable[[str, bytes], "bytes | None"]
X = torch.linspace(-1, 1, 6).reshape(2, 3)


class Affine(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(3.0))
        self.offset = torch.ones(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight + self.offset


class Chosen(Affine):
    """What torch writes guards of: a dictionary's keys and a string."""

    def forward(self, x: Any, mode: str) -> Any:
        return x["a"] * self.weight + x["b c"]


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What is there once code of a file ran."""
    return tmp_path / "ran"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with a weight, a constant, and a batch of any size, so that it holds sizes as text."""
    batch = ({0: torch.export.Dim("batch")},)
    return _export(Affine(), (X,), tmp_path_factory.mktemp("exported") / "affine.pt2", dynamic_shapes=batch)


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _export(Chosen(), ({"a": X, "b c": X}, "fast"), tmp_path_factory.mktemp("exported") / "chosen.pt2")


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scripted") / "m.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(torch.nn.Sequential(Affine().eval())), path)
    return path


def _export(module: Any, example: Any, path: Path, **settings: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        torch.export.save(torch.export.export(module.eval(), example, **settings), path)
    return path


def _rewrite(source: Path, target: Path, change: Change, rename: Callable[[str], str] = str) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(rename(name), data)
    return target


def _in_program(change: Callable[[dict[str, Any], str], Any]) -> Callable[[str], Change]:
    """An attack by what stands in the program's JSON; `change` bends it, or gives a new text."""

    def attack(command: str) -> Change:
        def edit(name: str, data: bytes) -> bytes:
            if "/models/" not in name:
                return data
            program = json.loads(data)
            text = change(program, command)
            return text.encode() if isinstance(text, str) else json.dumps(program).encode()

        return edit

    return attack


def _in_op(program: dict[str, Any], command: str) -> None:
    for node in program["graph_module"]["graph"]["nodes"]:
        node["target"] = "torch.os.system"
        node["inputs"] = [{"name": "", "arg": {"as_string": command}, "kind": 1}]
    program["verifiers"] = []


def _in_guard(program: dict[str, Any], command: str) -> None:
    program["guards_code"] = [f"__import__('os').system({command!r}) == 0"]


def _in_size(program: dict[str, Any], command: str) -> str:
    size = '"expr_str": "Symbol(\'s77\', positive=True, integer=True)"'
    text = json.dumps(program)
    assert size in text
    return text.replace(size, f"\"expr_str\": \"__import__('os').system('{command}')\"")


def _in_name(program: dict[str, Any], command: str) -> str:
    return json.dumps(program).replace('"x"', json.dumps(f"x=__import__('os').system('{command}')"))


def _in_file_op(program: dict[str, Any], command: str) -> None:
    """An op, so none of the attacks on Python; but it makes the file, of any content."""
    node = program["graph_module"]["graph"]["nodes"][0]
    node["target"] = "torch.ops.aten.from_file.default"
    values = {"filename": {"as_string": command.split()[1]}, "shared": {"as_bool": True}, "size": {"as_int": 3}}
    node["inputs"] = [{"name": name, "arg": value, "kind": 1} for name, value in values.items()]


def _in_structure(**node: Any) -> Callable[[dict[str, Any], str], None]:
    """A structure of the arguments for which torch imports a module."""

    def change(program: dict[str, Any], command: str) -> None:
        signature = program["graph_module"]["module_call_graph"][0]["signature"]
        protocol, structure = json.loads(signature["in_spec"])
        structure["children_spec"][1].update(node)
        signature["in_spec"] = json.dumps([protocol, structure])

    return change


ENUM = _in_structure(context=json.dumps([{"__enum__": True, "fqn": "hostile_neighbour:E", "name": "A"}]))
FACTORY = _in_structure(
    type="collections.defaultdict",
    context={"default_factory_module": "hostile_neighbour", "default_factory_name": "E", "dict_context": []},
)

PROGRAM_ATTACKS = {
    "op": (_in_program(_in_op), "holds a call of torch.os.system, which is no op"),
    "op on files": (_in_program(_in_file_op), "from_file.default, which opens a file"),
    "enum": (_in_program(ENUM), "holds the name of a module to import"),
    "factory": (_in_program(FACTORY), "holds the name of a module to import"),
    "size": (_in_program(_in_size), "where a size should be"),
    "name": (_in_program(_in_name), "where a name should be"),
}


@pytest.mark.parametrize("attack", PROGRAM_ATTACKS)
def test_a_program_that_holds_code_is_refused_and_runs_none(
    attack: str, exported: Path, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, words = PROGRAM_ATTACKS[attack]
    (tmp_path / "hostile_neighbour.py").write_text(f"import os\nos.mkdir({str(mark)!r})")
    monkeypatch.delitem(sys.modules, "hostile_neighbour", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    path = _rewrite(exported, tmp_path / "bad.pt2", make(f"touch {mark}"))
    with pytest.raises(PackagingError) as caught:
        load_module(path, trust=False).module()(X)
    assert words in str(caught.value)
    assert str(caught.value).endswith("if you trust whoever made it, say trust = true in the recipe's [model] section")
    assert not mark.exists()
    with contextlib.suppress(Exception):
        load_module(path, trust=True).module()(X)
    assert mark.exists() or attack == "op"  # so the attack is one; that one this torch refuses as well


def test_guards_are_left_out(exported: Path, mark: Path, tmp_path: Path) -> None:
    """They are Python that torch runs, and all that they do is to compare inputs with the export's."""
    path = _rewrite(exported, tmp_path / "bad.pt2", _in_program(_in_guard)(f"touch {mark}"))
    torch.testing.assert_close(load_module(path, trust=False).module()(X), Affine()(X))
    assert not mark.exists()
    load_module(path, trust=True).module()(X)
    assert mark.exists()  # so the attack is one


STRING = "' or __import__('os').system({!r}) or '"
KEY = " + str(__import__('os').system({!r})) + "


@pytest.mark.parametrize("place", ["string", "key"])
def test_text_that_torch_would_write_into_guards_stays_text(
    place: str, chosen: Path, mark: Path, tmp_path: Path
) -> None:
    command = f"touch {mark}"

    def edit(name: str, data: bytes) -> bytes:
        if place == "string" and "/models/" in name:
            return data.replace(b'"fast"', json.dumps(STRING.format(command)).encode())
        if place == "key" and "/sample_inputs/" in name:
            file = io.BytesIO()
            torch.save((({KEY.format(command): X, "b c": X}, "fast"), {}), file)
            return file.getvalue()
        return data

    path = _rewrite(chosen, tmp_path / "bad.pt2", edit)
    for trust in (False, True):
        with contextlib.suppress(RuntimeError, AssertionError, ValueError):
            load_module(path, trust=trust).module()({"a": X, "b c": X}, "fast")
        assert mark.exists() == trust  # with trust it runs, so the attack is one


@pytest.mark.parametrize(
    "entry", ["weights/weight_0", "constants/tensor_0", "constants/opaque_obj_0", "sample_inputs/model.pt"]
)
def test_a_pickle_in_place_of_a_programs_tensor_is_refused(
    entry: str, exported: Path, mark: Path, tmp_path: Path
) -> None:
    def edit(name: str, data: bytes) -> bytes:
        if name.endswith("_config.json"):
            config = json.loads(data)
            for tensor in config["config"].values():
                tensor["use_pickle"] = entry.startswith(name.split("/")[2])
            return json.dumps(config).replace("tensor_0", constant).encode()
        return pickle.dumps(Payload(mark), protocol=2) if f"/{entry}" in name.replace("tensor_0", constant) else data

    constant = "opaque_obj_0" if "opaque" in entry else "tensor_0"
    path = _rewrite(exported, tmp_path / "bad.pt2", edit, lambda name: name.replace("tensor_0", constant))
    with pytest.raises(PackagingError, match=r"holds pickled (Python )?objects, and loading that can run any code"):
        load_module(path, trust=False)
    assert not mark.exists()
    with contextlib.suppress(PackagingError):
        load_module(path, trust=True)
    assert mark.exists()  # so the attack is one


def test_a_compiled_library_in_a_program_is_not_loaded(exported: Path, tmp_path: Path) -> None:
    path = _rewrite(exported, tmp_path / "bad.pt2", lambda _, data: data)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("affine/data/aotinductor/model/evil.so", b"\x7fELF")
    with pytest.raises(PackagingError, match="holds a compiled library"):
        load_module(path, trust=False)


def test_a_program_without_code_loads_and_nothing_stays_patched(exported: Path) -> None:
    import torch.export.pt2_archive._package as package

    before = (torch.load, package.pickle, package._load_aoti)
    program = load_module(exported, trust=False)
    torch.testing.assert_close(program.module()(torch.cat([X, X])), Affine()(torch.cat([X, X])))
    assert (torch.load, package.pickle, package._load_aoti) == before


@pytest.mark.parametrize(
    "text",
    [
        "exec(chr(120))",
        "Symbol('a').__class__",
        "Symbol('s0')+Symbol(__import__)()",
        "Max('__import__(0)', 1)",
        "[1 for x in y]",
        "lambda: 0",
        "(yield)",
        "a\nb",
        "",
        "Function('x')(1)",
    ],
)
def test_sizes_are_arithmetic_and_nothing_else(text: str) -> None:
    with pytest.raises(HoldsCodeError, match="where a size should be"):
        check_text({"as_expr": {"expr_str": text}})


@pytest.mark.parametrize(
    "value",
    [
        {"expr_str": "Mul(Integer(2), FloorDiv(Symbol('s27', positive=True, integer=True), Integer(2)))"},
        {"expr_str": "s0 + 2*u1"},
        {"metadata": {"stack_trace": 'File "x.py", line 1\n  y = f(x)'}},
        {"guards_code": ["L['x'].size()[0] >= 2"]},
        {"as_string": "bct,bcs->bts"},
        {"in_spec": json.dumps([1, {"type": "builtins.dict", "context": json.dumps(["a/b", "c"])}])},
    ],
)
def test_what_torch_itself_writes_passes(value: dict[str, Any]) -> None:
    check_text(value)


@pytest.mark.parametrize(
    "value",
    [
        {"in_spec": json.dumps([1, {"context": json.dumps(["a=f()"])}])},
        {"out_spec": json.dumps([1, {"children_spec": [{"context": json.dumps({"k": [{"__enum__": True}]})}]}])},
        {"tensor_values": {"metadata": {"sizes": [{"as_expr": {"expr_str": "f()"}}]}}},  # a tensor may be called so
        {"f()": {}},
        {"name": "a;b"},
    ],
)
def test_code_where_names_stand_is_found_anywhere(value: dict[str, Any]) -> None:
    with pytest.raises(HoldsCodeError):
        check_text(value)


def _save_payload(path: Path, mark: Path, how: str) -> Path:
    if how == "bare":
        path.write_bytes(pickle.dumps(Payload(mark), protocol=2))
    else:
        content = {"model": torch.ones(2), "more": Payload(mark)}
        torch.save(content, path, _use_new_zipfile_serialization=how == "zip")
    return path


@pytest.mark.parametrize("how", ["zip", "legacy", "bare"])
@pytest.mark.parametrize("load", [load_checkpoint, load_module], ids=["checkpoint", "module"])
def test_pickles_are_not_loaded_without_trust(how: str, load: Callable[..., Any], mark: Path, tmp_path: Path) -> None:
    path = _save_payload(tmp_path / "bad.pt", mark, how)
    with pytest.raises(PackagingError, match=r"holds pickled Python objects.* say trust = true"):
        load(path, trust=False)
    assert not mark.exists()


def test_with_trust_they_are(mark: Path, tmp_path: Path) -> None:
    load_checkpoint(_save_payload(tmp_path / "good.pt", mark, "zip"), trust=True)
    assert mark.exists()


def test_checkpoints_of_tensors_need_no_trust(tmp_path: Path) -> None:
    state = {"a": torch.arange(3.0), "epoch": 4, "nested": {"b": [torch.ones(2)]}}
    torch.save(state, tmp_path / "c.pt")
    found = load_checkpoint(tmp_path / "c.pt", trust=False)
    assert torch.equal(found["a"], state["a"]) and found["epoch"] == 4
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file({"a": state["a"]}, tmp_path / "c.safetensors")
    assert torch.equal(load_checkpoint(tmp_path / "c.safetensors", trust=False)["a"], state["a"])


def test_a_pickled_module_loads_with_trust_alone(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(3, 2), tmp_path / "m.pt")
    assert isinstance(load_module(tmp_path / "m.pt", trust=True), torch.nn.Linear)
    with pytest.raises(PackagingError, match="say trust = true"):
        load_module(tmp_path / "m.pt", trust=False)
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "s.pt")
    with pytest.raises(PackagingError, match="holds a OrderedDict, not a model: write a factory"):
        load_module(tmp_path / "s.pt", trust=True)


def test_torchscript_is_a_module_and_as_weights_too(scripted: Path) -> None:
    assert is_torchscript(scripted)
    for load in (load_module, load_checkpoint):
        script = load(scripted, trust=False)
        assert isinstance(script, torch.jit.ScriptModule) and not script.training
        torch.testing.assert_close(script(X), Affine()(X))


def test_a_pickle_inside_torchscript_is_not_pythons(scripted: Path, mark: Path, tmp_path: Path) -> None:
    payload = pickle.dumps(Payload(mark), protocol=2)
    path = _rewrite(scripted, tmp_path / "bad.pt", lambda name, data: payload if name.endswith("data.pkl") else data)
    for load in (load_module, load_checkpoint):
        with pytest.raises(PackagingError, match="PyTorch cannot load it"):
            load(path, trust=False)
    assert not mark.exists()


@pytest.mark.parametrize(
    "call",
    [
        'torch.save(input, "{}")',
        'ops.aten.save(input, "{}")',
        'torch.\\\n      save(input, "{}")',
        'getattr(torch, "save")(input, "{}")',
        'getattr(torch, "sa" "ve")(input, "{}")',
        'getattr(torch, "sa\\166e")(input, "{}")',
        'input = torch.from_file("{}", True, 3, dtype=6)',
    ],
)
@pytest.mark.parametrize("ending", [".py", ".PY"])
def test_torchscript_that_writes_files_is_refused(
    call: str, ending: str, scripted: Path, mark: Path, tmp_path: Path
) -> None:
    """Of any content, as a shell's start-up file; and some of it runs at load."""

    def edit(name: str, data: bytes) -> bytes:
        line = f"    {call.format(mark)}\n    return (_0)".encode()
        return data.replace(b"    return (_0)", line) if name.endswith(".py") else data

    path = _rewrite(
        scripted, tmp_path / "bad.pt", edit, lambda name: name.removesuffix(".py") + ending * (".py" in name[-3:])
    )
    for load in (load_module, load_checkpoint):
        with pytest.raises(
            PackagingError, match=r"holds TorchScript with '\w+', which can open files, .* trust = true"
        ):
            load(path, trust=False)
    assert not mark.exists()
    load_module(path, trust=True)(X)
    assert mark.exists()  # so the attack is one


@pytest.mark.parametrize("entry", ["../hostile", "/tmp/testpress_hostile", "m/../../hostile"])
def test_names_in_an_archive_lead_to_no_file(entry: str, scripted: Path, exported: Path, tmp_path: Path) -> None:
    """Nothing is unpacked: a file under such a name is not written, wherever that would be."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    for source in (scripted, exported):
        path = _rewrite(source, folder / source.name, lambda _, data: data)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(entry, b"x")
        with contextlib.suppress(PackagingError):
            load_module(path, trust=False)
        assert {file.name for file in tmp_path.rglob("*") if file.is_file()} <= {"m.pt", "affine.pt2"}
    assert not Path("/tmp/testpress_hostile").exists()


@pytest.mark.parametrize("name", ["m.pt", "m.pt2", "m.jit", "m.safetensors", "m.pth"])
@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04" + b"\0" * 40])
def test_damaged_files_say_so_in_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    load = load_checkpoint if name == "m.safetensors" else load_module
    for trust in (False, True):
        with pytest.raises(PackagingError) as caught:
            load(tmp_path / name, trust=trust)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(caught.value)
