"""What is installed, what each missing part costs and what brings it. Nothing is imported to find out."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from device_profiles.record import Record
from packager.versions import version_key
from testpress.arm_setup import ArmState, find_state
from testpress.table import align

State = Literal["ok", "untried", "unfit", "missing"]
"""ok: present and fit · untried: another version than the tried one · unfit: a version that is known not to do ·
missing: not installed"""

Need = Literal["recipes", "models", "demo", "option"]
"""recipes: nothing runs without · models: for models of a framework or bundles of a format, see `WAYS` · demo: for the
first example alone · option: for what a recipe or command may ask for"""

OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Requirement:
    """One package, and what it is for."""

    package: str
    """as pip names it"""
    module: str
    """as Python imports it"""
    serves: str
    """what is lost without it"""
    extra: str | None = None
    """testpress's extra that brings it; none for what testpress itself depends on, and where `install` says more"""
    tried: str | None = None
    """the version testpress was tried with; none where any from `oldest` on will do"""
    oldest: str | None = None
    below: str | None = None
    """the first version that is known, or has to be taken, not to do"""
    why_below: str = ""
    need: Need = "recipes"
    """what cannot be done without it"""
    install: str | None = None
    """the pip command, where it does not follow from the rest"""

    @property
    def command(self) -> str:
        """What brings it."""
        if self.install:
            return self.install
        if self.extra:
            return f"pip install 'testpress[{self.extra}]'"
        bounds = ",".join(f"{sign}{v}" for sign, v in ((">=", self.oldest), ("<", self.below)) if v)
        return f"pip install '{self.package}{bounds}'"


REQUIREMENTS = (
    Requirement("click", "click", "the command itself", oldest="8.1"),
    Requirement("cyclonedx-python-lib", "cyclonedx", "bills of materials of bundles", oldest="11.12", below="12"),
    Requirement("jinja2", "jinja2", "HTML reports", oldest="3.1"),
    Requirement("mir_eval", "mir_eval", "scores of note transcription", oldest="0.8"),
    Requirement(
        "numpy", "numpy", "everything", oldest="1.26", below="2.4",
        why_below="with numpy 2.4 coremltools 9.0 fails to convert STFT, EnCodec and WavLM",
    ),
    Requirement("psutil", "psutil", "memory limits of conversions", oldest="5.9"),
    Requirement("pydantic", "pydantic", "every file testpress reads or writes", oldest="2.7", below="3"),
    Requirement("scipy", "scipy", "confidence intervals", oldest="1.11"),
    Requirement("soundfile", "soundfile", "reading audio", oldest="0.13"),
    Requirement("soxr", "soxr", "audio at another rate than the model's", oldest="0.3.7"),
    Requirement("tqdm", "tqdm", "progress bars", oldest="4.66"),
    Requirement(
        "tensorflow", "tensorflow", "packaging and running TensorFlow models", "tensorflow", "2.21.0", need="models",
    ),
    Requirement(
        "tf-keras", "tf_keras", "SavedModels and .h5 files that Keras 2 made", "tensorflow", "2.21.0", need="models",
    ),
    Requirement(
        "ai-edge-litert", "ai_edge_litert", "reading and playing .tflite", "tflite",
        oldest="2.3", below="2.4", need="models",
    ),
    Requirement(
        "ai-edge-quantizer", "ai_edge_quantizer", "TFLite bundles in any precision but float32", "tflite", "0.10.0",
        need="models",
    ),
    Requirement("coremltools", "coremltools", "making and reading Core ML packages", "coreml", "9.0", need="models"),
    Requirement(
        "torch", "torch", "playing Core ML packages, packaging PyTorch models", "coreml", "2.13.0", need="models",
    ),
    Requirement(
        "jiwer", "jiwer", "word error rates of speech recognition", "speech", oldest="4", below="5", need="option",
    ),
    Requirement(
        "pystoi", "pystoi", "intelligibility of enhanced speech", "speech", oldest="0.4.1", need="option",
    ),
    Requirement(
        "speechmos", "speechmos", "listeners' opinion of enhanced speech (DNSMOS)", "dnsmos", "0.0.1.1", need="option",
    ),
    Requirement("onnxruntime", "onnxruntime", "the same: it runs DNSMOS", "dnsmos", oldest="1.20", need="option"),
    Requirement("G722", "G722", "the condition g722", "codecs", oldest="1.2.8", below="2", need="option"),
    Requirement(
        "av", "av", "the condition amr (wheels under GPL)", "codecs-gpl", oldest="15.1", below="19", need="option",
    ),
    Requirement(
        "pillow", "PIL", "Core ML models that take or make pictures", "coreml", oldest="10", need="option",
    ),
    Requirement(
        "litert-torch", "litert_torch", "PyTorch to TFLite", "torch", "0.10.0", need="models",
    ),
    Requirement(
        "model-signing", "model_signing", "signing bundles and verifying signatures", "sign",
        oldest="1.0.1", below="1.2", need="option",
    ),
    Requirement("sigstore", "sigstore", "the same: model-signing needs it", "sign", oldest="3.6.7", need="option"),
    Requirement("pyOpenSSL", "OpenSSL", "the same: model-signing needs it", "sign", oldest="23", need="option"),
    Requirement("pyyaml", "yaml", "AI Hub's perf.yaml as measured times", "aihub", oldest="6", need="option"),
    Requirement("ray", "ray", "--executor ray: a cluster", "ray", oldest="2.50", below="3", need="option"),
    Requirement(
        "basic-pitch", "basic_pitch", "the example's model", tried="0.4.0",
        install="pip install --no-deps basic-pitch==0.4.0", need="demo",
    ),
    Requirement(
        "tinysoundfont", "tinysoundfont", "the example's audio", tried="0.3.7",
        install="pip install --no-deps tinysoundfont==0.3.7", need="demo",
    ),
    Requirement("pretty_midi", "pretty_midi", "the example's audio", "example", oldest="0.2.10", need="demo"),
)  # fmt: skip
"""all of them, in the order they are shown; a test holds versions and extras against the package's own metadata"""


