"""Damages a package in many ways and tries each: run in a process of its own by test_damaged.py.

python damage.py FOLDER COUNT: for each damage, COUNT of each kind to each package in the folder, a line of JSON before,
which a crash leaves as the last, and one after.
"""

from __future__ import annotations

import itertools
import json
import random
import resource
import shutil
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SPARE_BYTES = 2 << 30
"""of address space beyond what is in use once all is imported: more, and an allocation fails"""

NUMBERS = (0, 1, -1, 2, 3, 7, 255, -128, 65552, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -1.0, 0.5, 1e30, -1e30, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", "x", "y", "main", "conv", "fp16", "valid", "custom", "../../weights", "CoreML5", "\x00", "é" * 50)


def specification_of(package: Path) -> Path:
    return next(package.rglob("model.mlmodel"))


def flip_bytes(chance: random.Random, package: Path) -> None:
    """Single bits of the specification."""
    file = specification_of(package)
    data = bytearray(file.read_bytes())
    for _ in range(chance.choice((1, 1, 2, 8))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def splice_bytes(chance: random.Random, package: Path) -> None:
    """A stretch of the specification cut out, doubled or replaced, or its end missing."""
    file = specification_of(package)
    data = file.read_bytes()
    begin = chance.randrange(len(data))
    end = min(len(data), begin + chance.choice((1, 4, 40, 4000)))
    noise = chance.randbytes(chance.choice((1, 4, 40)))
    middle = chance.choice((b"", data[begin:end] * 2, noise))
    file.write_bytes(data[:begin] if chance.random() < 0.2 else data[:begin] + middle + data[end:])


def change_weights(chance: random.Random, package: Path) -> None:
    """The weight file cut, emptied, overwritten or with other records."""
    file = next(package.rglob("weight.bin"))
    data = bytearray(file.read_bytes())
    way = chance.randrange(5)
    if way == 0:
        del data[chance.randrange(len(data)) :]
    elif way == 1:
        begin = chance.randrange(len(data))
        data[begin : begin + 64] = chance.randbytes(64)
    elif way == 2:  # a field of a record: mark, type, size, offset of the data
        records = [i for i in range(0, len(data) - 32, 64) if data[i : i + 4] == b"\xef\xbe\xad\xde"]
        at, field = chance.choice(records), chance.choice((("<I", 0), ("<I", 4), ("<Q", 8), ("<Q", 16), ("<Q", 24)))
        struct.pack_into(
            field[0], data, at + field[1], chance.choice(NUMBERS) % (1 << (32 if field[0] == "<I" else 64))
        )
    elif way == 3:
        data[:64] = chance.randbytes(64)
    else:
        data = bytearray(chance.randbytes(chance.choice((0, 10, 64, 200))))
    file.write_bytes(data)


def change_manifest(chance: random.Random, package: Path) -> None:
    """The manifest's text, or a value in it."""
    file = package / "Manifest.json"
    text = file.read_text()
    odd = chance.choice((None, 1, [], {}, "", "..", "/", "x" * 300, "\x00", True, {"path": 3}, ["path"]))
    way = chance.randrange(3)
    if way == 0:
        file.write_bytes(text.encode()[: chance.randrange(len(text))] + chance.randbytes(3))
        return
    manifest = json.loads(text)
    place: Any = manifest
    while way == 2 and isinstance(place, dict) and (inner := [v for v in place.values() if isinstance(v, dict)]):
        place = chance.choice(inner)
    place[chance.choice(list(place))] = odd
    file.write_text(json.dumps(manifest))


def change_fields(chance: random.Random, package: Path) -> None:
    """Fields of the specification, which stays well-formed: numbers, names, kinds, lost and doubled entries."""
    from evaluators.emulators.coreml.protobuf import load_schema

    file = specification_of(package)
    model = load_schema().model.Model.FromString(file.read_bytes())
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        if places := [*_places(model)]:
            _change(chance, *chance.choice(places))
    file.write_bytes(model.SerializeToString(deterministic=True))


def _places(message: Any) -> Iterator[tuple[Any, Any]]:
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is None:
            continue
        repeated = field.is_repeated
        # A map's own order is another in each process.
        mapped = repeated and hasattr(value, "values")
        inner = [value[key] for key in sorted(value)] if mapped else value if repeated else [value]
        for item in inner:
            if hasattr(item, "ListFields"):
                yield from _places(item)


def _change(chance: random.Random, message: Any, field: Any) -> None:
    value = getattr(message, field.name)
    if field.message_type is not None:
        if not field.is_repeated or chance.random() < 0.3:
            message.ClearField(field.name)
        elif hasattr(value, "keys"):
            value.pop(chance.choice(sorted(value)), None)
        elif chance.random() < 0.5:
            del value[chance.randrange(len(value))]
        else:
            value.add().CopyFrom(chance.choice(value))
        return
    odd = _odd(chance, field)
    try:
        if field.is_repeated:
            value[chance.randrange(len(value))] = odd
        else:
            setattr(message, field.name, odd)
    except (TypeError, ValueError):  # the field is narrower than the number
        message.ClearField(field.name)


def _odd(chance: random.Random, field: Any) -> Any:
    if field.cpp_type in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return chance.choice(FLOATS)
    if field.cpp_type == field.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if field.cpp_type == field.CPPTYPE_STRING:
        text = chance.choice(TEXTS)
        return text.encode() if field.type == field.TYPE_BYTES else text
    return chance.choice(NUMBERS)


DAMAGES = {
    "flip_bytes": flip_bytes,
    "splice_bytes": splice_bytes,
    "change_weights": change_weights,
    "change_manifest": change_manifest,
    "change_fields": change_fields,
}


def try_model(path: Path) -> str:
    """`ran` or `refused: …`; anything else is raised."""
    import numpy as np

    from evaluators.emulators.coreml import CoreMLModel
    from evaluators.errors import EvaluationError

    try:
        model = CoreMLModel(path)
        state = model.make_state() if model.states else None
        try:
            inputs = {name: np.ones(feature.shape, feature.dtype.stored) for name, feature in model.inputs.items()}
        except (MemoryError, ValueError):  # no caller could make such an input
            return "refused: inputs of a size that cannot be had"
        model.predict(inputs, state)
    except EvaluationError as fault:
        return f"refused: {fault}"
    return "ran"


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    packages = sorted(folder.glob("*.mlpackage"))
    for package in packages:
        assert try_model(package) == "ran", package
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_BYTES, used + SPARE_BYTES))
    for package in packages:
        kinds = [kind for kind in DAMAGES if kind != "change_weights" or next(package.rglob("weight.bin"), None)]
        for kind, number in itertools.product(kinds, range(count)):
            _say({"package": package.name, "kind": kind, "number": number})
            _say(try_damaged(package, kind, number))


def try_damaged(package: Path, kind: str, number: int) -> dict[str, Any]:
    """What became of one damage, and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(package, Path(folder) / package.name))
        DAMAGES[kind](random.Random(f"{package.name} {kind} {number}"), copy)
        start_s = time.process_time()
        try:
            outcome = try_model(copy)
        except Exception as fault:  # noqa: BLE001  what is looked for
            outcome = "escaped: " + "".join(traceback.format_exception(fault))[-600:]
        return {"outcome": outcome[:700], "cpu_s": time.process_time() - start_s}


def _say(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
