"""PyTorch's files that attack whoever loads them: each maker writes one and returns its path."""

from __future__ import annotations

import json
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.packager.hostile_keras import Make, Traps

TORCH: dict[str, Make] = {}
"""attacks that run with trust"""
TORCH_QUIET: dict[str, Make] = {}
"""refused too; nothing shows whether they run: torch stops them by itself, or they exhaust memory"""


class Affine(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.offset = torch.nn.Parameter(torch.ones(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.offset


class Payload:
    """Makes the canary when it is unpickled."""

    def __init__(self, traps: Traps) -> None:
        self.path = str(traps.canary)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def attack(name: str, table: dict[str, Make] = TORCH) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        table[name] = make
        return make

    return add


def _script(traps: Traps, name: str = "m.pt") -> Path:
    path = traps.folder / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Sequential(Affine().eval())), path)
    return path


def _program(traps: Traps) -> Path:
    path = traps.folder / "m.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(Affine().eval(), (torch.ones(1, 8),)), path)
    return path


def rewrite(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            bent = change(name, data)
            if bent is not None:
                new.writestr(name, bent)
    return path


def _in_script(line: str) -> Make:
    """A line of TorchScript in the model's own code; `CANARY` and `SECRET` stand for the paths."""

    def make(traps: Traps) -> Path:
        said = line.replace("CANARY", str(traps.canary)).replace("SECRET", str(traps.secret))

        def edit(name: str, data: bytes) -> bytes:
            return (
                data.replace(b"    return (_0)", f"    {said}\n    return (_0)".encode())
                if name.endswith(".py")
                else data
            )

        return rewrite(_script(traps), edit)

    return make


TORCH.update(
    {
        "TorchScript that saves": _in_script('torch.save(input, "CANARY")'),
        "TorchScript that saves by ops": _in_script('ops.aten.save(input, "CANARY")'),
        "TorchScript that spells what it calls": _in_script('getattr(torch, "sa" "ve")(input, "CANARY")'),
        "TorchScript that maps a file": _in_script('input = torch.from_file("SECRET", True, 8, dtype=6)'),
        "TorchScript that makes a file by mapping it": _in_script(
            'input = torch.from_file("CANARY", True, 8, dtype=6)'
        ),
    }
)
TORCH_QUIET.update(
    {
        "TorchScript with an op of another namespace": _in_script('ops.debugprims.load_tensor("SECRET", [8], [1])'),
        "TorchScript with an object of C++": _in_script("a : __torch__.torch.classes.c10d.ReduceOp = uninitialized()"),
    }
)


@attack("a pickle in .pt")
def _(traps: Traps) -> Path:
    torch.save({"a": Payload(traps)}, traps.folder / "m.pt")
    return traps.folder / "m.pt"


@attack("a pickle in .pth, as weights")
def _(traps: Traps) -> Path:
    torch.save({"a": Payload(traps)}, traps.folder / "m.pth")
    return traps.folder / "m.pth"


@attack("a pickle in an old .pth, as weights")
def _(traps: Traps) -> Path:
    torch.save({"a": Payload(traps)}, traps.folder / "m.pth", _use_new_zipfile_serialization=False)
    return traps.folder / "m.pth"


@attack("a bare pickle in .pth, as weights")
def _(traps: Traps) -> Path:
    (traps.folder / "m.pth").write_bytes(pickle.dumps(Payload(traps), protocol=2))
    return traps.folder / "m.pth"


@attack("TorchScript that saves, as weights", TORCH_QUIET)
def _(traps: Traps) -> Path:
    return TORCH["TorchScript that saves"](traps).rename(traps.folder / "m.pth")


@attack("a pickle that is called .safetensors", TORCH_QUIET)
def _(traps: Traps) -> Path:
    (traps.folder / "m.safetensors").write_bytes(pickle.dumps(Payload(traps), protocol=2))
    return traps.folder / "m.safetensors"


@attack("TorchScript that is called .safetensors", TORCH_QUIET)
def _(traps: Traps) -> Path:
    return TORCH["TorchScript that saves"](traps).rename(traps.folder / "m.safetensors")


@attack("safetensors whose header says it is huge", TORCH_QUIET)
def _(traps: Traps) -> Path:
    (traps.folder / "m.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    return traps.folder / "m.safetensors"


@attack("safetensors with a tensor of a terabyte", TORCH_QUIET)
def _(traps: Traps) -> Path:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}}).encode()
    (traps.folder / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return traps.folder / "m.safetensors"


@attack("safetensors with JSON of depth 100,000", TORCH_QUIET)
def _(traps: Traps) -> Path:
    header = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    (traps.folder / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return traps.folder / "m.safetensors"


def _in_program(change: Callable[[Any, Traps], None]) -> Make:
    def make(traps: Traps) -> Path:
        def edit(name: str, data: bytes) -> bytes:
            if "/models/" not in name:
                return data
            program = json.loads(data)
            change(program, traps)
            return json.dumps(program).encode()

        return rewrite(_program(traps), edit)

    return make


def _map_file(program: Any, traps: Traps) -> None:
    node = program["graph_module"]["graph"]["nodes"][0]
    node["target"] = "torch.ops.aten.from_file.default"
    values = {"filename": {"as_string": str(traps.canary)}, "shared": {"as_bool": True}, "size": {"as_int": 8}}
    node["inputs"] = [{"name": name, "arg": value, "kind": 1} for name, value in values.items()]


def _call(target: str) -> Make:
    def change(program: Any, traps: Traps) -> None:
        for node in program["graph_module"]["graph"]["nodes"]:
            node["target"] = target

    return _in_program(change)


def _import(program: Any, traps: Traps) -> None:
    signature = program["graph_module"]["module_call_graph"][0]["signature"]
    protocol, structure = json.loads(signature["in_spec"])
    context = json.dumps([{"__enum__": True, "fqn": "hostile_neighbour:E", "name": "A"}])
    structure["children_spec"][1]["context"] = context
    signature["in_spec"] = json.dumps([protocol, structure])


def _guard(program: Any, traps: Traps) -> None:
    program["guards_code"] = [f"open({str(traps.canary)!r}, 'w') is not None"]


TORCH.update({"a .pt2 that maps a file": _in_program(_map_file), "a .pt2 that names a module": _in_program(_import)})
TORCH_QUIET.update(
    {
        "a .pt2 that calls os.system": _call("torch.os.system"),
        "a .pt2 that calls an op of another namespace": _call("torch.ops.debugprims.load_tensor.default"),
        "a .pt2 that calls a compiled library": _call("torch.ops.higher_order.aoti_call_delegate"),
    }
)


@attack("a pickle in place of a .pt2's tensor")
def _(traps: Traps) -> Path:
    def edit(name: str, data: bytes) -> bytes:
        if name.endswith("weights_config.json"):
            config = json.loads(data)
            for tensor in config["config"].values():
                tensor["use_pickle"] = True
            return json.dumps(config).encode()
        return pickle.dumps(Payload(traps), protocol=2) if "/weights/weight_0" in name else data

    return rewrite(_program(traps), edit)


@attack("a compiled library in a .pt2", TORCH_QUIET)
def _(traps: Traps) -> Path:
    path = rewrite(_program(traps), lambda _, data: data)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("m/data/aotinductor/model/evil.so", b"\x7fELF")
    return path


@attack("TorchScript that is called .pt2", TORCH_QUIET)
def _(traps: Traps) -> Path:
    return TORCH["TorchScript that saves"](traps).rename(traps.folder / "m.pt2")


@attack("an archive behind a pickle", TORCH_QUIET)
def _(traps: Traps) -> Path:
    path = TORCH["TorchScript that saves"](traps)
    path.write_bytes(pickle.dumps(Payload(traps), protocol=2) + path.read_bytes())
    return path


@attack("an archive behind an archive", TORCH_QUIET)
def _(traps: Traps) -> Path:
    """One reader sees the first's directory, another the second's."""
    good = _script(traps, "good.pt").read_bytes()
    path = TORCH["TorchScript that saves"](traps)
    path.write_bytes(good + path.read_bytes())
    return path


def _bend(change: Callable[[bytearray], None]) -> Make:
    def make(traps: Traps) -> Path:
        path = rewrite(_script(traps), lambda _, data: data)
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)
        return path

    return make


def _grow(data: bytearray) -> None:
    place = data.rfind(b"PK\1\2")
    data[place + 24 : place + 28] = struct.pack("<L", 2**32 - 2)


def _encrypt(data: bytearray) -> None:
    data[data.find(b"PK\1\2") + 8] |= 1


TORCH_QUIET.update(
    {
        "TorchScript with a member of 4 GiB": _bend(_grow),
        "TorchScript with an encrypted member": _bend(_encrypt),
        "TorchScript cut off": _bend(lambda data: data.__delitem__(slice(-100, None))),
        "TorchScript with a member above its folder": lambda traps: _add(_script(traps), "m/../../above"),
        "a .pt2 with a member above its folder": lambda traps: _add(_program(traps), "../above"),
        "JSON of depth 100,000 in .pt2": lambda traps: rewrite(
            _program(traps), lambda name, data: b"[" * 100_000 + b"]" * 100_000 if "/models/" in name else data
        ),
        "a number of 5,000 digits in .pt2": lambda traps: rewrite(
            _program(traps), lambda name, data: b'{"a": ' + b"1" * 5_000 + b"}" if "/models/" in name else data
        ),
        "brackets of depth 100,000 in TorchScript": _in_script("input = " + "(" * 100_000 + "input" + ")" * 100_000),
        "a sum of 100,000 parts in TorchScript": _in_script("input = " + "input + " * 100_000 + "input"),
        "100,000 signs in TorchScript": _in_script("input = " + "-" * 100_000 + "input"),
    }
)


def _add(path: Path, name: str) -> Path:
    rewrite(path, lambda _, data: data)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    return path


@attack("a .pt that unpacks to a thousand times its size", TORCH_QUIET)
def _(traps: Traps) -> Path:
    path = rewrite(_script(traps), lambda _, data: data)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("m/zeros", "w", force_zip64=True) as zeros,
    ):
        for _ in range(300):
            zeros.write(bytes(2**20))
    return path
