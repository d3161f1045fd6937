"""Makes `data/references.npz`: features of one fixed signal by librosa, Kaldi and Whisper themselves.

    pip install librosa==0.11.0 kaldi-native-fbank==1.23.0 openai-whisper==20250625 "numpy<2.4"
    python tests/packager/frontends/make_references.py

The settings of each are those that `test_references.py` says in a recipe's words.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 16000


def make_signal() -> np.ndarray:
    """Half a second: a sweep, seeded noise, then a stretch of digital silence, where floors and ranges show."""
    seconds = np.arange(8000) / RATE_HZ
    sweep = 0.4 * np.sin(2 * np.pi * (60 * seconds + 6500 * seconds**2)) + 0.05
    noise = np.random.default_rng(20261130).normal(scale=0.02, size=8000)
    signal = sweep + noise
    signal[6400:] = 0
    return signal.astype(np.float32)


def with_librosa(signal: np.ndarray) -> dict[str, np.ndarray]:
    import librosa

    mel = functools.partial(librosa.feature.melspectrogram, y=signal, sr=RATE_HZ, n_fft=512, hop_length=160)
    db = librosa.power_to_db
    short = {"n_fft": 512, "win_length": 400, "hop_length": 160}
    return {
        "librosa_mel": mel(n_mels=64).T,
        "librosa_mel_htk": mel(n_mels=40, htk=True, norm=None, center=False, window="hamming").T,
        "librosa_mel_edge": mel(n_mels=32, power=1, fmin=50, fmax=7000, win_length=400, pad_mode="edge").T,
        "librosa_db": db(mel(n_mels=64)).T,
        "librosa_db_max": db(mel(n_mels=64), ref=np.max, top_db=60).T,
        "librosa_mfcc": librosa.feature.mfcc(S=db(mel(n_mels=64)), n_mfcc=20).T,
        "librosa_mfcc_lifter": librosa.feature.mfcc(S=db(mel(n_mels=40)), n_mfcc=13, dct_type=3, lifter=22).T,
        "librosa_stft": np.abs(librosa.stft(signal, pad_mode="reflect", **short)).T,
    }


def with_kaldi(signal: np.ndarray) -> dict[str, np.ndarray]:
    import kaldi_native_fbank as knf

    def run(kind: str, **said: Any) -> np.ndarray:
        options = getattr(knf, f"{kind}Options")()
        options.frame_opts.dither = 0
        options.frame_opts.samp_freq = RATE_HZ
        for name, value in said.items():
            owner = next(each for each in (options, options.frame_opts, options.mel_opts) if hasattr(each, name))
            setattr(owner, name, value)
        online = getattr(knf, f"Online{kind}")(options)
        online.accept_waveform(RATE_HZ, (signal * 32768).tolist())
        online.input_finished()
        return np.stack([online.get_frame(index) for index in range(online.num_frames_ready)])

    return {
        "kaldi_fbank": run("Fbank", num_bins=80, snip_edges=True, use_energy=False),
        "kaldi_fbank_mirror": run("Fbank", num_bins=40, snip_edges=False, use_energy=False, window_type="hamming"),
        "kaldi_fbank_energy": run("Fbank", num_bins=23, snip_edges=True, use_energy=True, high_freq=-400.0),
        "kaldi_mfcc": run("Mfcc", num_bins=23, snip_edges=True, use_energy=True),
        "kaldi_mfcc_plain": run("Mfcc", num_bins=30, snip_edges=True, use_energy=False, num_ceps=20),
        "kaldi_fbank_amplitude": run("Fbank", num_bins=40, use_energy=False, use_power=False, window_type="blackman"),
    }


def with_whisper(signal: np.ndarray) -> dict[str, np.ndarray]:
    origin = importlib.util.find_spec("whisper")
    if origin is None:
        raise ModuleNotFoundError("No module named 'whisper'")
    folder = Path(str(origin.submodule_search_locations[0]))  # its own __init__ wants tokenisers and models
    package = importlib.util.module_from_spec(importlib.machinery.ModuleSpec("whisper", None, is_package=True))
    package.__path__ = [str(folder)]
    sys.modules["whisper"] = package
    from whisper.audio import log_mel_spectrogram

    return {f"whisper_{n}": log_mel_spectrogram(signal, n_mels=n).numpy().T for n in (80, 128)}


def main() -> None:
    signal, made = make_signal(), {}
    for origin in (with_librosa, with_kaldi, with_whisper):
        try:
            made |= origin(signal)
        except ImportError as fault:
            sys.stderr.write(f"{origin.__name__}: {fault}\n")
    path = Path(__file__).parent / "data" / "references.npz"
    known = dict(np.load(path)) if path.is_file() else {}
    np.savez_compressed(path, **{**known, "signal": signal, **{k: np.float32(v) for k, v in made.items()}})


if __name__ == "__main__":
    main()