WAYS = {
    "PyTorch to TFLite": ("torch", "litert-torch", "ai-edge-litert", "ai-edge-quantizer"),
    "PyTorch to Core ML": ("torch", "coremltools"),
    "TensorFlow to TFLite": ("tensorflow", "ai-edge-litert", "ai-edge-quantizer"),
    "TensorFlow to Core ML": ("tensorflow", "coremltools", "torch"),
}
"""what recipes can do → the packages that this takes, beside those that all need"""


class Part(Record):
    """What was found of one requirement."""

    package: str
    state: State
    installed: str | None
    tried: str | None
    """the tried version, or the range that will do"""
    serves: str
    """what is lost without it"""
    need: Need
    command: str | None
    """brings it, or the version that does; none where all is well"""
    note: str

    @property
    def is_lacking(self) -> bool:
        """Whether what it is for cannot be done."""
        return self.state in ("missing", "unfit")


class Diagnosis(Record):
    """The whole of it."""

    python: str
    system: str
    notes: tuple[str, ...]
    """what is wrong with the machine itself"""
    parts: tuple[Part, ...]
    arm: ArmState
    """whether Arm cores can be emulated"""

    def as_data(self) -> dict[str, Any]:
        """What `testpress doctor --json` writes."""
        ways = {way: list(self.list_lacking(way)) for way in WAYS}
        return {**self.model_dump(mode="json"), "ways": ways, "ready": self.ready, "demo": self.has_demo}

    @property
    def ready(self) -> bool:
        """Whether recipes can run: what all need is there, and one framework and format at least."""
        lacking = any(part.need == "recipes" and part.is_lacking for part in self.parts)
        return not self.notes and not lacking and any(not self.list_lacking(way) for way in WAYS)

    @property
    def has_demo(self) -> bool:
        """Whether the example with a model and audio of its own can run."""
        lacking = any(part.need == "demo" and part.is_lacking for part in self.parts)
        return self.ready and not lacking and not any(self.list_lacking(way) for way in WAYS if "TensorFlow" in way)

    def list_lacking(self, way: str) -> tuple[str, ...]:
        """The packages that one of `WAYS` lacks."""
        found = {part.package: part for part in self.parts}
        return tuple(name for name in WAYS[way] if name not in found or found[name].is_lacking)


