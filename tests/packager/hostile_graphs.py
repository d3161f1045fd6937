"""SavedModels that attack whoever loads them: each maker writes one and returns its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.packager.hostile_keras import Make, Traps

GRAPHS: dict[str, Make] = {}
"""attacks that run with trust"""
GRAPHS_QUIET: dict[str, Make] = {}
"""refused too; nothing shows whether they run: the loader stops them, or what they need is not there"""


def attack(name: str, table: dict[str, Make] = GRAPHS) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        table[name] = make
        return make

    return add


def _save(traps: Traps, function: Callable[[Any], Any], **more: Any) -> Path:
    """A module with one function of eight numbers, which has an effect beside its result."""
    import tensorflow as tf

    module = tf.Module()
    for name, value in more.items():
        setattr(module, name, value)
    module.f = tf.function(function, input_signature=[tf.TensorSpec([1, 8], name="samples")])
    path = traps.folder / "m"
    tf.saved_model.save(module, str(path), signatures=module.f)
    return path


def _effect(make: Callable[[Traps, Any], Any]) -> Make:
    """A model that computes its input, after an effect."""

    def save(traps: Traps) -> Path:
        import tensorflow as tf

        def compute(samples: Any) -> Any:
            made = make(traps, tf)
            if tf.is_tensor(made) and made.dtype.is_numeric:  # what leads to no result, TensorFlow leaves out
                return {"y": samples + tf.cast(tf.reduce_sum(made), tf.float32)}
            with tf.control_dependencies([] if made is None else [made]):
                return {"y": tf.identity(samples)}

        return _save(traps, compute)

    return save


def _in_branch(traps: Traps, tf: Any) -> Any:
    return tf.cond(tf.constant(1.0) > 0.0, lambda: _write(traps, tf), lambda: tf.constant(0))


def _write(traps: Traps, tf: Any) -> Any:
    with tf.control_dependencies([tf.io.write_file(str(traps.canary), "x")]):
        return tf.constant(1)


def _in_loop(traps: Traps, tf: Any) -> Any:
    return tf.while_loop(lambda i: i < 1, lambda i: i + _write(traps, tf), [tf.constant(0)])[0]


def _in_nested(traps: Traps, tf: Any) -> Any:
    outer = tf.function(lambda: tf.function(lambda: _write(traps, tf))() + 1)
    return outer()


def _print(traps: Traps, tf: Any) -> Any:
    tf.print("x", output_stream=f"file://{traps.canary}")


def _summarise(traps: Traps, tf: Any) -> Any:
    writer = tf.raw_ops.SummaryWriter()
    settings = {"max_queue": 1, "flush_millis": 1, "filename_suffix": ""}
    return tf.raw_ops.CreateSummaryFileWriter(writer=writer, logdir=str(traps.canary), **settings)


def _read_lines(traps: Traps, tf: Any) -> Any:
    return tf.data.TextLineDataset(str(traps.secret)).reduce(tf.constant(0), lambda count, _: count + 1)


def _sample(traps: Traps, tf: Any) -> Any:
    settings = {"num_true": 1, "num_sampled": 1, "unique": False, "range_max": 1, "vocab_file": str(traps.secret)}
    return tf.raw_ops.FixedUnigramCandidateSampler(true_classes=tf.constant([[0]], tf.int64), **settings)[0]


GRAPHS.update(
    {
        "WriteFile": _effect(_write),
        "WriteFile in a branch": _effect(_in_branch),
        "WriteFile in a loop": _effect(_in_loop),
        "WriteFile in a function of a function": _effect(_in_nested),
        "SaveV2": _effect(
            lambda traps, tf: tf.raw_ops.SaveV2(
                prefix=str(traps.canary), tensor_names=["x"], shape_and_slices=[""], tensors=[tf.ones(1)]
            )
        ),
        "Save": _effect(
            lambda traps, tf: tf.raw_ops.Save(filename=str(traps.canary), tensor_names=["x"], data=[tf.ones(1)])
        ),
        "PrintV2 to a file": _effect(_print),
        "a summary writer": _effect(_summarise),
        "lines of a dataset": _effect(_read_lines),
        "CacheDataset into a file": _effect(
            lambda traps, tf: (
                tf.data.Dataset.range(2).cache(str(traps.canary)).reduce(tf.constant(0), lambda count, _: count + 1)
            )
        ),
        "DebugIdentity into a file": _effect(
            lambda traps, tf: tf.raw_ops.DebugIdentity(
                input=tf.ones(1), tensor_name="a:0", debug_urls=[f"file://{traps.canary}"]
            )
        ),
        "a vocabulary of FixedUnigramCandidateSampler": _effect(_sample),
        "a file mapped by ImmutableConst": _effect(
            lambda traps, tf: tf.raw_ops.ImmutableConst(dtype=tf.uint8, shape=[8], memory_region_name=str(traps.secret))
        ),
        "a table from a text file": _effect(
            lambda traps, tf: tf.raw_ops.InitializeTableFromTextFileV2(
                table_handle=tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64),
                filename=str(traps.secret),
                key_index=-2,
                value_index=-1,
            )
        ),
        "a descriptor from a file": _effect(
            lambda traps, tf: tf.raw_ops.EncodeProto(
                sizes=[[1]],
                values=[tf.ones((1, 1))],
                field_names=["x"],
                message_type="X",
                descriptor_source=str(traps.secret),
            )
        ),
    }
)
GRAPHS_QUIET.update(
    {
        "MatchingFiles": _effect(lambda traps, tf: tf.io.matching_files(str(traps.folder / "*"))),
        "MergeV2Checkpoints": _effect(
            lambda traps, tf: tf.raw_ops.MergeV2Checkpoints(
                checkpoint_prefixes=[str(traps.secret)], destination_prefix=str(traps.canary)
            )
        ),
        "RestoreV2 of another checkpoint": _effect(
            lambda traps, tf: tf.raw_ops.RestoreV2(
                prefix=str(traps.secret), tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32]
            )[0]
        ),
        "Python": _effect(lambda traps, tf: tf.numpy_function(lambda: 1.0, [], tf.float64)),
        "Abort": _effect(lambda traps, tf: tf.raw_ops.Abort(error_msg="x", exit_without_error=True)),
    }
)


@attack("ReadFile into the output")
def _(traps: Traps) -> Path:
    import tensorflow as tf

    def read(samples: Any) -> Any:
        codes = tf.io.decode_raw(tf.io.read_file(str(traps.secret)), tf.uint8)
        return {"y": samples + tf.cast(tf.reduce_sum(codes), tf.float32)}

    return _save(traps, read)


@attack("WriteFile when a resource is made")
def _(traps: Traps) -> Path:
    return _save_resource(traps, "_create_resource")


@attack("WriteFile when a resource is initialised")
def _(traps: Traps) -> Path:
    return _save_resource(traps, "_initialize")


def _save_resource(traps: Traps, where: str) -> Path:
    import tensorflow as tf

    class Resource(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc]
        def _create_resource(self) -> Any:
            if where == "_create_resource":
                _write(traps, tf)
            return tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.float32)

        def _initialize(self) -> Any:
            if where == "_initialize":
                return _write(traps, tf)
            return tf.constant(1)

    resource = Resource()

    def compute(samples: Any) -> Any:
        return {"y": samples + tf.cast(tf.raw_ops.LookupTableSizeV2(table_handle=resource.resource_handle), tf.float32)}

    return _save(traps, compute, resource=resource)


def edit_graph(path: Path, change: Callable[[Any], None]) -> Path:
    """Bend a SavedModel's protobuf."""
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    change(model)
    (path / "saved_model.pb").write_bytes(model.SerializeToString())
    return path


