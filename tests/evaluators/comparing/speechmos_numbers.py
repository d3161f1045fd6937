"""What speechmos says of drawn sounds, printed as `SPEECHMOS` in test_dnsmos.py holds it.

pip install speechmos==0.0.1.1 librosa==0.11.0 onnxruntime==1.32.0 requests "numpy<2.4"
python -m tests.evaluators.comparing.speechmos_numbers
"""

from __future__ import annotations

import numpy as np

RATE_HZ = 16_000
CASES = ((0.7, 0.0), (1.0, 0.0), (1.0, 0.03), (17.5, 0.01))
"""how many seconds, and how loud the noise is"""


def draw_speech(seconds: float, noise: float) -> np.ndarray:
    """Something like speech, `(samples,)`: syllables of a gliding voice through two formants, in white noise."""
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 120 + 20 * np.sin(2 * np.pi * 0.7 * times)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    formants_hz = (500 + 200 * np.sin(2 * np.pi * 1.3 * times), 1500 + 500 * np.sin(2 * np.pi * 0.9 * times + 1))
    voice = np.zeros_like(times)
    for harmonic in range(1, 30):
        level = sum(np.exp(-(((harmonic * pitch_hz - formant) / 150) ** 2)) for formant in formants_hz)
        voice += (level + 0.02) / harmonic**0.5 * np.sin(harmonic * phase)
    voice *= np.clip(np.sin(2 * np.pi * 2.0 * times), 0, None) ** 0.5
    random = np.random.default_rng(0)
    found: np.ndarray = np.clip(0.1 * voice + noise * random.normal(size=len(times)), -1, 1)
    return found


if __name__ == "__main__":
    from speechmos import dnsmos

    for case in CASES:
        said = dnsmos.run(draw_speech(*case), RATE_HZ)
        print(f"    {case}: ({', '.join(f'{said[part]:.6f}' for part in ('ovrl_mos', 'sig_mos', 'bak_mos'))}),")  # noqa: T201
