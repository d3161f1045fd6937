"""A realistic evaluation: Basic Pitch, seven bundles and files, four phones, 24 clips. Seeded, so always the same."""

from __future__ import annotations

import random
from dataclasses import dataclass

from evaluators.drift_records import Drift, DriftStep
from evaluators.environment import Environment
from evaluators.evaluation import (
    ClipInfo,
    ClipScores,
    DatasetInfo,
    DeviceResult,
    Evaluation,
    SourceResult,
    Timing,
    VariantResult,
)
from evaluators.picture_records import Note
from evaluators.score import Score
from evaluators.target_records import Failure, OutputParity
from packager.bundle import AudioContract, Floor, Format, ModelIdentity

CLIPS = 24
LOG_OP = "model/harmonic_stacking/normalized_log/StatefulPartitionedCall_normalized_log_1_add_cast_fp16"
DEVICE_NAMES = {
    "pixel-8": "Pixel 8",
    "galaxy-a14": "Galaxy A14",
    "iphone-12": "iPhone 12",
    "iphone-15-pro": "iPhone 15 Pro",
}
PHONES: dict[Format, tuple[str, ...]] = {"tflite": ("pixel-8", "galaxy-a14"), "coreml": ("iphone-12", "iphone-15-pro")}
RECIPE = {
    "budgets": [
        {"metric": "note_f1", "max_drop": 0.01},
        {"metric": "latency_p90_ms", "max": "60ms"},
        {"metric": "size_bytes", "max": "300kB"},
        {"metric": "max_abs_error", "max": 0.05},
        {"metric": "memory_bytes", "max": "64MB", "level": "warn"},
    ]
}

HOSTILE = "</script></style><img src=x onerror=alert(1)>{{7*7}}|`*_[a](javascript:alert(2))\u202etxt\x00\x1b"


@dataclass(frozen=True)
class Spec:
    """What sets one example bundle apart."""

    variant: str
    format: Format
    precision: str
    size_bytes: int
    max_abs_error: float
    f1_drop: float
    host_ms: float
    origin: str = "bundle"


SPECS = (
    Spec("tflite-float32", "tflite", "float32", 246_512, 3.1e-6, 0.0, 31.0),
    Spec("tflite-float16", "tflite", "float16", 139_264, 8.4e-4, 0.0007, 31.6),
    Spec("tflite-dynamic_wi8_afp32", "tflite", "dynamic_wi8_afp32", 98_304, 0.031, 0.006, 24.2),
    Spec("coreml-float32", "coreml", "float32", 318_700, 5.7e-6, 0.0, 58.0),
    Spec("coreml-float16", "coreml", "float16", 181_190, 0.1308, 0.021, 66.5),
    Spec("nmp.tflite", "tflite", "float32", 204_448, 2.9e-6, 0.0, 35.2, "file"),
    Spec("nmp.mlpackage", "coreml", "float32", 268_983, 6.0e-6, 0.0, 60.1, "file"),
)


def ratio(value: float, spread: float = 0.0, **more: object) -> Score:
    interval = {"low": value - spread, "high": value + spread, "confidence": 0.95} if spread else {}
    return Score.model_validate(
        {"value": value, "unit": "ratio", "direction": "higher", "basis": "emulated", **interval, **more}
    )


def lower(value: float, unit: str, basis: str = "emulated", **more: object) -> Score:
    return Score.model_validate({"value": value, "unit": unit, "direction": "lower", "basis": basis, **more})


def predicted(value: float, unit: str, factor: float = 1.6) -> Score:
    return lower(value, unit, "predicted", low=value / factor, high=value * factor, confidence=0.8)


def make_notes(source: random.Random, duration_s: float) -> tuple[Note, ...]:
    notes: list[Note] = []
    onset_s = 0.2
    while onset_s < duration_s - 0.6:
        root = source.randint(45, 76)
        length_s = source.choice((0.2, 0.35, 0.5))
        notes += [
            Note(onset_s=round(onset_s, 3), offset_s=round(onset_s + length_s, 3), pitch_midi=pitch)
            for pitch in (root, root + 4, root + 7)[: source.randint(1, 3)]
        ]
        onset_s += source.choice((0.25, 0.4, 0.5))
    return tuple(notes)