@attack("WriteFile in a function that bears a harmless op's name")
def _(traps: Traps) -> Path:
    """Calls by name: TensorFlow takes the library's function before the op."""
    import tensorflow as tf

    def compute(samples: Any) -> Any:
        return {"y": samples + tf.cast(tf.function(lambda: _write(traps, tf))(), tf.float32)}

    def change(model: Any) -> None:
        library = model.meta_graphs[0].graph_def.library
        inner = next(one for one in library.function if any(node.op == "WriteFile" for node in one.node_def))
        old, new = inner.signature.name, "Timestamp"
        inner.signature.name = new
        for one in library.function:
            for node in one.node_def:
                if "f" in node.attr and node.attr["f"].func.name == old:
                    node.attr["f"].func.name = new

    return edit_graph(_save(traps, compute), change)


@attack("an asset that lies elsewhere")
def _(traps: Traps) -> Path:
    import tensorflow as tf

    words = traps.folder / "words.txt"
    words.write_text("a\nb\n")
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(str(words), tf.string, -2, tf.int64, -1), default_value=-1
    )
    path = _save(traps, lambda samples: {"y": samples}, table=table, words=tf.saved_model.Asset(str(words)))

    def change(model: Any) -> None:
        for asset in model.meta_graphs[0].asset_file_def:
            asset.filename = str(traps.secret)

    return edit_graph(path, change)


