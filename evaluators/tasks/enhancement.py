"""A recording made cleaner, or taken apart: the output's waveform against the true one."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pydantic

from device_profiles.record import Record
from evaluators.comparing.dnsmos import PACKAGES, rate_sound
from evaluators.decoding.waveforms import (
    Recording,
    Rows,
    Waveform,
    align,
    find_recording,
    find_waveform,
    hear_recording,
    hear_waveform,
)
from evaluators.errors import EvaluationError
from evaluators.pictures.sounds import Sound
from evaluators.task import Absent, ClipContext, Found, Metric, SideBySide, Task
from evaluators.windows import Stitched
from packager.snr import snr_db

_IDENTICAL = "identical"
Row = npt.NDArray[np.float64]
"""(samples,)"""

_TOLERANCE_DB = 0.1
"""the last digit that is commonly published"""
_SI_SDR = "Scale-invariant signal-to-distortion ratio of the output against the reference"
_METRICS = {
    "si_sdr_db": Metric("db", "higher", f"{_SI_SDR}.", tolerance=_TOLERANCE_DB),
    "sdr_db": Metric(
        "db",
        "higher",
        "Energy of the reference over that of the output's difference from it; gain counts.",
        tolerance=_TOLERANCE_DB,
    ),
}
MOST_DB = 100.0
"""of an agreement, which identical sounds have: beyond it they differ by the order in which float32 adds up"""
_AGREEMENTS = {
    "agreement_si_sdr_db": Metric(
        "db",
        "higher",
        "Scale-invariant signal-to-distortion ratio of the bundle's output against the source model's, at most 100 dB.",
        tolerance=3.0,
    ),
    "agreement_sdr_db": Metric(
        "db",
        "higher",
        "Energy of the source model's output over that of the difference from it, at most 100 dB; gain counts.",
        tolerance=3.0,
    ),
}
_IMPROVEMENT = Metric("db", "higher", f"{_SI_SDR}, less that of the noisy recording.", tolerance=_TOLERANCE_DB)
_STOI = Metric("ratio", "higher", "Short-time objective intelligibility of the output, about 0 to 1.")
_MOS = "Mean opinion of listeners, 1 to 5, that DNSMOS (P.835) predicts of the output alone"
_DNSMOS = {
    f"dnsmos_{part}": Metric("points", "higher", f"{_MOS}: {words}.", tolerance=0.01)
    for part, words in (("ovrl", "on the whole"), ("sig", "of the speech"), ("bak", "of how little background is left"))
}


class EnhancementOptions(Record):
    """Which recordings there are, and how they lie in time."""

    improvement: bool = False
    """whether each line names the `noisy` recording beside the reference, commonly the clip itself"""
    stoi: bool = False
    """whether intelligibility is scored too; for speech, needs testpress[speech]"""
    dnsmos: bool = False
    """whether it is predicted how listeners would rate the output; for speech, needs testpress[dnsmos]"""
    delay_samples: Annotated[int, pydantic.Field(ge=0, le=1_000_000)] = 0
    """by how many samples the model's output comes late"""


@dataclass(frozen=True)
class Recordings:
    """A clip's labels."""

    reference: Recording
    noisy: Recording | None = None


