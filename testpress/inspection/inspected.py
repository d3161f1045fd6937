"""What an inspection found, as `--json` writes it."""

from __future__ import annotations

from typing import Literal

from device_profiles.record import Record
from evaluators.formats.metadata import ModelMetadata
from evaluators.formats.signatures import Signature
from evaluators.formats.tflite.scales import TensorScale
from packager.bundle import Floor, Format, Manifest


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
    weight_bytes: int | None
    """in the file, those of all signatures; none of a kind that is not counted"""
    kind: str | None = None
    """of a Core ML model that is no ML Program, or was compiled: none of its ops is counted, and it is not run"""
    state_pairs: dict[str, str] = {}
    """inputs that look like states → the outputs they would be given from"""
    floor: Floor
    runtime: str | None
    """what plays it on this machine, tried with one call on zeros; none where it cannot be played here"""
    not_playable: str | None
    """why it cannot be played here"""
    not_known: str | None = None
    """why it is not known whether it can be played here"""
    played_with: str | None = None
    """what the inputs were given, where zeros of the file's own sizes were refused"""
    appended: str | None = None
    """where another model begins in the same file, which is not read"""
    scales: tuple[TensorScale, ...] = ()
    """of a TFLite model's quantised tensors"""
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