def diagnose(requirements: Sequence[Requirement] = REQUIREMENTS) -> Diagnosis:
    """Look at what is installed, by metadata and import specs alone."""
    notes = []
    if sys.version_info < OLDEST_PYTHON:
        right = ".".join(map(str, OLDEST_PYTHON))
        notes.append(f"Python {platform.python_version()} is too old; right is {right} or later")
    if importlib.util.find_spec("fcntl") is None:
        notes.append(f"{platform.system()} has no file locks of the kind testpress uses; right is Linux, macOS or WSL")
    return Diagnosis(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        notes=tuple(notes),
        parts=tuple(_look(requirement) for requirement in requirements),
        arm=find_state(),
    )


def _look(requirement: Requirement) -> Part:
    installed = _installed_version(requirement.package)
    state, note = _judge(requirement, installed)
    bounds = ((f"{requirement.oldest} or later", requirement.oldest), (f"below {requirement.below}", requirement.below))
    return Part(
        package=requirement.package,
        state=state,
        installed=installed,
        tried=requirement.tried or ", ".join(text for text, bound in bounds if bound) or None,
        serves=requirement.serves,
        need=requirement.need,
        command=None if state == "ok" else requirement.command,
        note=note,
    )


def _installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _judge(requirement: Requirement, installed: str | None) -> tuple[State, str]:
    found = importlib.util.find_spec(requirement.module) is not None
    if installed is None:
        if found:
            return "untried", "can be imported, but pip knows no version of it"
        return "missing", ""
    if not found:
        return "missing", f"pip lists {installed}, but there is no module {requirement.module}: install it again"
    version = version_key(installed.partition("+")[0])
    if requirement.oldest and version < version_key(requirement.oldest):
        return "unfit", f"too old; right is {requirement.oldest} or later"
    if requirement.below and version >= version_key(requirement.below):
        return "unfit", requirement.why_below or f"too new; right is below {requirement.below}"
    if requirement.tried and version != version_key(requirement.tried):
        return "untried", f"may do; tried was {requirement.tried}"
    return "ok", ""


def as_text(diagnosis: Diagnosis) -> str:
    """A diagnosis for people: the table, what to do about it, what recipes can do, and whether the demo can run."""
    rows = [("package", "installed", "right", "state", "without it is lost")]
    rows += [
        (part.package, part.installed or "–", part.tried or "any", _state_text(part), part.serves)
        for part in diagnosis.parts
    ]
    lines = [f"Python {diagnosis.python} on {diagnosis.system}", "", align(rows)]
    todo = [(part, part.command) for part in diagnosis.parts if part.command]
    if todo:
        advice = {command: [p.package for p, c in todo if c == command] for _, command in todo}
        lines += ["", align([(", ".join(packages), command or "") for command, packages in advice.items()])]
    lines += ["", *diagnosis.notes, _verdict(diagnosis)]
    return "\n".join(lines)


def _state_text(part: Part) -> str:
    needed = {"recipes": "", "models": "", "demo": " (the demo alone)", "option": " (optional)"}[part.need]
    return f"{part.state}{needed}" + (f": {part.note}" if part.note else "")


def _verdict(diagnosis: Diagnosis) -> str:
    ways = {way: diagnosis.list_lacking(way) for way in WAYS}
    rows = [(f"  {way}", f"no: lacks {', '.join(lacking)}" if lacking else "yes") for way, lacking in ways.items()]
    head = "recipes can run" if diagnosis.ready else "recipes can NOT run: mend what is missing or unfit above"
    lacking = [part.package for part in diagnosis.parts if part.need == "demo" and part.is_lacking]
    demo = "the demo (examples/basic_pitch) can run"
    if not diagnosis.has_demo:
        why = f"lacks {', '.join(lacking)}, which recipes of yours do not need" if lacking else "see above"
        demo = f"the demo (examples/basic_pitch) cannot: {why}"
    arm = f"Arm cores are emulated: QEMU {diagnosis.arm.qemu}, LiteRT {diagnosis.arm.litert}"
    if not diagnosis.arm.is_there:
        arm = f"Arm cores are not emulated (optional): {diagnosis.arm.reason}"
    elif diagnosis.arm.counts:
        arm += f"; instructions are not counted: {diagnosis.arm.counts}"
    return "\n".join([head, align(rows), demo, arm])
