"""A real older runtime, fetched by pip into the tests' cache, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_profiles.profile import DeviceProfile, read_profile
from evaluators.emulators.shipped.environment import find_folder, is_there, make_environment
from evaluators.emulators.shipped.versions import parse_runtime
from evaluators.errors import EvaluationError
from evaluators.registries.cache import CACHE_VARIABLE
from evaluators.targets import RefusedError, choose_targets, get_player, open_model, stand_in
from tests.specimens import CACHE
from tests.testpress.tiny_tflite import write_gain

pytestmark = pytest.mark.tflite

RUNTIME = parse_runtime("tflite-runtime 2.14.0")
NEWER_MUL = 8
"""of 2.23"""


@pytest.fixture(scope="module")
def fetched() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(CACHE / "shipped"))
        try:
            make_environment(RUNTIME)
        except EvaluationError as fault:
            pytest.skip(str(fault))
        yield


def state_version(path: Path, kind: str, version: int) -> None:
    """Let a file state another version of an op."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    for code in model.operatorCodes:
        if code.builtinCode == getattr(schema.BuiltinOperator, kind):
            code.version = version
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))


@pytest.mark.slow
@pytest.mark.usefixtures("fetched")
def test_an_older_runtime_plays_as_this_one_does(tmp_path: Path) -> None:
    path = write_gain(tmp_path / "m.tflite")
    here, there = open_model(path), open_model(path, get_player(RUNTIME.target).find())
    try:
        assert there.runtime == "tflite-runtime 2.14.0"
        assert (there.inputs, there.outputs) == (here.inputs, here.outputs)
        random = np.random.default_rng(1)
        call = {name: random.normal(size=one.shape).astype(one.dtype) for name, one in here.inputs.items()}
        right, found = here.run(call), there.run(call)
        assert all(np.allclose(right[name], found[name], atol=1e-6) for name in right)
    finally:
        there.close()


@pytest.mark.slow
@pytest.mark.usefixtures("fetched")
def test_an_op_that_is_too_new_is_named_with_the_runtime_that_has_it(tmp_path: Path) -> None:
    path = write_gain(tmp_path / "m.tflite")
    state_version(path, "MUL", NEWER_MUL)
    with pytest.raises(RefusedError) as caught:
        open_model(path, get_player(RUNTIME.target).find())
    assert "Didn't find op for builtin opcode 'MUL' version '8'" in str(caught.value)
    assert str(caught.value).endswith("; MUL version 8 needs TFLite 2.23.0")
    assert caught.value.refusal.op == "MUL"


def test_a_runtime_that_is_not_there_says_who_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(EvaluationError, match=r"tflite-runtime 2\.14\.0 is not there; `testpress run` fetches it"):
        open_model(write_gain(tmp_path / "m.tflite"), get_player(RUNTIME.target).find())


def test_without_a_registry_it_is_one_message_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(EvaluationError) as caught:
        make_environment(RUNTIME)
    message = str(caught.value)
    assert message.startswith("tflite-runtime 2.14.0 cannot be fetched: ")
    assert message.endswith("; try: pip download --only-binary :all: tflite-runtime==2.14.0 'numpy<2'")
    assert "\n" not in message
    assert not is_there(RUNTIME)
    assert not find_folder(RUNTIME).exists()


def phone(name: str, version: str) -> DeviceProfile:
    profile = read_profile("pixel-8")
    first = profile.runtimes[0]
    release = first.version.model_copy(update={"value": version})
    return profile.model_copy(update={"runtimes": (first.model_copy(update={"name": name, "version": release}),)})


@pytest.mark.parametrize(
    ("name", "version", "target"),
    [("TFLite", "2.14.0", RUNTIME.target), ("LiteRT", "1.2.0", "shipped_litert_1_2_0"), ("LiteRT", "2.3.0", "litert")],
)
def test_a_phone_has_the_results_of_the_version_its_apps_carry(name: str, version: str, target: str) -> None:
    carried = phone(name, version)
    targets = choose_targets("tflite", [carried], [RUNTIME, parse_runtime("LiteRT 1.2.0")])
    assert {RUNTIME.target, "shipped_litert_1_2_0", "litert"} <= {one.name for one in targets}
    found, words = stand_in(carried, "tflite", targets)
    assert found is not None
    assert (found.name, words) == (target, "")


def test_other_formats_have_no_such_targets() -> None:
    targets = choose_targets("coreml", [], [RUNTIME])
    assert RUNTIME.target not in {one.name for one in targets}
