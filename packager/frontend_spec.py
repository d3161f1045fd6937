"""The choices of a front end, as a recipe's [frontend] and a bundle's manifest hold them.

What libraries do differently has no default. What they mostly leave out has one that leaves it out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic

from device_profiles.record import Record
from packager.bounds import MAX_RANK, Digest, TensorName

MAX_FFT = 2**20
MAX_BINS = 2**14

BIN_AXES = {"spectrogram": "bin", "log_mel": "mel", "mfcc": "coefficient"}
"""what the axis of a kind's values is called"""

Window = Literal["hann", "hamming", "blackman", "povey", "rectangular"]
Axes = Annotated[tuple[str, ...], pydantic.Field(min_length=1, max_length=MAX_RANK)]
_Positive = Annotated[float, pydantic.Field(gt=0)]
_NotNegative = Annotated[float, pydantic.Field(ge=0)]
_Bins = Annotated[int, pydantic.Field(gt=0, le=MAX_BINS)]
_Samples = Annotated[int, pydantic.Field(gt=0, le=MAX_FFT)]


class _Features(Record):
    input: TensorName | None = None
    """the model's input that takes the features; default: the only one that is no state"""
    axes: Axes
    """the features' layout, one word a dimension: "batch", "channel", "frame", and "bin", "mel" or "coefficient\""""
    inside: bool = False
    """true folds the front end into the model's graph: the bundle then takes audio, and the app computes nothing"""


class _Frames(_Features):
    sample_scale: _Positive = 1.0
    """what samples between -1 and 1 are multiplied by; 32768 where 16-bit samples are meant (Kaldi)"""
    dither: Literal["off"] = "off"
    """noise added to the samples; always off, since the same audio must give the same features"""
    n_fft: _Samples
    """length of the Fourier transform in samples"""
    win_length: _Samples
    """length of the window function in samples, at most n_fft"""
    hop_length: _Samples
    """samples between the starts of two frames"""
    window: Window
    """the window function; "povey" is Kaldi's, a Hann window to the power of 0.85"""
    window_symmetry: Literal["periodic", "symmetric"]
    """"periodic" as in librosa, PyTorch and TensorFlow, "symmetric" as in Kaldi and numpy.hanning"""
    window_position: Literal["centre", "start"] = "centre"
    """where a window shorter than n_fft lies in it: "centre" (librosa, PyTorch) or "start" (Kaldi, TensorFlow)"""
    edges: Literal["snip", "centre", "mirror"]
    """"snip": whole frames only (centre = False; Kaldi's snip_edges); "centre": frame i is centred at sample i x hop,
    n_fft / 2 samples are padded on both sides; "mirror": Kaldi's without snip_edges"""
    padding: Literal["zero", "reflect", "edge"] | None = None
    """what is padded where edges = "centre"; librosa pads "zero" by default, PyTorch "reflect\""""
    drop_last_frame: bool = False
    """whether the last frame is left out, as Whisper does"""
    remove_dc: bool = False
    """whether each frame's mean is subtracted before everything else (Kaldi's remove_dc_offset)"""
    preemphasis: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.0
    """a in x[n] - a x[n - 1]; 0 for none, 0.97 in Kaldi"""
    preemphasis_over: Literal["frame", "window"] = "frame"
    """"frame": each frame by itself, its first sample becomes (1 - a) x[0] (Kaldi); "window": all samples of a call
    before they are cut, the first one stays (NeMo)"""
    power: Literal[1, 2]
    """of the magnitudes: 1 for an amplitude spectrum, 2 for a power spectrum"""
    log: Literal["none", "ln", "log10", "db"]
    """the logarithm; "db" is 10 log10 of powers and 20 log10 of amplitudes"""
    floor: _Positive | None = None
    """what keeps the logarithm finite, for example 1e-10; needed with one"""
    floor_how: Literal["max", "add"] | None = None
    """"max": log(max(x, floor)); "add": log(x + floor); needed with a logarithm"""
    reference: Literal["one", "max"] = "one"
    """"max" subtracts the largest value of a call after the logarithm (librosa's ref=np.max)"""
    dynamic_range: _Positive | None = None
    """values further than this below the largest of a call are raised to there, in units of the logarithm: 80 for
    librosa's top_db, 8 for Whisper; default: none"""
    mean: Literal["kept", "removed"] = "kept"
    """"removed" subtracts each bin's mean over the frames of a call (cepstral mean normalisation)"""
    shift: float = 0.0
    """added at the end; 4 for Whisper"""
    scale: float = 1.0
    """multiplied after `shift`; 0.25 for Whisper"""

    @pydantic.model_validator(mode="after")
    def _coherent(self) -> _Frames:
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length {self.win_length} is larger than n_fft {self.n_fft}; right is at most that")
        if (self.padding is None) == (self.edges == "centre"):
            raise ValueError('padding goes with edges = "centre", and only with it: "zero", "reflect" or "edge"')
        if (self.log == "none") != (self.floor is None) or (self.log == "none") != (self.floor_how is None):
            raise ValueError("floor and floor_how go with a logarithm, and only with one")
        known = ("batch", "channel", "frame", BIN_AXES[getattr(self, "kind", "")])
        if not set(self.axes) <= set(known) or len(set(self.axes)) < len(self.axes):
            raise ValueError(f"axes {list(self.axes)}: right is {', '.join(known)}, each once at most")
        if self.log == "none" and (self.dynamic_range is not None or self.reference != "one"):
            raise ValueError("dynamic_range and reference go with a logarithm")
        return self


