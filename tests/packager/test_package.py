from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_profiles.record import dump_json
from evaluators.targets import open_model
from packager.bundle import MANIFEST_NAME, Bundle, dump_manifest, read_bundle
from packager.errors import PackagingError
from packager.jobs.workers import Limits
from packager.model import ModelSource, OutputSpec, find_source
from packager.package import Packaged, PackageRequest, Variant, find_finished, folder, key, package
from packager.proving.probes import probe_windows
from packager.storage import digest_bytes, digest_files
from tests.specimens import GAIN_AUDIO, GAIN_VARIANTS, gain_spec

TFLITE = Variant("tflite", "float32")


def _snapshot(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _ages(root: Path) -> dict[str, tuple[int, int]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def a_source(tmp_path: Path) -> ModelSource:
    """Bytes that look like a SavedModel: enough for all that does not load it."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"not a graph")
    return find_source(gain_spec(model), tmp_path)


def _order(source: ModelSource, tmp_path: Path, **changes: Any) -> PackageRequest:
    return replace(PackageRequest(source, GAIN_AUDIO, (TFLITE,), tmp_path / "out"), **changes)


def _change_model(source: ModelSource, text: bytes) -> ModelSource:
    (source.path / "saved_model.pb").write_bytes(text)
    return find_source(source.spec, source.path.parent)


def _respecify(source: ModelSource, **changes: Any) -> ModelSource:
    return source.model_copy(update={"spec": source.spec.model_copy(update=changes)})


@pytest.mark.parametrize(
    "change",
    [
        lambda order: replace(order, source=_change_model(order.source, b"another graph")),
        lambda order: replace(order, audio=order.audio.model_copy(update={"hop_samples": 1024})),
        lambda order: replace(order, source=_respecify(order.source, version="2")),
        lambda order: replace(order, source=_respecify(order.source, signature="other")),
        lambda order: replace(order, source=_respecify(order.source, outputs={"x": OutputSpec(axes=("sample",))})),
    ],
    ids=["source bytes", "contract", "version", "signature", "outputs"],
)
def test_the_key_follows_what_decides_a_bundle(change: Any, a_source: ModelSource, tmp_path: Path) -> None:
    order = _order(a_source, tmp_path)
    before = key(order, TFLITE)
    assert key(change(order), TFLITE) != before


def test_the_key_follows_format_and_precision(a_source: ModelSource, tmp_path: Path) -> None:
    order = _order(a_source, tmp_path)
    assert len({key(order, variant) for variant in GAIN_VARIANTS}) == len(GAIN_VARIANTS)


@pytest.mark.parametrize(("format_", "follows"), [("coreml", True), ("tflite", False)])
def test_only_coreml_follows_the_deployment_target(
    format_: Any, follows: bool, a_source: ModelSource, tmp_path: Path
) -> None:
    order, variant = _order(a_source, tmp_path), Variant(format_, "float32")
    later = replace(order, minimum_deployment_target="iOS17")
    assert (key(order, variant) != key(later, variant)) == follows


def test_the_key_does_not_follow_where_things_stand(a_source: ModelSource, tmp_path: Path) -> None:
    order = _order(a_source, tmp_path)
    assert key(replace(order, out=tmp_path / "elsewhere"), TFLITE) == key(order, TFLITE)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (Variant("tflite", "flaot16"), "variants.tflite: unknown precision 'flaot16'; did you mean 'float16'?"),
        (
            Variant("coreml", "int2"),
            "variants.coreml: unknown precision 'int2'; known: float32, float16",
        ),
        (Variant("onnx", "float32"), "variants.onnx: unknown format 'onnx'"),  # type: ignore[arg-type]
    ],
)
def test_an_unknown_precision_is_refused_before_any_work(
    variant: Variant, message: str, a_source: ModelSource, tmp_path: Path
) -> None:
    with pytest.raises(PackagingError) as caught:
        package(_order(a_source, tmp_path, variants=(variant,)))
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "out" / "logs").exists()


def test_nothing_to_make_is_nothing_made(a_source: ModelSource, tmp_path: Path) -> None:
    assert package(_order(a_source, tmp_path, variants=())) == []


@pytest.mark.slow
@pytest.mark.tensorflow
def test_all_variants_are_made_in_the_orders_order(gain_bundles: dict[str, Bundle]) -> None:
    assert list(gain_bundles) == [variant.name for variant in GAIN_VARIANTS]
    for name, bundle in gain_bundles.items():
        assert bundle.path.name == name == bundle.manifest.variant
        assert bundle.model_path.exists()


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", [variant.name for variant in GAIN_VARIANTS])
def test_the_manifest_is_complete(name: str, gain_bundles: dict[str, Bundle], gain_order: PackageRequest) -> None:
    bundle = gain_bundles[name]
    manifest = bundle.manifest
    found = digest_files(bundle.path)
    assert found.pop(MANIFEST_NAME).sha256 == digest_bytes(dump_manifest(manifest).encode())
    assert manifest.files == found
    assert manifest.key == key(gain_order, Variant(manifest.format, manifest.precision))
    assert manifest.model == gain_order.source.spec.identity
    assert manifest.source.sha256 == gain_order.source.sha256
    assert manifest.source.framework == "tensorflow"
    assert manifest.audio == GAIN_AUDIO
    assert "not installed" not in manifest.tools.values()
    assert {"numpy", "tensorflow"} <= set(manifest.tools)
    assert ("coremltools" in manifest.tools) == (manifest.format == "coreml")
    assert (manifest.floor.platform, bool(manifest.floor.because)) == (
        "ios" if manifest.format == "coreml" else None,
        True,
    )
    assert manifest.floor.minimum_os if manifest.format == "coreml" else manifest.floor.minimum_runtime
    (tensor,) = manifest.inputs
    assert (tensor.name, tensor.shape, tensor.dtype, tensor.axes) == (
        "audio",
        (1, 2048),
        "float32",
        ("batch", "sample"),
    )
    (output,) = manifest.outputs
    assert (output.name, output.shape, output.axes) == ("scaled", (1, 2048), ("batch", "sample"))


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", [variant.name for variant in GAIN_VARIANTS])
def test_golden_vectors_have_the_sizes_of_the_shapes(name: str, gain_bundles: dict[str, Bundle]) -> None:
    bundle = gain_bundles[name]
    shapes = {tensor.name: tensor.shape for tensor in (*bundle.manifest.inputs, *bundle.manifest.outputs)}
    assert [vector.name for vector in bundle.manifest.vectors] == ["chirp", "noise"]  # a recording needs a runner
    for vector in bundle.manifest.vectors:
        assert set(vector.inputs) == {"audio"}
        assert set(vector.source) == {"scaled"}
        for name, tensor in {**vector.inputs, **vector.source}.items():
            assert tensor.file in bundle.manifest.files
            assert tensor.file.startswith("verify/")
            assert tensor.shape == shapes[name]
            assert (bundle.path / tensor.file).stat().st_size == 4 * np.prod(shapes[name])
        probe = np.fromfile(bundle.path / vector.inputs["audio"].file, "<f4")
        np.testing.assert_array_equal(probe, probe_windows(GAIN_AUDIO)[vector.name][0])


# A float16 keeps 11 bits of its significand: 2**-11 of values up to 0.5, after three roundings; weights alone round
# exactly here, since 0.5 and 0.25 are powers of two.
@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("tflite-float32", 1e-4), ("tflite-float16", 1e-6), ("coreml-float32", 1e-4), ("coreml-float16", 1e-3)],
)
def test_golden_vectors_replay_on_the_emulator(name: str, tolerance: float, gain_bundles: dict[str, Bundle]) -> None:
    bundle = gain_bundles[name]
    emulator = open_model(bundle.model_path)
    assert bundle.manifest.vectors
    for vector in bundle.manifest.vectors:
        audio = np.fromfile(bundle.path / vector.inputs["audio"].file, "<f4").reshape(1, -1)
        golden = np.fromfile(bundle.path / vector.source["scaled"].file, "<f4").reshape(1, -1)
        np.testing.assert_allclose(golden, audio * 0.5 + 0.25, atol=1e-7)  # closed form
        outputs = emulator.run({"audio": audio})
        np.testing.assert_allclose(outputs["scaled"], golden, atol=tolerance, rtol=0)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_finished_bundles_are_reused_without_a_worker(
    gain_order: PackageRequest, gain_bundles: dict[str, Bundle]
) -> None:
    before = _ages(gain_order.out)
    seen: list[Packaged] = []
    outcomes = package(replace(gain_order, limits=Limits(time_s=0.0)), on_done=seen.append)  # no worker would survive
    assert [outcome.reused for outcome in outcomes] == [True] * len(GAIN_VARIANTS)
    assert [outcome.bundle for outcome in outcomes] == list(gain_bundles.values())
    assert seen == outcomes
    assert _ages(gain_order.out) == before


@pytest.mark.slow
@pytest.mark.tensorflow
def test_what_is_damaged_or_stale_is_made_again_and_nothing_else(
    gain_order: PackageRequest, gain_bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    """Damage one bundle's golden vector, and ask for one that is not there: two are made, the third is left alone."""
    wanted = (TFLITE, Variant("tflite", "float16"), Variant("tflite", "dynamic_wi8_afp32"))
    order = replace(gain_order, variants=wanted, out=tmp_path)
    for variant in wanted[:2]:
        _copy(gain_bundles[variant.name].path, folder(order, variant))
    damaged = folder(order, wanted[1]) / "verify" / "noise" / "inputs" / "audio.f32"
    damaged.write_bytes(b"\0" + damaged.read_bytes()[1:])
    before = _ages(folder(order, TFLITE))
    outcomes = package(order)
    assert [(outcome.reused, outcome.reason) for outcome in outcomes] == [(True, None), (False, None), (False, None)]
    assert _ages(folder(order, TFLITE)) == before
    assert _snapshot(folder(order, wanted[1])) == _snapshot(gain_bundles["tflite-float16"].path)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.coreml
def test_same_input_same_bytes(gain_order: PackageRequest, gain_bundles: dict[str, Bundle], tmp_path: Path) -> None:
    """Elsewhere, alone in its worker, in another order: not a byte differs."""
    variants = (Variant("coreml", "float16"), Variant("tflite", "float16"))
    outcomes = package(replace(gain_order, variants=variants, out=tmp_path / "else where"))
    assert tuple(outcome.variant for outcome in outcomes) == variants
    for outcome in outcomes:
        assert outcome.bundle is not None, outcome.reason
        assert not outcome.reused
        assert _snapshot(outcome.bundle.path) == _snapshot(gain_bundles[outcome.variant.name].path)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.coreml
def test_a_failing_variant_is_one_outcome(saved_models: Path, tmp_path: Path) -> None:
    source = find_source(gain_spec(saved_models / "refused"), saved_models)
    outcomes = package(PackageRequest(source, GAIN_AUDIO, (TFLITE, Variant("coreml", "float32")), tmp_path))
    assert [outcome.bundle for outcome in outcomes] == [None, None]
    for outcome, tool in zip(outcomes, ("TensorFlow's TFLite converter: ", "coremltools: "), strict=True):
        assert outcome.reason is not None
        assert outcome.reason.startswith(tool)
        assert outcome.log is not None
        assert outcome.log.is_file()
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".partial" or path.parent.name == "bundles"] == []


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("gain", {"signature": "other"}, "has no signature 'other'; model.signature can be: serving_default"),
        (
            "gain",
            {"outputs": {"louder": OutputSpec(axes=("sample",))}},
            "model.outputs: louder: not among the outputs of {path}, which are scaled",
        ),
        (
            "gain",
            {"outputs": {"scaled": OutputSpec(axes=("batch", "frame", "pitch"))}},
            "model.outputs.scaled.axes: 3 axes for an output of shape (1, 2048): name 1, the batch left out",
        ),
    ],
)
def test_a_source_that_does_not_fit_says_why(
    kind: str, changes: dict[str, Any], message: str, saved_models: Path, tmp_path: Path
) -> None:
    source = find_source(gain_spec(saved_models / kind, **changes), saved_models)
    (outcome,) = package(PackageRequest(source, GAIN_AUDIO, (TFLITE,), tmp_path))
    assert outcome.reason is not None
    assert message.format(path=source.path) in outcome.reason
    assert "Error" not in outcome.reason  # a sentence for people, not the name of a class


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_contract_that_does_not_fit_the_model(gain_source: ModelSource, tmp_path: Path) -> None:
    audio = GAIN_AUDIO.model_copy(update={"window_samples": 1000, "hop_samples": 1000})
    (outcome,) = package(PackageRequest(gain_source, audio, (TFLITE,), tmp_path))
    assert outcome.reason == (
        f"{gain_source.path}: input 'samples' has shape [1, 2048], which does not hold one window of 1000 samples "
        "and 1 channel(s); make audio.window_samples and audio.channels in the recipe match the model, or, if it takes "
        "no samples, say what it takes: model.inputs.samples.axes"
    )


