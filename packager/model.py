"""What to package: the model a recipe names, found on this machine and fingerprinted, without loading it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from device_profiles.files import find_kind
from device_profiles.record import Record
from packager.bounds import MAX_RANK, TensorName, WrittenShape
from packager.bundle import FileDigest, FlexibleAxis, ModelIdentity
from packager.errors import PackagingError
from packager.factories import digest_factory, factory_input, is_python, locate_factory
from packager.frontend_spec import FrontendSpec
from packager.frontends.opening import FrontendSource, find_frontend
from packager.integration_records import OutputKind, Pool
from packager.jobs.inputs import Input
from packager.licences import read_license
from packager.storage import digest_facts, digest_files, digest_listed

TORCH_SUFFIXES = (".pt", ".pth", ".pt2", ".jit", ".ts")
Framework = Literal["torch", "tensorflow"]
Name = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


class InputSpec(Record):
    """What the recipe says of one input."""

    axes: Annotated[tuple[str, ...], pydantic.Field(max_length=MAX_RANK)] = ()
    """one word a dimension, the batch too, for example ["batch", "mel", "frame"]; default: told from the shape"""
    shape: WrittenShape | None = None
    """sizes to fix a model's open dimensions to; default: the audio contract's window, or the example input's"""
    flexible: FlexibleAxis | None = None
    """an axis of which a Core ML bundle takes several sizes; default: none, since delegates refuse open dimensions"""


class OutputSpec(Record):
    """What the recipe says of one output."""

    axes: Annotated[tuple[str, ...], pydantic.Field(max_length=MAX_RANK)] = ()
    """one word a dimension without the batch, for example ["frame", "pitch"]; default: `axis_1`, `axis_2` …"""
    aliases: tuple[str, ...] = ()
    """other names of it in ready-made files, for example ["Identity_1"]"""
    kind: OutputKind | None = None
    """"frames" (windows are stitched; default of axes that begin with frame), "window" (one value or vector a window),
    "clip" (one a clip, see pool) or "audio" (windows are added up to a waveform where they overlap)"""
    pool: Pool | None = None
    """of kind = "clip": how its windows become one: "mean", "max", "last" """

    @pydantic.model_validator(mode="after")
    def _pool_of_clips(self) -> OutputSpec:
        if self.kind == "clip" and self.pool is None:
            raise ValueError('kind = "clip" needs pool = "mean", "max" or "last": how a clip\'s windows become one')
        if self.kind != "clip" and self.pool is not None:
            raise ValueError('pool goes with kind = "clip" alone')
        return self


class CoreMLSpec(Record):
    """What the recipe says of Core ML alone."""

    state: Literal["external", "internal"] = "external"
    """where states live: "external" as inputs and outputs that the app carries, "internal" as Core ML's own, in
    float16, from iOS 18 on"""


class ModelSpec(Record):
    """The recipe's [model] section."""

    name: Name
    """a name for people, for example "basic-pitch\""""
    version: Name
    """the model's version, for example "0.4.0\""""
    license: Name
    """the model's licence, for example "Apache-2.0\""""
    license_file: Name | None = None
    """a file with the licence's text, which bundles hand on; a path, or "pkg://installed_package/path"; default: that
    of the installed package that the source or the weights lie in"""
    source: Name
    """a path, "pkg://installed_package/path", "python:module:factory" or a script with get_model() and get_args()"""
    framework: Framework | None = None
    """"torch" or "tensorflow"; derived from the source where it can be"""
    signature: str | None = None
    """which signature of a SavedModel; default "serving_default\""""
    weights: Name | None = None
    """a checkpoint that is read and handed to the factory; a path, or "pkg://installed_package/path\""""
    trust: bool = False
    """whether code in model files may run: pickles, Lambda layers, graphs that open files; say true only of files whose
    maker you trust"""
    inputs: dict[TensorName, InputSpec] = {}
    """one table an input, where its name, shape or axes must be said"""
    outputs: dict[TensorName, OutputSpec] = {}
    """one table an output, bound by name; a PyTorch model that returns a tuple is named in its order"""
    state: dict[TensorName, TensorName] = {}
    """state input → the output that it is fed from in the next call; a clip starts with zeros"""

    coreml: CoreMLSpec = CoreMLSpec()
    """the [model.coreml] table: what is to be otherwise in Core ML bundles"""

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(name=self.name, version=self.version, license=self.license)


class ModelSource(Record):
    """A model found: where it is, what loads it, and the digest of its bytes."""

    spec: ModelSpec
    path: Path
    """the model's file or folder; of a Python factory, the file of its module"""
    framework: Framework
    """what loads it"""
    sha256: str
    """digest of all its files"""
    factory: str | None = None
    """the function to call where the source is Python code"""
    weights: Path | None = None
    """a checkpoint to hand to the factory"""
    files: dict[str, FileDigest] = {}
    """the model's files below `path`; of a Python factory, its module"""
    weights_files: dict[str, FileDigest] = {}
    """the checkpoint's"""
    license_text: str | None = None
    """none where none was found"""
    frontend: FrontendSource | None = None
    """what the app computes before it calls the model; none where it takes audio, or what is no audio"""


