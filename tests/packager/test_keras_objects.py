"""Objects that Keras files name: the lists cover Keras' registries, and good models of both versions pass."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from packager.errors import PackagingError
from packager.jobs.workers import Job, Limits, run_job
from packager.sources.keras_objects import CLASSES, LAYERS, OP_LAYERS, REFUSED_LAYERS, check_objects


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    if importlib.util.find_spec("tf_keras") is None:
        pytest.skip("tf-keras is not installed")
    folder = tmp_path_factory.mktemp("layers")
    return run_job(Job("tests.packager.registry_jobs:walk_layers", {}, folder / "log.txt", Limits(time_s=300)))


@pytest.mark.slow
@pytest.mark.tensorflow
def test_every_layer_of_both_versions_is_listed(walked: list[dict[str, Any]]) -> None:
    """A layer of a newer Keras fails here: look at what its `from_config` and `call` do, and name it."""
    event = walked[0]
    assert set(event["layers"]) - LAYERS - OP_LAYERS - REFUSED_LAYERS.keys() == set()
    assert set(event["parts"]) - CLASSES == set()
    for name in event["activations"]:
        check_objects({"config": {"activation": name}}, Path("m"))
    assert not LAYERS & REFUSED_LAYERS.keys()


@pytest.mark.slow
@pytest.mark.tensorflow
def test_good_models_of_both_versions_need_no_trust(walked: list[dict[str, Any]]) -> None:
    assert len(walked) > 120
    assert [event for event in walked[1:] if event["fault"] is not None] == []


DENSE = {"class_name": "Dense", "module": "keras.layers", "config": {"units": 2}, "registered_name": None}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_name": "Lambda"}, "the layer Lambda, which is stored as Python code"),
        ({"class_name": "__lambda__"}, "the layer Lambda"),
        ({"class_name": "Mine"}, "the class 'Mine', which is none of Keras' own"),
        ({"class_name": ["Dense"]}, "which is no name"),
        ({"module": "os"}, "of the module 'os'"),
        ({"module": "keras_hub.layers"}, "of the module 'keras_hub.layers'"),
        ({"module": ["keras"]}, "of the module"),
        ({"registered_name": "evil>Dense"}, "as 'evil>Dense'"),
        ({"class_name": "function", "config": "get_file"}, "the function 'get_file'"),
        ({"class_name": "function", "config": {"class_name": "Dense"}}, "names the function"),
        ({"class_name": "TFOpLambda", "config": {"function": "io.read_file"}}, "calls 'io.read_file'"),
        ({"class_name": "TFOpLambda", "config": {"function": "raw_ops.ReadFile"}}, "calls 'raw_ops.ReadFile'"),
        ({"class_name": "SlicingOpLambda", "config": {"function": "py_function"}}, "calls 'py_function'"),
        ({"class_name": "TFOpLambda", "config": "math.add"}, "calls 'None'"),
        ({"class_name": "Map", "module": "keras.src.ops.core"}, "the class 'Map'"),
        ({"class_name": "Absolute", "module": "keras.src.ops.numpy_test"}, "the class 'Absolute'"),
        ({"config": {"kernel_initializer": "os"}}, "the kernel_initializer 'os'"),
    ],
)
@pytest.mark.parametrize("depth", [0, 3])
def test_what_is_not_kerass_own_is_refused_wherever_it_stands(changes: dict[str, Any], words: str, depth: int) -> None:
    config: Any = {**DENSE, **changes}
    for _ in range(depth):
        config = {"class_name": "Sequential", "config": {"layers": [DENSE, {"any": [config]}]}}
    with pytest.raises(PackagingError) as caught:
        check_objects(config, Path("m.keras"))
    assert words in str(caught.value)
    assert str(caught.value).endswith("say trust = true in the recipe's [model] section")


def test_how_the_outermost_model_was_compiled_is_not_read() -> None:
    check_objects({**DENSE, "compile_config": {"loss": {"class_name": "Mine", "config": {}}}}, Path("m"))
    with pytest.raises(PackagingError, match="'Mine'"):
        check_objects(
            {"class_name": "Sequential", "config": {"layers": [{**DENSE, "compile_config": {"class_name": "Mine"}}]}},
            Path("m"),
        )