@pytest.mark.slow
def test_a_worker_that_ends_early_fails_what_it_had_not_made(a_source: ModelSource, tmp_path: Path) -> None:
    order = _order(a_source, tmp_path, variants=GAIN_VARIANTS[:2], limits=Limits(time_s=0.5))
    outcomes = package(order)
    assert [(outcome.bundle, outcome.reason) for outcome in outcomes] == [(None, "took longer than 0.5 s")] * 2


def _copy(source: Path, target: Path) -> None:
    for name, content in _snapshot(source).items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("fault", ["no manifest", "broken manifest", "extra file", "missing file", "link", "other key"])
def test_what_counts_as_finished(fault: str, gain_bundles: dict[str, Bundle], tmp_path: Path) -> None:
    good = gain_bundles["tflite-float32"]
    _copy(good.path, tmp_path / "b")
    assert find_finished(tmp_path / "b", good.manifest.key) is not None
    expected = good.manifest.key
    if fault == "no manifest":
        (tmp_path / "b" / MANIFEST_NAME).unlink()
    elif fault == "broken manifest":
        (tmp_path / "b" / MANIFEST_NAME).write_text(dump_manifest(good.manifest)[:-20])
    elif fault == "extra file":
        (tmp_path / "b" / "x").touch()
    elif fault == "missing file":
        (tmp_path / "b" / "verify" / "noise" / "inputs" / "audio.f32").unlink()
    elif fault == "link":
        (tmp_path / "b" / "x").symlink_to(tmp_path)
    else:
        expected = "0" * 64
    assert find_finished(tmp_path / "b", expected) is None


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "golden/../../x"])
def test_a_manifest_that_reaches_outside_is_refused(name: str, gain_bundles: dict[str, Bundle], tmp_path: Path) -> None:
    data = json.loads(dump_json(gain_bundles["tflite-float32"].manifest))
    data["file"] = name
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(data))
    with pytest.raises(PackagingError) as caught:
        read_bundle(tmp_path)
    assert str(caught.value) == f"{tmp_path / MANIFEST_NAME}: file {name!r} lies outside the bundle"
