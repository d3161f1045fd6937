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
from testpress.table import align

State = Literal["ok", "untried", "unfit", "missing"]
"""ok: present and fit · untried: another version than the tried one · unfit: a version that is known not to do ·
missing: not installed"""

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
    default_job: bool = True
    """whether `testpress run` on the example needs it"""
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
    Requirement("tensorflow", "tensorflow", "packaging and running TensorFlow models", "tensorflow", "2.21.0"),
    Requirement(
        "tf-keras", "tf_keras", "SavedModels and .h5 files that Keras 2 made", "tensorflow", "2.21.0"
    ),
    Requirement("ai-edge-litert", "ai_edge_litert", "reading and playing .tflite", "tflite", oldest="2.3", below="2.4"),
    Requirement(
        "ai-edge-quantizer", "ai_edge_quantizer", "TFLite bundles in any precision but float32", "tflite", "0.10.0"
    ),
    Requirement("coremltools", "coremltools", "making and reading Core ML packages", "coreml", "9.0"),
    Requirement("torch", "torch", "playing Core ML packages, packaging PyTorch models", "coreml", "2.13.0"),
    Requirement(
        "jiwer", "jiwer", "word error rates of speech recognition", "speech", oldest="4", below="5", default_job=False
    ),
    Requirement(
        "pystoi", "pystoi", "intelligibility of enhanced speech", "speech", oldest="0.4.1", default_job=False
    ),
    Requirement(
        "speechmos", "speechmos", "listeners' opinion of enhanced speech (DNSMOS)", "dnsmos", "0.0.1.1",
        default_job=False,
    ),
    Requirement("onnxruntime", "onnxruntime", "the same: it runs DNSMOS", "dnsmos", oldest="1.20", default_job=False),
    Requirement("G722", "G722", "the condition g722", "codecs", oldest="1.2.8", below="2", default_job=False),
    Requirement(
        "av", "av", "the condition amr (wheels under GPL)", "codecs-gpl", oldest="15.1", below="19", default_job=False
    ),
    Requirement(
        "pillow", "PIL", "Core ML models that take or make pictures", "coreml", oldest="10", default_job=False
    ),
    Requirement(
        "litert-torch", "litert_torch", "PyTorch to TFLite", "torch", "0.10.0", default_job=False
    ),
    Requirement(
        "model-signing", "model_signing", "signing bundles and verifying signatures", "sign",
        oldest="1.0.1", below="1.2", default_job=False,
    ),
    Requirement("sigstore", "sigstore", "the same: model-signing needs it", "sign", oldest="3.6.7", default_job=False),
    Requirement("pyOpenSSL", "OpenSSL", "the same: model-signing needs it", "sign", oldest="23", default_job=False),
    Requirement("pyyaml", "yaml", "AI Hub's perf.yaml as measured times", "aihub", oldest="6", default_job=False),
    Requirement("ray", "ray", "--executor ray: a cluster", "ray", oldest="2.50", below="3", default_job=False),
    Requirement(
        "basic-pitch", "basic_pitch", "the example's model", tried="0.4.0",
        install="pip install --no-deps basic-pitch==0.4.0",
    ),
    Requirement(
        "tinysoundfont", "tinysoundfont", "the example's audio", tried="0.3.7",
        install="pip install --no-deps tinysoundfont==0.3.7",
    ),
    Requirement("pretty_midi", "pretty_midi", "the example's audio", "example", oldest="0.2.10"),
)  # fmt: skip
"""all of them, in the order they are shown; a test holds versions and extras against the package's own metadata"""


class Part(Record):
    """What was found of one requirement."""

    package: str
    state: State
    installed: str | None
    tried: str | None
    """the tried version, or the range that will do"""
    serves: str
    """what is lost without it"""
    default_job: bool
    command: str | None
    """brings it, or the version that does; none where all is well"""
    note: str


class Diagnosis(Record):
    """The whole of it."""

    python: str
    system: str
    notes: tuple[str, ...]
    """what is wrong with the machine itself"""
    parts: tuple[Part, ...]

    def as_data(self) -> dict[str, Any]:
        """What `testpress doctor --json` writes."""
        return {**self.model_dump(mode="json"), "ready": self.ready}

    @property
    def ready(self) -> bool:
        """Whether the default job can run."""
        lacking = [part for part in self.parts if part.default_job and part.state in ("missing", "unfit")]
        return not self.notes and not lacking


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
        default_job=requirement.default_job,
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
    """A diagnosis for people: the table, what to do about it, and whether the default job can run."""
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
    optional = "" if part.default_job else " (optional)"
    return f"{part.state}{optional}" + (f": {part.note}" if part.note else "")


def _verdict(diagnosis: Diagnosis) -> str:
    if diagnosis.ready:
        return "the default job can run"
    return "the default job can NOT run: mend what is missing or unfit above"
