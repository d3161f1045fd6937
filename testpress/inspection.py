"""What is in a model file or bundle: its signatures, ops, weights, floor, and whether a bundle is whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from device_profiles.errors import TestpressError
from device_profiles.record import Record
from device_profiles.text import shorten
from evaluators.costs.graph import Graph, Op
from evaluators.costs.precision import name_precision
from evaluators.errors import EvaluationError
from evaluators.floors import read_floor
from evaluators.metadata import ModelMetadata, read_metadata
from evaluators.signatures import Port, Signature
from packager.bundle import AudioContract, Floor, Format, Manifest, Proof
from packager.op_versions import RUNTIME_CUSTOM_OPS
from packager.proofs import lengths_text, reset_text, streaming_text
from packager.storage import digest_files
from packager.verification import check_files
from reports.notation import format_count, format_number
from testpress.entries import find_signatures, open_notices, read_graphs
from testpress.metadata_text import metadata_rows
from testpress.model_file import ModelFile
from testpress.table import align
from testpress.trial_call import try_signature


class OpKind(Record):
    """All ops of one kind."""

    kind: str
    count: int
    """how often they run in one call"""
    macs: int
    macs_share: float
    """of the model's multiply-adds, 0 to 1; 0 where it has none"""
    moved_bytes: int
    dtypes: tuple[str, ...]
    """what they compute in"""
    origin: Literal["builtin", "runtime", "custom", "flex"]
    """runtime: custom by name, and the runtime brings the kernel · custom: the app must bring it · flex: TensorFlow's
    own, the app must ship the Select TF ops library"""


class EntryCost(Record):
    """What one signature or function does in a call."""

    signature: str | None
    """none where the file names none"""
    ops: tuple[OpKind, ...]
    """the kinds with most multiply-adds first"""
    macs: int
    """multiply-adds; a lower bound where `unpriced` says why"""
    dynamic_ops: int
    """ops with open dimensions"""
    expanded_weight_bytes: int
    """in the types the ops read"""
    peak_activation_bytes: int
    unpriced: tuple[str, ...]
    """why multiply-adds and bytes are lower bounds"""
    notices: tuple[str, ...]


class Inspection(Record):
    """What was found in a model."""

    file: str
    format: Format
    precision: str
    precision_from: Literal["manifest", "graph"]
    size_bytes: int
    """of the model file, or of all files of the .mlpackage"""
    signatures: tuple[Signature, ...]
    costs: tuple[EntryCost, ...]
    """one a signature"""
    ops: tuple[OpKind, ...]
    """of the only signature; none where there are several, as of what follows"""
    macs: int | None
    dynamic_ops: int | None
    expanded_weight_bytes: int | None
    peak_activation_bytes: int | None
    weight_bytes: int
    """in the file, those of all signatures"""
    floor: Floor
    runtime: str | None
    """what plays it on this machine, tried with one call on zeros; none where it cannot be played here"""
    not_playable: str | None
    """why it cannot be played here"""
    not_known: str | None = None
    """why it is not known whether it can be played here"""
    played_with: str | None = None
    """what the inputs were given, where zeros of the file's own sizes were refused"""
    metadata: ModelMetadata
    """what the file says of itself"""
    manifest: Manifest | None
    """of a bundle"""
    hash_faults: tuple[str, ...]
    """files of a bundle that are missing, changed or not in the manifest"""

    @property
    def only(self) -> EntryCost | None:
        """The cost of a file with one signature, or of the one that was named."""
        return self.costs[0] if len(self.costs) == 1 else None


def inspect_model(model: ModelFile, *, signature: str | None = None) -> Inspection:
    """Read a model file and try to play it; errors as `read_facts`'s."""
    return try_to_play(read_facts(model, signature=signature), model)


def read_facts(model: ModelFile, *, signature: str | None = None) -> Inspection:
    """Read a model file and, for a bundle, hold every file against its hash.

    Args:
        model: The model file.
        signature: Which signature or function; else all.

    Raises:
        TestpressError: The file is damaged, or has no such signature.
    """
    faults = check_files(model.bundle) if model.bundle else ()
    try:
        graphs = read_graphs(model, signature)
        signatures, floor = find_signatures(model, signature), read_floor(model.path)
    except TestpressError as fault:
        text = str(fault) if str(model.path) in str(fault) else f"{model.path}: {fault}"
        raise EvaluationError("\n".join([text, *faults])) from fault
    manifest = model.bundle.manifest if model.bundle else None
    costs = tuple(_cost(graph) for graph in graphs)
    only = costs[0] if len(costs) == 1 else None
    return Inspection(
        file=str(model.path),
        format=model.format,
        precision=manifest.precision if manifest else name_precision(max(graphs, key=lambda graph: graph.macs)),
        precision_from="manifest" if manifest else "graph",
        size_bytes=sum(digest.size_bytes for digest in digest_files(model.path.resolve()).values()),
        signatures=signatures,
        costs=costs,
        ops=only.ops if only else (),
        macs=only.macs if only else None,
        dynamic_ops=only.dynamic_ops if only else None,
        expanded_weight_bytes=only.expanded_weight_bytes if only else None,
        peak_activation_bytes=only.peak_activation_bytes if only else None,
        weight_bytes=graphs[0].weight_bytes,
        floor=floor,
        runtime=None,
        not_playable=None,
        not_known="one call on zeros did not come to its end",
        metadata=read_metadata(model.path),
        manifest=manifest,
        hash_faults=faults,
    )


