"""What is in a model file or bundle: its signatures, ops, weights, floor, and whether a bundle is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from device_profiles.errors import TestpressError
from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.costs.graph import Graph, Op, read_graph
from evaluators.costs.precision import name_precision
from evaluators.emulators import open_model
from evaluators.errors import EvaluationError
from evaluators.floors import read_floor
from evaluators.signatures import Port, Signature, read_signatures
from packager.bundle import AudioContract, Floor, Format, Manifest, Proof
from packager.storage import digest_files
from packager.verification import check_files
from reports.notation import format_number
from testpress.model_file import ModelFile
from testpress.streams import lengths_text, reset_text, streaming_text
from testpress.table import align


class OpKind(Record):
    """All ops of one kind."""

    kind: str
    count: int
    macs: int
    macs_share: float
    """of the model's multiply-adds, 0 to 1; 0 where it has none"""
    moved_bytes: int
    dtypes: tuple[str, ...]
    """what they compute in"""
    origin: Literal["builtin", "custom", "flex"]
    """custom: the app must bring the kernel · flex: TensorFlow's own, the app must ship the Select TF ops library"""


class Inspection(Record):
    """What was found in a model."""

    file: str
    format: Format
    precision: str
    precision_from: Literal["manifest", "graph"]
    size_bytes: int
    """of the model file, or of all files of the .mlpackage"""
    signatures: tuple[Signature, ...]
    ops: tuple[OpKind, ...]
    """the kinds with most multiply-adds first"""
    macs: int
    """multiply-adds of one call"""
    dynamic_ops: int
    """ops with open dimensions, counted as 1 in multiply-adds and bytes"""
    weight_bytes: int
    """in the file"""
    expanded_weight_bytes: int
    """in the types the ops read"""
    peak_activation_bytes: int
    floor: Floor
    runtime: str | None
    """what plays it on this machine, tried with one call on zeros; none where it cannot be played here"""
    not_playable: str | None
    """why it cannot be played here"""
    not_known: str | None = None
    """why it is not known whether it can be played here"""
    manifest: Manifest | None
    """of a bundle"""
    hash_faults: tuple[str, ...]
    """files of a bundle that are missing, changed or not in the manifest"""


def inspect_model(model: ModelFile) -> Inspection:
    """Read a model file and try to play it; errors as `read_facts`'s."""
    return try_to_play(read_facts(model), model)


def read_facts(model: ModelFile) -> Inspection:
    """Read a model file and, for a bundle, hold every file against its hash. Nothing is run.

    Raises:
        TestpressError: The file is damaged.
    """
    faults = check_files(model.bundle) if model.bundle else ()
    try:
        graph = read_graph(model.path)
        signatures, floor = read_signatures(model.path), read_floor(model.path)
    except TestpressError as fault:
        text = str(fault) if str(model.path) in str(fault) else f"{model.path}: {fault}"
        raise EvaluationError("\n".join([text, *faults])) from fault
    manifest = model.bundle.manifest if model.bundle else None
    return Inspection(
        file=str(model.path),
        format=model.format,
        precision=manifest.precision if manifest else name_precision(graph),
        precision_from="manifest" if manifest else "graph",
        size_bytes=sum(digest.size_bytes for digest in digest_files(model.path.resolve()).values()),
        signatures=signatures,
        ops=_kinds(graph),
        macs=graph.macs,
        dynamic_ops=sum(op.dynamic for op in graph.ops),
        weight_bytes=graph.weight_bytes,
        expanded_weight_bytes=graph.expanded_weight_bytes,
        peak_activation_bytes=graph.peak_activation_bytes,
        floor=floor,
        runtime=None,
        not_playable=None,
        not_known="one call on zeros did not come to its end",
        manifest=manifest,
        hash_faults=faults,
    )


def try_to_play(facts: Inspection, model: ModelFile) -> Inspection:
    """The facts with the runtime that plays the model here, or why none does.

    One call is made, on zeros: TFLite finds out that a kernel is missing only then.
    """
    try:
        emulator = open_model(model.path)
        emulator.run({name: np.zeros(tensor.shape, tensor.dtype) for name, tensor in emulator.inputs.items()})
    except EvaluationError as fault:
        return facts.model_copy(update={"not_playable": " ".join(str(fault).split()), "not_known": None})
    return facts.model_copy(update={"runtime": emulator.runtime, "not_known": None})


def _kinds(graph: Graph) -> tuple[OpKind, ...]:
    by_kind: dict[str, list[Op]] = {}
    for op in graph.ops:
        by_kind.setdefault(op.kind, []).append(op)
    total = graph.macs or 1
    kinds = [
        OpKind(
            kind=kind,
            count=len(ops),
            macs=sum(op.macs for op in ops),
            macs_share=sum(op.macs for op in ops) / total,
            moved_bytes=sum(op.moved_bytes for op in ops),
            dtypes=tuple(sorted({op.dtype for op in ops})),
            origin=_origin(kind),
        )
        for kind, ops in by_kind.items()
    ]
    return tuple(sorted(kinds, key=lambda kind: (-kind.macs, -kind.moved_bytes, kind.kind)))


def _origin(kind: str) -> Literal["builtin", "custom", "flex"]:
    if not kind.startswith(("CUSTOM", "custom")):
        return "builtin"
    return "flex" if kind.removeprefix("CUSTOM ").startswith("Flex") else "custom"


