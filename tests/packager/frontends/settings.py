"""The references of `make_references.py` in a recipe's words."""

from __future__ import annotations

from typing import Any

import pydantic

from packager.frontend_spec import BuiltIn, FrontendSpec

RATE_HZ = 16000
AXES = {"spectrogram": "bin", "log_mel": "mel", "mfcc": "coefficient"}

_LIBROSA = {
    "kind": "log_mel", "n_fft": 512, "win_length": 512, "hop_length": 160, "window": "hann",
    "window_symmetry": "periodic", "edges": "centre", "padding": "zero", "power": 2, "n_mels": 64, "f_min_hz": 0,
    "f_max_hz": 8000, "mel_scale": "slaney", "mel_norm": "slaney", "log": "none",
}  # fmt: skip
_DB = {**_LIBROSA, "log": "db", "floor": 1e-10, "floor_how": "max", "dynamic_range": 80}
_LIBROSA_MFCC = {**_DB, "kind": "mfcc", "n_mfcc": 20, "dct_type": 2, "dct_norm": "ortho"}
_KALDI = {
    "kind": "log_mel", "sample_scale": 32768, "n_fft": 512, "win_length": 400, "hop_length": 160, "window": "povey",
    "window_symmetry": "symmetric", "window_position": "start", "edges": "snip", "remove_dc": True,
    "preemphasis": 0.97, "power": 2, "n_mels": 80, "f_min_hz": 20, "f_max_hz": 8000, "mel_scale": "htk",
    "mel_norm": "none", "mel_triangles": "mel", "log": "ln", "floor": 1.1920929e-07, "floor_how": "max",
}  # fmt: skip
_KALDI_MFCC = {
    **_KALDI, "kind": "mfcc", "n_mels": 23, "n_mfcc": 13, "dct_type": 2, "dct_norm": "ortho", "lifter": 22,
    "energy": True,
}  # fmt: skip
_WHISPER = {
    **_LIBROSA, "n_fft": 400, "win_length": 400, "padding": "reflect", "drop_last_frame": True, "n_mels": 80,
    "log": "log10", "floor": 1e-10, "floor_how": "max", "dynamic_range": 8, "shift": 4, "scale": 0.25,
}  # fmt: skip
_NO_MEL = {name: value for name, value in _LIBROSA.items() if name[:2] != "f_" and "mel" not in name}

SETTINGS: dict[str, dict[str, Any]] = {
    "librosa_mel": _LIBROSA,
    "librosa_mel_htk": {
        **{name: value for name, value in _LIBROSA.items() if name != "padding"},
        "n_mels": 40, "mel_scale": "htk", "mel_norm": "none", "edges": "snip", "window": "hamming",
    },
    "librosa_mel_edge": {
        **_LIBROSA, "n_mels": 32, "power": 1, "f_min_hz": 50, "f_max_hz": 7000, "win_length": 400, "padding": "edge",
    },
    "librosa_db": _DB,
    "librosa_db_max": {**_DB, "reference": "max", "dynamic_range": 60},
    "librosa_mfcc": _LIBROSA_MFCC,
    "librosa_mfcc_lifter": {
        **_LIBROSA_MFCC, "n_mels": 40, "n_mfcc": 13, "dct_type": 3, "lifter": 22, "lifter_from": 1,
    },
    "librosa_stft": {**_NO_MEL, "kind": "spectrogram", "win_length": 400, "padding": "reflect", "power": 1},
    "kaldi_fbank": _KALDI,
    "kaldi_fbank_mirror": {**_KALDI, "n_mels": 40, "edges": "mirror", "window": "hamming"},
    "kaldi_fbank_energy": {**_KALDI, "n_mels": 23, "f_max_hz": 7600, "energy": True},
    "kaldi_fbank_amplitude": {**_KALDI, "n_mels": 40, "power": 1, "window": "blackman"},
    "kaldi_mfcc": _KALDI_MFCC,
    "kaldi_mfcc_plain": {**_KALDI_MFCC, "n_mels": 30, "n_mfcc": 20, "energy": False},
    "whisper_80": _WHISPER,
    "whisper_128": {**_WHISPER, "n_mels": 128},
}  # fmt: skip


def make_spec(said: dict[str, Any]) -> BuiltIn:
    """As a recipe would say it, frames first."""
    axes = ["frame", AXES[said["kind"]]] if "axes" not in said else said["axes"]
    adapter: pydantic.TypeAdapter[BuiltIn] = pydantic.TypeAdapter(FrontendSpec)
    return adapter.validate_python({**said, "axes": tuple(axes)})