def try_to_play(facts: Inspection, model: ModelFile) -> Inspection:
    """The facts with the runtime that plays the model here, or why none does.

    One call a signature is made, on zeros: TFLite finds out that a kernel is missing only then.
    """
    several = len(facts.signatures) > 1
    found = [try_signature(model, signature.name if several else None) for signature in facts.signatures]
    trial = next((one for one in found if one.runtime is None), found[0])
    return facts.model_copy(
        update={
            "runtime": trial.runtime,
            "not_playable": trial.not_playable,
            "not_known": trial.not_known,
            "played_with": trial.played_with,
        }
    )


def _cost(graph: Graph) -> EntryCost:
    return EntryCost(
        signature=graph.entry,
        ops=_kinds(graph),
        macs=graph.macs,
        dynamic_ops=sum(op.dynamic for op in graph.ops),
        expanded_weight_bytes=graph.expanded_weight_bytes,
        peak_activation_bytes=graph.peak_activation_bytes,
        unpriced=graph.unpriced,
        notices=tuple(open_notices(graph)),
    )


def _kinds(graph: Graph) -> tuple[OpKind, ...]:
    by_kind: dict[str, list[Op]] = {}
    for op in graph.ops:
        by_kind.setdefault(op.kind, []).append(op)
    total = graph.macs or 1
    kinds = [
        OpKind(
            kind=kind,
            count=sum(op.runs for op in ops),
            macs=sum(op.macs for op in ops),
            macs_share=sum(op.macs for op in ops) / total,
            moved_bytes=sum(op.moved_bytes for op in ops),
            dtypes=tuple(sorted({op.dtype for op in ops})),
            origin=_origin(kind),
        )
        for kind, ops in by_kind.items()
    ]
    return tuple(sorted(kinds, key=lambda kind: (-kind.macs, -kind.moved_bytes, kind.kind)))


def _origin(kind: str) -> Literal["builtin", "runtime", "custom", "flex"]:
    if not kind.startswith(("CUSTOM", "custom")):
        return "builtin"
    name = kind.removeprefix("CUSTOM ")
    if name in RUNTIME_CUSTOM_OPS:
        return "runtime"
    return "flex" if name.startswith("Flex") else "custom"


def as_text(found: Inspection) -> str:
    """An inspection for people."""
    parts = [f"{found.file}: {found.format}, {format_number(found.size_bytes, 'bytes')}"]
    if found.manifest is not None:
        parts.append(align(_manifest_rows(found.manifest, found.hash_faults), indent="  "))
    said = metadata_rows(found.metadata)
    parts += [align(said, indent="  ")] if said else []
    parts += [_signature_text(signature) for signature in found.signatures]
    parts.append(align(_model_rows(found), indent="  "))
    if found.only is not None:
        return "\n\n".join([*parts, _ops_text(found.only.ops)])
    for cost in found.costs:
        title = f"ops of signature {cost.signature}"
        parts.append("\n".join([title, align(_cost_rows(cost), indent="  "), _ops_text(cost.ops)]))
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
        return "none: its recipe has no [audio] section"
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
    floor = found.floor.minimum_os or found.floor.minimum_runtime or "none"
    rows = [
        ("precision", f"{found.precision}, {told}"),
        ("weights", f"{format_number(found.weight_bytes, 'bytes')} in the file"),
        *(_cost_rows(found.only) if found.only else []),
        ("floor", f"{floor}: {found.floor.because}"),
        ("plays here", _playing_text(found)),
    ]
    kinds = {kind.kind: kind for cost in found.costs for kind in cost.ops}.values()
    for origin, need in _NEEDS.items():
        names = [kind.kind.removeprefix("CUSTOM ") for kind in kinds if kind.origin == origin]
        if names:
            rows.append((f"{origin} ops", f"{', '.join(names)}: {need}"))
    return rows


_NEEDS = {
    "runtime": "custom by name; the runtime itself brings their kernels",
    "custom": "the app must bring their kernels",
    "flex": "the app must ship Select TF ops",
}


def _cost_rows(cost: EntryCost) -> list[tuple[str, str]]:
    least = "at least " if cost.unpriced else ""
    rows = [
        ("as ops read", f"{format_number(cost.expanded_weight_bytes, 'bytes')} of weights"),
        ("activations", f"{least}{format_number(cost.peak_activation_bytes, 'bytes')} alive at most"),
        ("multiply-adds", f"{least}{format_count(cost.macs)} a call"),
    ]
    rows += [("open shapes", notice) for notice in cost.notices]
    rows += [("not counted", reason) for reason in cost.unpriced]
    return rows


def _playing_text(found: Inspection) -> str:
    if found.not_known is not None:
        return f"not known: {found.not_known}"
    how = "" if found.played_with is None else f", with {found.played_with}"
    return f"yes, on {found.runtime}{how}" if found.runtime else f"NO: {found.not_playable}"


def _ops_text(kinds: Sequence[OpKind]) -> str:
    rows = [("op", "count", "multiply-adds", "share", "moved", "computes in")]
    rows += [
        (
            shorten(kind.kind, 60),
            str(kind.count),
            format_count(kind.macs),
            f"{kind.macs_share:.1%}",
            format_number(kind.moved_bytes, "bytes"),
            ", ".join(kind.dtypes),
        )
        for kind in kinds
    ]
    return align(rows, right=(1, 2, 3, 4), indent="  ")
