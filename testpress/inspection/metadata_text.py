"""What a model file says of itself, as rows for a terminal."""

from __future__ import annotations

from evaluators.formats.metadata import ModelMetadata


def metadata_rows(said: ModelMetadata) -> list[tuple[str, str]]:
    """A row for every text there is."""
    named = {
        "name": said.name,
        "description": said.description,
        "version": said.version,
        "author": said.author,
        "licence": said.license,
        "hears": _rate_text(said),
    }
    rows = [(label, text) for label, text in named.items() if text]
    rows += [(f"{tensor.role} {tensor.name}".rstrip(), tensor.text) for tensor in said.tensors if tensor.text]
    for labels in said.labels:
        more = ", …" if labels.count > len(labels.first) else ""
        rows.append(("labels", f"{labels.count} of {labels.output}: {', '.join(labels.first)}{more}"))
    rows += list(said.others.items())
    if said.fault is not None:
        rows.append(("metadata", said.fault))
    return rows


def _rate_text(said: ModelMetadata) -> str:
    if said.sample_rate_hz is None:
        return ""
    channels = "" if said.channels is None else f", {said.channels} channel(s)"
    return f"{said.sample_rate_hz} Hz{channels}, as its {'metadata' if said.rate_from == 'properties' else 'words'} say"