def source_inputs(source: ModelSource) -> tuple[Input, ...]:
    """What a worker reads of a source model; of Python code, all modules of the user's that it imports."""
    weights = () if source.weights is None else (Input(source.weights),)
    others = (*weights, *frontend_inputs(source.frontend))
    if source.factory is None:
        return (Input(source.path), *others)
    return (factory_input(source.path), *others)


def frontend_inputs(frontend: FrontendSource | None) -> tuple[Input, ...]:
    """What a worker reads of a front end: the recipe's own code, where it is code."""
    return () if frontend is None or frontend.path is None else (factory_input(Path(frontend.path)),)


def find_source(spec: ModelSpec, base: Path, frontend: FrontendSpec | None = None) -> ModelSource:
    """Resolve the recipe's `source` to files, and its front end where that is code.

    Args:
        spec: The recipe's [model] section.
        base: The folder that relative paths and Python modules start from: the recipe's.
        frontend: The recipe's [frontend] section.

    Raises:
        PackagingError: Nothing is there, it is no model's file or folder, or its framework cannot be told.
    """
    found = _find_model(spec, base)
    named = None if spec.license_file is None else resolve_path(spec.license_file, base)
    text = read_license(named, (spec.source, spec.weights or ""))
    found = found.model_copy(update={"license_text": text})
    return found if frontend is None else found.model_copy(update={"frontend": find_frontend(frontend, base)})


def _find_model(spec: ModelSpec, base: Path) -> ModelSource:
    weights = None if spec.weights is None else resolve_path(spec.weights, base)
    if weights is not None and not weights.is_file():
        raise PackagingError(f"model.weights: {spec.weights!r}: no such file ({weights})")
    if is_python(spec.source):
        path, factory = locate_factory(spec.source, base, where="model.source")
        weights_files = {} if weights is None else digest_files(weights)
        digest = digest_facts(
            {"code": digest_factory(path), "factory": factory, "weights": weights and digest_listed(weights_files)}
        )
        return ModelSource(
            spec=spec,
            path=path,
            framework=spec.framework or "torch",
            sha256=digest,
            factory=factory,
            weights=weights,
            files=digest_files(path),
            weights_files=weights_files,
        )
    path = resolve_path(spec.source, base)
    if find_kind(path) == "missing":
        raise PackagingError(f"model.source: {spec.source!r}: no such file or folder ({path})")
    if weights is not None:
        raise PackagingError("model.weights: only a Python factory takes weights; leave it out")
    framework = spec.framework or _derive_framework(path)
    if path.is_dir() and not (path / "saved_model.pb").is_file():  # told before all that lies below it is read
        raise PackagingError(f"model.source: {path}: is a folder, but no SavedModel: there is no saved_model.pb in it")
    files = digest_files(path)
    return ModelSource(spec=spec, path=path, framework=framework, sha256=digest_listed(files), files=files)


def resolve_path(uri: str, base: Path) -> Path:
    """A path, or `pkg://package/path` inside an installed package (which is not imported), as a path."""
    if not uri.startswith("pkg://"):
        try:
            return (base / uri).resolve()
        except (OSError, RuntimeError, ValueError) as fault:  # a loop of links, or a zero in the name
            raise PackagingError(f"{uri!r}: names no file: {fault}") from None
    package, _, inner = uri.removeprefix("pkg://").partition("/")
    if not package.isidentifier():
        raise PackagingError(f"{uri!r}: {package!r} is not a package name; write pkg://installed_package/path")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise PackagingError(
            f"{uri!r}: the package {package!r} is not installed in this environment; install it with pip first"
        )
    root = Path(next(iter(found.submodule_search_locations))).resolve()
    path = (root / inner).resolve()
    if not path.is_relative_to(root):
        raise PackagingError(f"{uri!r}: leads outside the package {package!r}")
    return path


def _derive_framework(path: Path) -> Framework:
    if (path / "saved_model.pb").is_file() or path.suffix in {".keras", ".h5", ".hdf5"}:
        return "tensorflow"
    if path.suffix in TORCH_SUFFIXES:
        return "torch"
    if path.suffix in {".tflite", ".mlpackage", ".mlmodel"}:
        raise PackagingError(
            f"model.source: {path}: is a converted model already; it can be evaluated "
            "(testpress evaluate RECIPE FILE) or played (testpress play FILE), not packaged"
        )
    raise PackagingError(
        f"model.source: {path}: not a SavedModel folder (no saved_model.pb), .keras, .h5, .pt or .pt2 file, "
        'so its framework cannot be told; say framework = "torch" or "tensorflow"'
    )