def blur(notes: tuple[Note, ...], source: random.Random, missing: float) -> tuple[Note, ...]:
    """What a model hears: some notes lost, some an octave off, all a little late."""
    heard = []
    for note in notes:
        if source.random() < missing:
            continue
        octave = 12 if source.random() < missing / 2 else 0
        late_s = source.uniform(0, 0.03)
        heard.append(
            Note(
                onset_s=round(note.onset_s + late_s, 3),
                offset_s=round(note.offset_s + late_s, 3),
                pitch_midi=note.pitch_midi + octave,
            )
        )
    return tuple(heard)


def make_drift() -> Drift:
    source, error, steps = random.Random(5), 0.1308, []
    for number in range(222):
        worst = number == 31
        error = 0.012 if worst else error * (0.985 if number > 31 else 1.0) if number != 14 else 0.118
        kind = "log" if worst else source.choice(("conv", "transpose", "reshape", "add", "relu", "cast"))
        name = LOG_OP if worst else f"model/contours-reduced/{kind}_{number}_cast_fp16"
        steps.append(DriftStep(op=name, kind=kind, error_after=round(error, 6)))
    return Drift(
        reference="coreml-float32",
        output_error=0.1308,
        first_op=steps[14].op,
        worst_op=LOG_OP,
        explanation="A quiet window's squared magnitude is below float16's smallest normal number, so its log is off.",
        steps=tuple(steps),
    )


def make_parity(spec: Spec) -> tuple[OutputParity, ...]:
    scores = []
    for name, share in (("note", 0.4), ("onset", 1.0), ("contour", 0.98)):
        error = spec.max_abs_error * share
        snr = 20 if error > 0.1 else 40 if error > 0.01 else 71 if error > 1e-4 else 112
        scores.append(
            OutputParity(
                output=name,
                snr_db=Score(value=snr - share, unit="db", direction="higher", basis="emulated"),
                max_abs_error=lower(error, "dimensionless"),
                cosine=Score(value=1 - error / 40, unit="dimensionless", direction="higher", basis="emulated"),
            )
        )
    return tuple(scores)


def make_device(spec: Spec, device: str) -> DeviceResult:
    slow = {"pixel-8": 0.8, "galaxy-a14": 1.6, "iphone-12": 0.42, "iphone-15-pro": 0.25}[device]
    latency = predicted(spec.host_ms * slow, "ms")
    runs = not (device == "galaxy-a14" and spec.precision == "dynamic_wi8_afp32")
    return DeviceResult(
        device=device,
        runs=runs,
        floor_reason="needs TFLite 2.3.0; the app ships LiteRT 1.4.0"
        if runs
        else "FULLY_CONNECTED version 12 needs TFLite 2.17.0; the phone's app ships 2.16.1",
        compute_unit="npu" if spec.precision == "float16" and spec.format == "coreml" else "cpu",
        placement_reason="float16 ML Program: the Neural Engine computes in float16",
        threads=None if spec.precision == "float16" and spec.format == "coreml" else 4,
        scores={
            "latency_ms": latency,
            "latency_p90_ms": latency.model_copy(update={"value": latency.high}),
            "real_time_factor": lower((latency.value or 0) / 1640, "ratio", "predicted"),
            "memory_bytes": predicted(27_000_000 + spec.size_bytes * 20, "bytes", 1.5),
        },
    )


def make_timing(spec: Spec) -> Timing:
    source = random.Random(spec.variant)
    samples = [int(spec.host_ms * 1e6 * (1 + source.expovariate(18))) for _ in range(50)]
    order = sorted(samples)
    return Timing(
        threads=2,
        warmup_calls=5,
        samples_ns=tuple(samples),
        p50_ms=lower(order[24] / 1e6, "ms", "measured_host"),
        p90_ms=lower(order[44] / 1e6, "ms", "measured_host"),
    )


