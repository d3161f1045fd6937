"""Which inputs and outputs of a model look like states: given back with the next call, as `h_in` and `h_out`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from evaluators.formats.signatures import Signature

_ROLES = frozenset({
    "in", "out", "input", "output", "inputs", "outputs", "new", "next", "prev", "previous", "old", "cur", "current",
    "last", "updated", "initial", "init", "final", "n", "o", "i",
})  # fmt: skip
"""words that tell which side of a call a state is on, and nothing of the state"""

_SIGNALS = frozenset({
    "", "audio", "wav", "wave", "waveform", "signal", "samples", "sample", "x", "y", "frame", "frames", "mic", "speech",
    "spec", "spectrum", "spectrogram", "mag", "magnitude", "mask", "mel", "pcm", "feature", "features", "sound", "clip",
})  # fmt: skip
"""what goes through a model, rather than round it"""

_NUMBERED = re.compile(r"(?i)^(.*[a-z])[0n]$")


def find_state_pairs(signature: Signature) -> Mapping[str, str]:
    """State input → the output it is given from next time, by their names and shapes.

    One that remains must be left to hear; a model whose inputs are all paired carries nothing that is known to be a
    state. What is found is a proposal, not a fact: names are all that tells.
    """
    outputs: dict[str, list[str]] = {}
    shapes = {port.name: (port.shape, port.dtype) for port in signature.outputs}
    for port in signature.outputs:
        outputs.setdefault(_key(port.name), []).append(port.name)
    pairs = {}
    for port in signature.inputs:
        key = _key(port.name)
        fitting = [name for name in outputs.get(key, []) if shapes[name] == (port.shape, port.dtype)]
        if len(fitting) == 1 and key not in _SIGNALS:
            pairs[port.name] = fitting[0]
    unique = len(set(pairs.values())) == len(pairs)
    return pairs if unique and len(pairs) < len(signature.inputs) else {}


def _key(name: str) -> str:
    """A name without what says on which side of a call it is: `h_in`, `h_out`, `h0` and `hn` are all `h`."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1_\2", name.partition(":")[0])
    words = [word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word]
    rest = [word for word in words if word not in _ROLES]
    short = _NUMBERED.match(rest[0]) if len(rest) == 1 else None
    return short[1] if short and len(short[1]) <= 2 else "_".join(rest)
