"""What a bundle's proof says, in words: of its parity with the source, of streaming, resets and other lengths."""

from __future__ import annotations

from collections.abc import Sequence

from packager.bundle import LengthProof, OutputProof, Proof, ResetProof, RollingProof, StreamingProof, WholeProof


def describe_break(proof: Proof | None) -> str | None:
    """How a bundle departs from its source, in one sentence; None where it keeps its precision's promise."""
    if proof is None or proof.holds:
        return None
    words = [f"{o.output}: {o.reason}" for o in proof.outputs if o.snr_db is None and o.reason != "identical"]
    words += [f"{o.output} has {o.snr_db:.1f} dB" for o in proof.outputs if o.snr_db is not None]
    words += find_stream_faults(proof)
    blame = f"; most to blame is {proof.breaks_at}" if proof.breaks_at else ""
    return f"departs from its source, {proof.tolerance_db:g} dB are promised: {', '.join(words)}{blame}"


def streaming_text(streaming: StreamingProof | None) -> str:
    """Drift over a clip and its chunks beside the whole, in one line."""
    if streaming is None:
        return "none: the model has no state"
    verdict = "holds" if streaming.holds else "BROKEN"
    rolling = ", ".join(_rolling_text(one) for one in streaming.rolling)
    return f"{verdict}: {rolling} ({streaming.calls} calls: {streaming.inputs}); {_whole_text(streaming)}"


def reset_text(reset: ResetProof | None) -> str:
    """Whether two clips in either order give the same, in one line."""
    if reset is None:
        return "none"
    return "holds: two clips give the same bits in either order" if reset.holds else f"BROKEN: {reset.reason}"


def lengths_text(lengths: Sequence[LengthProof]) -> str:
    """What other lengths came to, in one line."""
    return "; ".join(_length_text(one) for one in lengths) or "none: the model has one"


def worst_stream(proof: Proof) -> str:
    """The worst output at the end of the clip, in one word; nothing where the model has no state."""
    if proof.streaming is None:
        return ""
    found = [value for one in proof.streaming.rolling if (value := _worst(one)) is not None]
    if any(one.max_abs_error is None for one in proof.streaming.rolling):
        return "none"
    return f"{min(found):.1f} dB" if found else "identical"


def find_stream_faults(proof: Proof) -> list[str]:
    """What of streaming, reset and other lengths breaks the promise, one phrase each."""
    faults = []
    if proof.streaming is not None and not proof.streaming.holds:
        faults += [
            f"{one.output} drifts to {one.last_quarter_snr_db:.1f} dB with its own states"
            for one in proof.streaming.rolling
            if one.last_quarter_snr_db is not None and one.last_quarter_snr_db < proof.tolerance_db
        ]
        if proof.streaming.whole_holds is False:
            faults.append(_whole_text(proof.streaming))
        faults += [] if faults else [streaming_text(proof.streaming)]
    if proof.reset is not None and not proof.reset.holds:
        faults.append(str(proof.reset.reason))
    return faults + [_length_text(one) for one in proof.lengths if not one.holds]


def _length_text(one: LengthProof) -> str:
    shapes = ", ".join(f"{name} {list(shape)}" for name, shape in one.inputs.items())
    found = ", ".join(_output_text(output) for output in one.outputs)
    return f"{shapes} {'holds' if one.holds else 'BROKEN'}: {found}"


def _output_text(one: OutputProof) -> str:
    return f"{one.output} {one.reason if one.snr_db is None else f'{one.snr_db:.1f} dB'}"


def _worst(one: RollingProof) -> float | None:
    return min((value for value in (one.snr_db, one.last_quarter_snr_db) if value is not None), default=None)


def _rolling_text(one: RollingProof) -> str:
    if one.snr_db is None:
        return f"{one.output} {one.reason}"
    last = "" if one.last_quarter_snr_db is None else f", {one.last_quarter_snr_db:.1f} dB in the last quarter"
    return f"{one.output} {one.snr_db:.1f} dB{last}"


def _whole_text(streaming: StreamingProof) -> str:
    if streaming.whole_holds is None:
        return f"chunks not compared with the whole: {streaming.whole_reason}"
    found = ", ".join(_beside_text(one) for one in streaming.whole)
    return f"chunks {'are' if streaming.whole_holds else 'are NOT'} the whole: {found}"


def _beside_text(one: WholeProof) -> str:
    words = one.reason if one.snr_db is None else f"{one.snr_db:.1f} dB" + (f" ({one.reason})" if one.reason else "")
    return f"{one.output} {words}"