def make_variant(spec: Spec, source: SourceResult) -> VariantResult:
    clips = []
    for number, clip in enumerate(source.clips):
        seeded = random.Random(f"{spec.variant}{number}")
        drop = spec.f1_drop * seeded.choice((0, 0, 1, 2, 3)) if spec.f1_drop else 0.0
        f1 = round((clip.scores["note_f1"].value or 0) - drop, 4)
        notes = blur(clip.notes or (), seeded, drop)
        clips.append(ClipScores(clip=clip.clip, scores={"note_f1": ratio(f1)}, notes=notes))
    mean = sum(clip.scores["note_f1"].value or 0 for clip in clips) / CLIPS
    reference = source.scores["note_f1"].value or 0
    difference = round(mean - reference, 6)
    low, high = difference - spec.f1_drop * 0.6, difference + spec.f1_drop * 0.6
    return VariantResult(
        variant=spec.variant,
        origin="bundle" if spec.origin == "bundle" else "file",
        path=f"bundles/{spec.variant}" if spec.origin == "bundle" else f"models/{spec.variant}",
        format=spec.format,
        precision=spec.precision,
        key=f"{sum(map(ord, spec.variant)):064x}",
        floor=Floor(platform="android", minimum_os=None, minimum_runtime="TFLite 2.3.0", because="CONV_2D version 3")
        if spec.format == "tflite"
        else Floor(platform="ios", minimum_os="iOS15", minimum_runtime=None, because="specification version 6"),
        scores={
            "note_f1": ratio(mean, 0.031),
            "note_precision": ratio(mean + 0.04, 0.03),
            "note_recall": ratio(mean - 0.05, 0.035),
            "size_bytes": lower(spec.size_bytes, "bytes", "measured_host"),
            "peak_memory_bytes": lower(88_000_000 + spec.size_bytes, "bytes", "measured_host"),
            "compressed_bytes": lower(int(spec.size_bytes * 0.86), "bytes", "measured_host"),
        },
        differences={"note_f1": ratio(difference, low=low, high=high, confidence=0.95)},
        parity=make_parity(spec),
        timing=make_timing(spec),
        drift=make_drift() if spec.variant == "coreml-float16" else None,
        devices=tuple(make_device(spec, device) for device in PHONES[spec.format]),
        clips=tuple(clips),
        notices=("inputs bound by position: the file names none",) if spec.origin == "file" else (),
    )


def make_source(infos: tuple[ClipInfo, ...]) -> SourceResult:
    clips = []
    for number, info in enumerate(infos):
        seeded = random.Random(f"source{number}")
        missing = seeded.uniform(0.05, 0.3)
        notes = blur(info.reference_notes or (), seeded, missing)
        scores = {"note_f1": ratio(round(1 - missing, 4))}
        clips.append(ClipScores(clip=info.clip, scores=scores, notes=notes))
    mean = sum(clip.scores["note_f1"].value or 0 for clip in clips) / len(clips)
    scores = {
        "note_f1": ratio(mean, 0.03),
        "note_precision": ratio(mean + 0.04, 0.03),
        "note_recall": ratio(mean - 0.05, 0.03),
    }
    return SourceResult(framework="tensorflow", sha256="5e" * 32, scores=scores, clips=tuple(clips))


def make_evaluation() -> Evaluation:
    infos = []
    for number in range(CLIPS):
        seeded = random.Random(number)
        duration_s = round(seeded.uniform(2, 8), 2)
        infos.append(
            ClipInfo(
                clip=f"{('piano', 'guitar', 'strings', 'organ', 'flute', 'bass')[number % 6]}-{number:02d}",
                duration_s=duration_s,
                reference_notes=make_notes(seeded, duration_s),
                notices=("resampled from 44100 Hz to 22050 Hz",) if number == 3 else (),
            )
        )
    source = make_source(tuple(infos))
    failed = VariantResult(
        variant="tflite-static_wi8_ai8",
        origin="bundle",
        path="bundles/tflite-static_wi8_ai8",
        format="tflite",
        precision="static_wi8_ai8",
        key="f" * 64,
        failure=Failure(
            stage="package",
            reason="the quantizer has no int8 kernel for LOG at model/normalized_log/Log",
            log="logs/tflite-static_wi8_ai8.log",
        ),
    )
    return Evaluation(
        testpress_version="0.1.0",
        created="2026-11-23T09:30:00Z",
        command="testpress run examples/basic_pitch/testpress.toml",
        model=ModelIdentity(name="basic-pitch", version="0.4.0", license="Apache-2.0"),
        audio=AudioContract(sample_rate_hz=22050, window_samples=43844, hop_samples=36164, frame_rate_hz=86.0),
        task="note_transcription",
        recipe=RECIPE,
        dataset=DatasetInfo(
            name="notes",
            sha256="da" * 32,
            clips=tuple(infos),
            attribution="Melodies composed by A. Nonymous (CC-BY-4.0)",
            notices=("2 keys that the task does not read: mood, take",),
        ),
        environment=Environment(
            platform="Linux-6.1-x86_64",
            processor="Intel Xeon, 2.20 GHz",
            cores=2,
            python="3.11.2",
            packages={"coremltools": "9.0", "ai-edge-litert": "2.3.0", "tensorflow": "2.21.0", "torch": "2.13.0"},
        ),
        source=source,
        variants=(*(make_variant(spec, source) for spec in SPECS), failed),
        device_names=DEVICE_NAMES,
    )
