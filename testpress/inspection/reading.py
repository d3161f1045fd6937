"""What is in a model file or bundle: its signatures, ops, weights, floor, and whether a bundle is whole."""

from __future__ import annotations

from device_profiles.errors import TestpressError
from evaluators.costs.graph import Graph, Op
from evaluators.errors import EvaluationError
from evaluators.formats import get_reader, name_precision, read_floor, read_metadata
from evaluators.formats.reader import Origin, OtherKind
from evaluators.formats.streaming_pairs import find_state_pairs
from packager.attestation.verification import check_files
from packager.storage import digest_files
from testpress.inspection.entries import find_signatures, open_notices, read_graphs
from testpress.inspection.inspected import EntryCost, Inspection, OpKind
from testpress.inspection.text import as_text
from testpress.inspection.trial_call import try_signature
from testpress.model_file import ModelFile

__all__ = ["EntryCost", "Inspection", "OpKind", "as_text", "inspect_model", "read_facts", "try_to_play"]

_UNTRIED = "one call on zeros did not come to its end"


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
    reader = get_reader(model.format)
    other = reader.read_other_kind(model.path) if model.bundle is None else None
    if other is not None:
        return _describe(model, other)
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
        size_bytes=_size_bytes(model),
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
        not_known=_UNTRIED,
        state_pairs={} if manifest else dict(find_state_pairs(signatures[0])) if len(signatures) == 1 else {},
        appended=reader.describe_appended(model.path),
        scales=reader.read_scales(model.path),
        metadata=read_metadata(model.path),
        manifest=manifest,
        hash_faults=faults,
    )


def try_to_play(facts: Inspection, model: ModelFile) -> Inspection:
    """The facts with the runtime that plays the model here, or why none does.

    One call a signature is made, on zeros: TFLite finds out that a kernel is missing only then.
    """
    if facts.not_playable is not None:
        return facts
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


def _describe(model: ModelFile, other: OtherKind) -> Inspection:
    """A model of which only the interface is known; it may still be run."""
    return Inspection(
        file=str(model.path),
        format=model.format,
        kind=other.kind,
        precision="not known",
        precision_from="graph",
        size_bytes=_size_bytes(model),
        signatures=(other.signature,),
        costs=(),
        ops=(),
        macs=None,
        dynamic_ops=None,
        weight_bytes=None,
        expanded_weight_bytes=None,
        peak_activation_bytes=None,
        floor=other.floor,
        runtime=None,
        not_playable=None if other.is_run else other.refusal,
        not_known=_UNTRIED if other.is_run else None,
        metadata=other.metadata,
        manifest=None,
        hash_faults=(),
    )


def _size_bytes(model: ModelFile) -> int:
    return sum(digest.size_bytes for digest in digest_files(model.path.resolve()).values())


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
            dtypes=tuple(sorted({op.computes_in for op in ops})),
            origin=_origin(graph.format, kind, ops),
        )
        for kind, ops in by_kind.items()
    ]
    return tuple(sorted(kinds, key=lambda kind: (-kind.macs, -kind.moved_bytes, kind.kind)))


def _origin(format_: str, kind: str, ops: list[Op]) -> Origin:
    """Where kernels of a kind come from; of ops that differ the farthest."""
    found = {get_reader(format_).name_origin(kind, op.dtype) for op in ops}
    return next(iter(found)) if len(found) == 1 else "custom"
