"""An inspection as a terminal shows it."""

from __future__ import annotations

from collections.abc import Sequence

from device_profiles.text import shorten
from evaluators.formats.signatures import Port, Signature
from evaluators.formats.tflite.scales import summarise_scales
from packager.bundle import AudioContract, Manifest, Proof
from packager.frontend_spec import FrontendContract
from packager.proving.proofs import lengths_text, reset_text, streaming_text
from packager.vector_records import GoldenVector
from reports.notation import format_count, format_number
from testpress.inspection.inspected import EntryCost, Inspection, OpKind
from testpress.inspection.metadata_text import metadata_rows
from testpress.table import align


def as_text(found: Inspection) -> str:
    """An inspection for people."""
    kind = "" if found.kind is None else f" {found.kind}"
    parts = [f"{found.file}: {found.format}{kind}, {format_number(found.size_bytes, 'bytes')}"]
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
    vectors = (f"{one.name} ({_vector_text(one)} → {', '.join(one.outputs or one.source)})" for one in manifest.vectors)
    return [
        ("model", f"{manifest.model.name} {manifest.model.version}, licence {manifest.model.license}"),
        ("variant", manifest.variant),
        ("source", f"{manifest.source.uri} ({manifest.source.framework}, SHA-256 {manifest.source.sha256[:12]}…)"),
        ("tools", ", ".join(f"{name} {version}" for name, version in manifest.tools.items())),
        ("rewrites", ", ".join(manifest.rewrites) or "none"),
        *([] if manifest.types is None else [("types", manifest.types)]),
        ("audio", _audio_text(manifest.audio)),
        *([] if manifest.frontend is None else [("front end", _frontend_text(manifest.frontend))]),
        ("state", _state_text(manifest)),
        ("proof", _proof_text(manifest.proof)),
        *([] if manifest.proof is None else _stream_rows(manifest.proof)),
        ("golden vectors", "; ".join(vectors) or "none"),
        *zip(("hashes", *("" for _ in faults)), held, strict=True),
    ]


def _vector_text(vector: GoldenVector) -> str:
    if vector.recording is not None:
        return f"recording of {vector.recording.windows} windows"
    heard = "" if vector.audio is None else "audio → "
    times = f"{len(vector.resets)} times from states of 0: " if vector.kind == "calls" else ""
    return f"{times}{heard}{', '.join(vector.inputs)}"


def _stream_rows(proof: Proof) -> list[tuple[str, str]]:
    rows = [("streaming", streaming_text(proof.streaming)), ("reset", reset_text(proof.reset))]
    return rows + ([("other lengths", lengths_text(proof.lengths))] if proof.lengths else [])


def _state_text(manifest: Manifest) -> str:
    carried = [f"{name} ← {output}" for name, output in manifest.state.items()]
    kept = [f"{one.name}, kept by the model" for one in manifest.internal_states]
    return ", ".join(carried + kept) or "none"


def _frontend_text(frontend: FrontendContract) -> str:
    where = "inside the graph" if frontend.spec.inside else "computed by the app"
    more = (
        "testpress frontend BUNDLE shows every choice" if frontend.sha256 is None else "code of the recipe, not in here"
    )
    return f"{frontend.spec.kind}, {where}; {more}"


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
    caveat = f"; {proof.caveat}" if proof.caveat else ""
    verdict = "holds" if proof.holds else "BROKEN" + (f" at {proof.breaks_at}" if proof.breaks_at else "")
    heard = f"{proof.calls} calls: {proof.inputs}"
    return f"{verdict}: {found}; at least {proof.tolerance_db:g} dB was promised ({heard}){caveat}"


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
    counted = found.weight_bytes is not None
    rows = [
        *([("notice", found.appended)] if found.appended else []),
        *([("precision", f"{found.precision}, {told}")] if counted else []),
        *([("weights", f"{format_number(found.weight_bytes, 'bytes')} in the file")] if found.weight_bytes else []),
        *(_cost_rows(found.only) if found.only else []),
        ("floor", f"{floor}: {found.floor.because}"),
        ("plays here", _playing_text(found)),
    ]
    if found.scales:
        rows.append(("quantised", f"tensors in {summarise_scales(found.scales)} (--json lists them)"))
    if found.state_pairs:
        carried = ", ".join(f'{name} = "{output}"' for name, output in found.state_pairs.items())
        rows.append(("looks like state", f"by names and shapes; in a recipe: [model.state] {carried}"))
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
    rows += [("counted", notice) for notice in cost.notices]
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