def _first_graph(traps: Traps, *, init: bool) -> Path:
    """A SavedModel of TensorFlow 1."""
    import tensorflow as tf

    v1 = tf.compat.v1
    path = traps.folder / "m"
    with v1.Graph().as_default(), v1.Session() as session:
        samples = v1.placeholder(tf.float32, [1, 8], name="samples")
        gain = v1.get_variable("gain", [], initializer=v1.ones_initializer())
        write = v1.write_file(str(traps.canary), "x")
        with v1.control_dependencies([] if init else [write]):
            output = tf.identity(samples * gain, name="y")
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(path))
        signature = v1.saved_model.predict_signature_def({"samples": samples}, {"y": output})
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=write if init else None
        )
        builder.save()
    return path


@attack("WriteFile in the signature of a SavedModel of TensorFlow 1")
def _(traps: Traps) -> Path:
    return _first_graph(traps, init=False)


@attack("WriteFile in the initialiser of a SavedModel of TensorFlow 1")
def _(traps: Traps) -> Path:
    return _first_graph(traps, init=True)


@attack("the function that saves variables, called by the model")
def _(traps: Traps) -> Path:
    """Functions of the saver stand in every SavedModel; here the model's own function calls one."""
    import tensorflow as tf

    def compute(samples: Any) -> Any:
        path = tf.constant(str(traps.canary))
        return {"y": samples + tf.cast(tf.function(lambda where: _write_to(where, tf))(path), tf.float32)}

    def change(model: Any) -> None:
        graph = model.meta_graphs[0]
        saver = next(
            node for node in graph.graph_def.node if node.op == "StatefulPartitionedCall" and "save" in str(node)
        )
        inner = next(
            one for one in graph.graph_def.library.function if any(node.op == "WriteFile" for node in one.node_def)
        )
        saver.attr["f"].func.name = inner.signature.name

    return edit_graph(_save(traps, compute, gain=tf.Variable(1.0)), change)


def _write_to(path: Any, tf: Any) -> Any:
    with tf.control_dependencies([tf.io.write_file(path, "x")]):
        return tf.constant(1)


@attack("a constant of a million million numbers", GRAPHS_QUIET)
def _(traps: Traps) -> Path:
    def change(model: Any) -> None:
        for function in model.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                if node.op == "Const" and "lambda" in function.signature.name:
                    node.attr["value"].tensor.tensor_shape.dim.add().size = 10**12

    return edit_graph(_save(traps, lambda samples: {"y": samples + 3.0}), change)


@attack("an op that no TensorFlow has", GRAPHS_QUIET)
def _(traps: Traps) -> Path:
    def change(model: Any) -> None:
        for function in model.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                node.op = "Unheard" if node.op == "AddV2" else node.op

    return edit_graph(_save(traps, lambda samples: {"y": samples + 3.0}), change)


@attack("a SavedModel cut off", GRAPHS_QUIET)
def _(traps: Traps) -> Path:
    path = _save(traps, lambda samples: {"y": samples})
    whole = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
    return path


@attack("a SavedModel as text only", GRAPHS_QUIET)
def _(traps: Traps) -> Path:
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    path = _effect(_write)(traps)
    model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    (path / "saved_model.pbtxt").write_text(text_format.MessageToString(model))
    (path / "saved_model.pb").unlink()
    return path
