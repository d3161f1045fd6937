"""A manifest as flat facts: one name and one plain value each, so that two manifests can be laid side by side."""

from __future__ import annotations

from collections.abc import Iterator

from packager.bundle import Manifest, Proof, TensorContract
from packager.frontend_spec import FrontendContract

Value = str | int | float | bool | None
SIZE = "size of "
"""what names of facts begin with whose values are bytes"""


def list_facts(manifest: Manifest) -> dict[str, Value]:
    """Everything a manifest says, in the order a reader asks: what it is, what made it, what it takes, how good it is.

    A fact that does not apply is left out; the files of golden vectors are among the files.
    """
    facts: dict[str, Value] = {
        "variant": manifest.variant,
        "format": manifest.format,
        "precision": manifest.precision,
        "content address": manifest.key,
        **{f"model {name}": value for name, value in manifest.model.model_dump().items()},
        **{f"source {name}": value for name, value in manifest.source.model_dump().items()},
        **{f"tool {name}": version for name, version in sorted(manifest.tools.items())},
        **{f"floor {name}": value for name, value in manifest.floor.model_dump().items()},
        **{f"audio {name}": value for name, value in (manifest.audio.model_dump() if manifest.audio else {}).items()},
        **dict(_frontend_facts(manifest.frontend)),
        **{f"rewrite {name}": "applied" for name in manifest.rewrites},
    }
    groups = {"input": manifest.inputs, "output": manifest.outputs, "internal state": manifest.internal_states}
    facts |= {f"{kind} {each.name}": _describe(each) for kind, tensors in groups.items() for each in tensors}
    facts |= {f"state {name}": f"fed from {output}" for name, output in manifest.state.items()}
    facts |= dict(_proof_facts(manifest.proof)) if manifest.proof else {}
    for name, digest in sorted(manifest.files.items()):
        facts[f"{SIZE}{name}"] = digest.size_bytes
        facts[f"SHA-256 of {name}"] = digest.sha256
    return {name: value for name, value in facts.items() if value is not None}


def _frontend_facts(frontend: FrontendContract | None) -> Iterator[tuple[str, Value]]:
    if frontend is not None:
        for name, value in frontend.spec.model_dump().items():
            yield f"front end {name}", ", ".join(value) if isinstance(value, tuple) else value
        yield "front end SHA-256", frontend.sha256


def _describe(tensor: TensorContract) -> str:
    """For example "float32 [1, 43844] (batch, sample) as serving_default_audio:0"."""
    native = "" if tensor.native_name == tensor.name else f" as {tensor.native_name}"
    words = f"{tensor.dtype} {list(tensor.shape)} ({', '.join(tensor.axes)}){native}"
    if tensor.flexible is None:
        return words
    sizes = tensor.flexible.sizes or f"{tensor.flexible.min} to {tensor.flexible.max}"
    return f"{words}, {tensor.flexible.axis} {sizes}"


def _proof_facts(proof: Proof) -> Iterator[tuple[str, Value]]:
    yield "proof runtime", proof.runtime
    yield "proof calls", proof.calls
    yield "proof inputs", proof.inputs
    for output in proof.outputs:
        yield f"proof dB of {output.output}", output.reason if output.snr_db is None else output.snr_db
        yield f"proof max. error of {output.output}", output.max_abs_error
    yield "proof dB promised", proof.tolerance_db
    yield "proof holds", proof.holds
    yield "proof breaks at", proof.breaks_at
    if proof.streaming is not None:
        yield "proof holds streamed", proof.streaming.holds
        yield "proof holds in chunks", proof.streaming.whole_holds
    if proof.reset is not None:
        yield "proof holds after a reset", proof.reset.holds
    for number, length in enumerate(proof.lengths, 1):
        yield f"proof holds for length {number}", length.holds