def as_text(found: Inspection) -> str:
    """An inspection for people."""
    parts = [f"{found.file}: {found.format}, {format_number(found.size_bytes, 'bytes')}"]
    if found.manifest is not None:
        parts.append(align(_manifest_rows(found.manifest, found.hash_faults), indent="  "))
    parts += [_signature_text(signature) for signature in found.signatures]
    parts += [align(_model_rows(found), indent="  "), _ops_text(found.ops)]
    return "\n\n".join(parts)


def _manifest_rows(manifest: Manifest, faults: Sequence[str]) -> list[tuple[str, str]]:
    held = [f"all {len(manifest.files)} files are as packaged"] if not faults else ["BROKEN", *faults]
    vectors = (f"{g.name} ({', '.join(g.inputs)} → {', '.join(g.outputs)})" for g in manifest.golden)
    return [
        ("model", f"{manifest.model.name} {manifest.model.version}, licence {manifest.model.license}"),
        ("variant", manifest.variant),
        ("source", f"{manifest.source.uri} ({manifest.source.framework}, SHA-256 {manifest.source.sha256[:12]}…)"),
        ("tools", ", ".join(f"{name} {version}" for name, version in manifest.tools.items())),
        ("rewrites", ", ".join(manifest.rewrites) or "none"),
        ("audio", _audio_text(manifest.audio)),
        ("state", _state_text(manifest)),
        ("proof", _proof_text(manifest.proof)),
        *([] if manifest.proof is None else _stream_rows(manifest.proof)),
        ("golden vectors", "; ".join(vectors) or "none"),
        *zip(("hashes", *("" for _ in faults)), held, strict=True),
    ]


def _stream_rows(proof: Proof) -> list[tuple[str, str]]:
    rows = [("streaming", streaming_text(proof.streaming)), ("reset", reset_text(proof.reset))]
    return rows + ([("other lengths", lengths_text(proof.lengths))] if proof.lengths else [])


def _state_text(manifest: Manifest) -> str:
    carried = [f"{name} ← {output}" for name, output in manifest.state.items()]
    kept = [f"{one.name}, kept by the model" for one in manifest.internal_states]
    return ", ".join(carried + kept) or "none"


def _audio_text(audio: AudioContract | None) -> str:
    if audio is None:
        return "none: the model takes no samples"
    windows = f"windows of {audio.window_samples} samples every {audio.hop_samples}"
    rate = "" if audio.frame_rate_hz is None else f", trimmed by {audio.frame_rate_hz:g} frames/s"
    return f"{audio.sample_rate_hz} Hz, {audio.channels} channel(s), {windows}{rate}"


def _proof_text(proof: Proof | None) -> str:
    if proof is None:
        return "none"
    found = ", ".join(
        f"{one.output} {one.reason if one.snr_db is None else f'{one.snr_db:.1f} dB'}" for one in proof.outputs
    )
    verdict = "holds" if proof.holds else "BROKEN" + (f" at {proof.breaks_at}" if proof.breaks_at else "")
    return f"{verdict}: {found}; at least {proof.tolerance_db:g} dB was promised ({proof.calls} calls: {proof.inputs})"


def _signature_text(signature: Signature) -> str:
    title = "no signature (tensor names)" if signature.name is None else f"signature {signature.name}"
    rows = [
        (direction, shorten(port.name), _shape(port), port.dtype, port.note)
        for direction, ports in (("in", signature.inputs), ("out", signature.outputs), ("state", signature.states))
        for port in ports
    ]
    return f"{title}\n{align(rows, indent='  ')}"


def _shape(port: Port) -> str:
    return "[" + ", ".join("open" if size is None else str(size) for size in port.shape) + "]"


def _model_rows(found: Inspection) -> list[tuple[str, str]]:
    told = "as the manifest says" if found.precision_from == "manifest" else "told from the graph"
    widened = format_number(found.expanded_weight_bytes, "bytes")
    floor = found.floor.minimum_os or found.floor.minimum_runtime or "none"
    rows = [
        ("precision", f"{found.precision}, {told}"),
        ("weights", f"{format_number(found.weight_bytes, 'bytes')} in the file, {widened} as the ops read them"),
        ("activations", f"{format_number(found.peak_activation_bytes, 'bytes')} alive at most"),
        ("multiply-adds", f"{found.macs / 1e6:.1f} million a call"),
        ("floor", f"{floor}: {found.floor.because}"),
        ("plays here", _playing_text(found)),
    ]
    if found.dynamic_ops:
        rows.append(
            ("open shapes", f"{found.dynamic_ops} ops; counted as 1, so multiply-adds and bytes are lower bounds")
        )
    for origin, need in (("custom", "the app must bring their kernels"), ("flex", "the app must ship Select TF ops")):
        names = [kind.kind.removeprefix("CUSTOM ") for kind in found.ops if kind.origin == origin]
        if names:
            rows.append((f"{origin} ops", f"{', '.join(names)}: {need}"))
    return rows


def _playing_text(found: Inspection) -> str:
    if found.not_known is not None:
        return f"not known: {found.not_known}"
    return f"yes, on {found.runtime}" if found.runtime else f"NO: {found.not_playable}"


def _ops_text(kinds: Sequence[OpKind]) -> str:
    rows = [("op", "count", "multiply-adds", "share", "moved", "computes in")]
    rows += [
        (
            shorten(kind.kind, 60),
            str(kind.count),
            f"{kind.macs / 1e6:.2f} M",
            f"{kind.macs_share:.1%}",
            format_number(kind.moved_bytes, "bytes"),
            ", ".join(kind.dtypes),
        )
        for kind in kinds
    ]
    return align(rows, right=(1, 2, 3, 4), indent="  ")