class _Mel(_Frames):
    n_mels: _Bins
    """number of mel filters"""
    f_min_hz: _NotNegative
    """lower edge of the first filter; 0 in librosa and Whisper, 20 in Kaldi"""
    f_max_hz: _Positive
    """upper edge of the last filter, at most half the sample rate"""
    mel_scale: Literal["htk", "slaney"]
    """"htk": 2595 log10(1 + f / 700), as in Kaldi and TensorFlow; "slaney": librosa's default, and Whisper's"""
    mel_norm: Literal["none", "slaney"]
    """"slaney" divides each filter by half its width in Hz, librosa's default; "none" in Kaldi"""
    mel_triangles: Literal["hz", "mel"] = "hz"
    """in which unit a filter's flanks are straight: "hz" (librosa, PyTorch) or "mel" (Kaldi, TensorFlow)"""
    energy: bool = False
    """Kaldi's use_energy: the logarithm of each frame's energy, of the samples before preemphasis and window, comes
    before the mel bins, and takes the place of the first coefficient"""

    @pydantic.model_validator(mode="after")
    def _rising(self) -> _Mel:
        if self.f_min_hz >= self.f_max_hz:
            raise ValueError(f"f_min_hz {self.f_min_hz:g} is not below f_max_hz {self.f_max_hz:g}")
        return self


class SpectrogramSpec(_Frames):
    """`kind = "spectrogram"`: the magnitudes of a short-time Fourier transform."""

    kind: Literal["spectrogram"]


class LogMelSpec(_Mel):
    """`kind = "log_mel"`: a spectrogram through mel filters, usually with a logarithm."""

    kind: Literal["log_mel"]


class MfccSpec(_Mel):
    """`kind = "mfcc"`: cepstral coefficients of a mel spectrogram."""

    kind: Literal["mfcc"]
    n_mfcc: _Bins
    """how many coefficients are kept, the first one among them"""
    dct_type: Literal[2, 3]
    """2 in Kaldi and by default in librosa and PyTorch"""
    dct_norm: Literal["ortho", "none"]
    """"ortho" in Kaldi and by default in librosa and PyTorch"""
    lifter: _NotNegative = 0.0
    """L in 1 + L / 2 sin(pi n / L), which coefficient n is multiplied by; 0 for none, 22 in Kaldi"""
    lifter_from: Literal[0, 1] = 0
    """n of the first coefficient: 0 in Kaldi and HTK, 1 in librosa"""

    @pydantic.model_validator(mode="after")
    def _enough(self) -> MfccSpec:
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc {self.n_mfcc} is larger than n_mels {self.n_mels}")
        return self


class PythonSpec(Record):
    """`kind = "python:module:function"`: code beside the recipe, or installed.

    The function takes float32 samples `(channels, samples)` and the sample rate in Hz, and returns the features in the
    shape that the model takes.
    """

    kind: Annotated[str, pydantic.Field(pattern=r"^python:[^:]+:[^:]+$", max_length=200)]
    """"log_mel", "mfcc", "spectrogram", or "python:module:function\""""
    input: TensorName | None = None
    """the model's input that takes the features; default: the only one that is no state"""
    axes: Axes | None = None
    """the features' layout, one word a dimension, for example ["batch", "frame", "mel"]; default: not said"""
    inside: Literal[False] = False
    """code of your own cannot be folded into the graph; compute the features in the model's own forward instead"""


BuiltIn = SpectrogramSpec | LogMelSpec | MfccSpec


def _tag(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if not isinstance(kind, str):
        return None
    return kind if kind in BIN_AXES else "python" if kind.startswith("python:") else None


FrontendSpec = Annotated[
    Annotated[SpectrogramSpec, pydantic.Tag("spectrogram")]
    | Annotated[LogMelSpec, pydantic.Tag("log_mel")]
    | Annotated[MfccSpec, pydantic.Tag("mfcc")]
    | Annotated[PythonSpec, pydantic.Tag("python")],
    pydantic.Discriminator(
        _tag,
        custom_error_type="frontend_kind",
        custom_error_message='kind says which front end: "log_mel", "mfcc", "spectrogram" or "python:module:function"',
    ),
]
"""a recipe's [frontend]"""


class FrontendContract(Record):
    """What an app computes before it calls the model, as a manifest holds it."""

    spec: FrontendSpec
    """every choice"""
    sha256: Digest | None = None
    """of the code, where the front end is the recipe's own"""