class Enhancement(Task):
    """Enhancement and separation from the output `enhanced`, of kind "audio", against the file that `reference` names.

    The reference is as long as the clip and has as many channels as the output; of a model that takes a mixture apart,
    one channel a source, in the output's order. At another rate than the output's it is resampled. Sample 0 of the
    output belongs to sample 0 of the clip, or `delay_samples` later; nothing is searched for, and gains are not mended.

    - `si_sdr_db`: 10 log10(sum (a reference)² / sum (a reference - estimate)²), a = <estimate, reference> /
      sum reference²; means are kept. Source: Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.
    - `sdr_db`: 10 log10(sum reference² / sum (reference - estimate)²). Source: Mitsufuji et al., "Music Demixing
      Challenge 2021", Frontiers in Signal Processing 1 (2022).
    - `si_sdr_improvement_db`, with the option `improvement`: less that of the noisy recording, which has one channel or
      as many as the reference.
    - `stoi`, with the option `stoi`: pystoi's. Source: Taal et al., "An Algorithm for Intelligibility Prediction of
      Time-Frequency Weighted Noisy Speech", IEEE TASLP 19 (2011).
    - `dnsmos_ovrl`, `dnsmos_sig`, `dnsmos_bak`, with the option `dnsmos`: see `evaluators/comparing/dnsmos.py`. They
      ask for no reference, so that clips without labels have them too.

    All are means over channels that have a value. A channel has none in dB where reference and output are identical,
    where the reference is silent, or, of si_sdr_db, where the output holds nothing of it (sdr_db of silence is 0 dB);
    no intelligibility where less than 0.4 s of the reference are loud; and no listeners' opinion where it is silent.
    """

    Options = EnhancementOptions
    label_keys: tuple[str, ...] = ("reference",)
    label_files: tuple[str, ...] = ("reference",)
    required_outputs = ("enhanced",)
    agreements = MappingProxyType(_AGREEMENTS)

    def __init__(self, options: EnhancementOptions | None = None) -> None:
        """See `Task`."""
        super().__init__(options)
        self.metrics = dict(_METRICS)
        if self.options.improvement:
            self.label_keys = self.label_files = ("reference", "noisy")
            self.metrics["si_sdr_improvement_db"] = _IMPROVEMENT
        extras = []
        if self.options.stoi:
            self.libraries, extras = ("pystoi",), ["speech"]
            self.metrics["stoi"] = _STOI
        if self.options.dnsmos:
            self.libraries, extras = (*self.libraries, *PACKAGES), [*extras, "dnsmos"]
            self.metrics |= _DNSMOS
            self.label_free = tuple(_DNSMOS)
        self.extra = ",".join(extras) or None

    def parse_labels(self, line: Mapping[str, Any], clip: ClipContext) -> Recordings:  # noqa: ARG002
        """Check the files; see `Task.parse_labels`."""
        found, faults = {}, []
        for key in self.label_files:
            try:
                found[key] = find_recording(clip, key)
            except EvaluationError as fault:
                faults.append(str(fault))
        if not faults and self.options.improvement and found["noisy"].channels not in (1, found["reference"].channels):
            faults.append(
                f"{clip.where}: noisy has {found['noisy'].channels} channels where reference has "
                f"{found['reference'].channels}; right is as many, or one"
            )
        if faults:
            raise EvaluationError("\n".join(faults))
        return Recordings(**found)

    def decode(self, outputs: Mapping[str, Stitched]) -> Waveform:
        """The waveform; see `Task.decode`."""
        return find_waveform(outputs, "enhanced")

    def score(self, labels: Recordings, estimate: Waveform) -> Found:
        """Score one clip; see the class."""
        reference, found = align(labels.reference, estimate, name="enhanced", delay_samples=self.options.delay_samples)
        scores = {"si_sdr_db": _mean(find_si_sdr, reference, found), "sdr_db": _mean(find_sdr, reference, found)}
        if labels.noisy is not None:
            before = _score_noisy(reference, labels.noisy.read(estimate.rate_hz))
            scores["si_sdr_improvement_db"] = _subtract(scores["si_sdr_db"], before)
        if self.options.stoi:
            scores["stoi"] = _mean(lambda right, row: find_stoi(right, row, estimate.rate_hz), reference, found)
        return {**scores, **self.score_alone(estimate)}

    def score_alone(self, estimate: Waveform) -> Found:
        """What listeners would say; see the class."""
        if not self.options.dnsmos:
            return {}
        rated = rate_sound(estimate.samples[:, self.options.delay_samples :], estimate.rate_hz)
        return dict.fromkeys(_DNSMOS, rated) if isinstance(rated, Absent) else dict(zip(_DNSMOS, rated, strict=True))

    def agree(self, clip: SideBySide) -> Found:
        """The source's sound is the reference; a channel in which it is silent and the bundle's is not has no value."""
        sides = clip.source.samples, clip.estimate.samples
        return {
            "agreement_si_sdr_db": _mean(functools.partial(_cap, find_si_sdr), *sides),
            "agreement_sdr_db": _mean(functools.partial(_cap, find_sdr), *sides),
        }

    def hear(self, labels_or_estimate: Recordings | Waveform, rate_hz: int) -> tuple[Sound, ...]:
        """The reference, or the output without its delay; see `Task.hear`."""
        if isinstance(labels_or_estimate, Recordings):
            return hear_recording(labels_or_estimate.reference, rate_hz)
        return hear_waveform(labels_or_estimate, delay_samples=self.options.delay_samples)


def _cap(find: Callable[[Row, Row], float | Absent], reference: Row, estimate: Row) -> float | Absent:
    if np.array_equal(reference, estimate):
        return MOST_DB
    found = find(reference, estimate)
    if isinstance(found, Absent):
        return MOST_DB if found.reason == _IDENTICAL else Absent(found.reason.replace("reference", "source's output"))
    return min(found, MOST_DB)


def find_si_sdr(reference: Row, estimate: Row) -> float | Absent:
    """The scale-invariant ratio of one channel in dB; see `Enhancement`."""
    energy = float(reference @ reference)
    if energy == 0:
        return Absent("the reference is silent")
    scaled = float(estimate @ reference) / energy * reference
    return _ratio(scaled, estimate, "the output holds nothing of the reference")


def find_sdr(reference: Row, estimate: Row) -> float | Absent:
    """The ratio of one channel in dB; see `Enhancement`."""
    return _ratio(reference, estimate, "the reference is silent")


def _ratio(target: Row, estimate: Row, silent: str) -> float | Absent:
    error = target - estimate
    signal = float(target @ target)
    ratio = snr_db(signal, float(error @ error)) if signal else None
    if ratio is None:
        return Absent(silent)
    return Absent(_IDENTICAL) if math.isinf(ratio) else ratio


def find_stoi(reference: Row, estimate: Row, rate_hz: int) -> float | Absent:
    """Intelligibility of one channel by pystoi; see `Enhancement`."""
    from pystoi import stoi

    if not reference.any():
        return Absent("the reference is silent")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = float(stoi(reference, estimate, rate_hz))
    if any("Not enough STFT frames" in str(each.message) for each in told):
        return Absent("less than 0.4 s of the reference are loud enough for intelligibility")
    return found


def _mean(score: Callable[[Row, Row], float | Absent], reference: Rows, estimate: Rows) -> float | Absent:
    found = [score(right, row) for right, row in zip(reference, estimate, strict=True)]
    values = [value for value in found if not isinstance(value, Absent)]
    return float(np.mean(values)) if values else found[0]


def _score_noisy(reference: Rows, noisy: Rows) -> float | Absent:
    """The ratio of the recording before enhancement, which is never late; one channel of it serves for all."""
    n_samples = min(reference.shape[1], noisy.shape[1])
    reference = reference[:, :n_samples]
    return _mean(find_si_sdr, reference, np.broadcast_to(noisy[:, :n_samples], reference.shape))


def _subtract(after: float | Absent, before: float | Absent) -> float | Absent:
    if isinstance(after, Absent):
        return after
    return Absent(f"of the noisy recording: {before.reason}") if isinstance(before, Absent) else after - before


TASK = Enhancement
