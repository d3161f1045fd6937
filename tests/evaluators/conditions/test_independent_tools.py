"""Conditions held against programs and definitions of others; what is not installed is skipped by name.

FFmpeg is taken from the path, or from the wheel imageio-ffmpeg; SoX from the path.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate, firwin, lfilter, resample_poly

from evaluators.condition import mean_power
from evaluators.conditions._coding import LossyCodec, encode
from evaluators.conditions.g711 import round_by_a_law, round_by_mu_law
from evaluators.windows import Samples
from tests.evaluators.conditions.test_conditions import RATE_HZ, find_shift, make_speech, open_kind, treat

Pcm = np.ndarray[tuple[int], np.dtype[np.int16]]


def find_ffmpeg() -> str:
    found = shutil.which("ffmpeg")
    if found is None and importlib.util.find_spec("imageio_ffmpeg") is not None:
        import imageio_ffmpeg

        found = imageio_ffmpeg.get_ffmpeg_exe()
    if found is None:
        pytest.skip("ffmpeg is not installed")
    return found


def run_ffmpeg(given: bytes, *options: str) -> bytes:
    command = [find_ffmpeg(), "-v", "error", *options, "-"]
    done = subprocess.run(command, input=given, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def run_sox(given: bytes, *options: str) -> bytes:
    found = shutil.which("sox")
    if found is None:
        pytest.skip("sox is not installed")
    done = subprocess.run([found, *options], input=given, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def read_pcm(data: bytes) -> Pcm:
    return np.frombuffer(data, "<i2")


def make_pcm(seconds: float, rate_hz: int) -> Pcm:
    """What a telephone's converter gives: whole numbers, the loudest of them at full scale."""
    samples = make_speech(seconds, rate_hz=rate_hz)[0]
    return np.round(samples / np.abs(samples).max() * 32_767).astype("<i2")


def measure_snr_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    return float(10 * np.log10(mean_power(reference) / mean_power(np.float64(estimate) - reference)))


EVERY = np.arange(-32_768, 32_768).astype("<i2")
"""each value that a converter of 16 bits gives"""


def round_by(law: str, pcm: Pcm) -> Pcm:
    found = (round_by_mu_law if law == "mu" else round_by_a_law)(pcm[None] / 32_768)[0] * 32_768
    return np.asarray(found, np.int16)


@pytest.mark.parametrize(("law", "subtype"), [("mu", "ULAW"), ("a", "ALAW")])
def test_g711_is_libsndfiles_for_every_value(law: str, subtype: str) -> None:
    memory = io.BytesIO()
    soundfile.write(memory, EVERY, 8000, format="RAW", subtype=subtype)
    memory.seek(0)
    raw = {"format": "RAW", "subtype": subtype, "samplerate": 8000, "channels": 1}
    np.testing.assert_array_equal(round_by(law, EVERY), soundfile.read(memory, dtype="int16", **raw)[0])


@pytest.mark.parametrize(("law", "codec"), [("mu", "pcm_mulaw"), ("a", "pcm_alaw")])
def test_g711_has_ffmpegs_values_and_codes_to_the_nearest_but_where_the_standards_tables_do_not(
    law: str, codec: str
) -> None:
    raw = ("-f", "s16le", "-ar", "8000", "-ac", "1", "-i", "-")
    coded = ("-f", codec[4:], "-ar", "8000", "-ac", "1", "-i", "-", "-f", "s16le")
    values = read_pcm(run_ffmpeg(bytes(range(256)), *coded))
    np.testing.assert_array_equal(round_by(law, values), values)
    found, theirs = (
        round_by(law, EVERY),
        read_pcm(run_ffmpeg(run_ffmpeg(EVERY.tobytes(), *raw, "-c:a", codec, "-f", codec[4:]), *coded)),
    )
    assert set(found.tolist()) == set(values.tolist())
    other = found != theirs
    assert other.mean() < 0.06  # at the ends of segments, where a decision value is not in the middle
    errors, least = (np.abs(np.int64(EVERY) - one)[other] for one in (found, theirs))
    assert (least <= errors + 8).all()  # FFmpeg codes 14 bits of the 16


@pytest.mark.parametrize(("law", "encoding"), [("mu", "mu-law"), ("a", "a-law")])
def test_g711_has_soxs_values(law: str, encoding: str) -> None:
    back = ("-D", "-t", "raw", "-r", "8000", "-c", "1", "-e", encoding, "-b", "8", "-")
    values = read_pcm(run_sox(bytes(range(256)), *back, "-t", "raw", "-e", "signed", "-b", "16", "-"))
    np.testing.assert_array_equal(round_by(law, values), values)
    assert set(round_by(law, EVERY).tolist()) == set(values.tolist())


def test_gsm_is_soxs() -> None:
    """SoX codes frames by libgsm, we by libsndfile's copy of it: another container, the same samples."""
    pcm = make_pcm(2.0, 8000) // 2
    raw = ("-D", "-t", "raw", "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", "-")
    if "gsm" not in run_sox(b"", "--help").decode().split():
        pytest.skip("sox has no gsm; Debian's libsox-fmt-base has")
    frames = run_sox(pcm.tobytes(), *raw, "-t", "gsm", "-")
    expected = read_pcm(run_sox(frames, "-D", "-t", "gsm", "-", "-t", "raw", "-e", "signed", "-b", "16", "-"))
    samples = (pcm[None] / 32_767).astype(np.float32)  # which libsndfile makes the same whole numbers of
    found = treat(open_kind("gsm"), samples, 8000)[0] * 32_768
    np.testing.assert_array_equal(found, expected[: len(found)])


def test_gsm_is_decoded_as_ffmpeg_decodes_it() -> None:
    samples = make_speech(2.0, rate_hz=8000)
    coded = encode(np.float64(samples[0]), 8000, "WAV", "GSM610")
    expected = read_pcm(run_ffmpeg(coded, "-i", "-", "-f", "s16le"))
    found = treat(open_kind("gsm"), samples, 8000)[0] * 32_768
    np.testing.assert_array_equal(found, expected[: len(found)])


@pytest.mark.parametrize("kbit_s", [64, 56, 48])
def test_g722_is_ffmpegs_to_the_bit(kbit_s: int) -> None:
    open_kind("g722")
    from evaluators.conditions.g722 import decode
    from evaluators.conditions.g722 import encode as encode_g722

    pcm = make_pcm(2.0, 16_000)
    coded, n_bits = encode_g722(pcm, kbit_s), kbit_s // 8
    if kbit_s == 64:
        raw = ("-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-")
        assert run_ffmpeg(pcm.tobytes(), *raw, "-c:a", "g722", "-f", "g722") == coded
    bytes_of_8_bits = bytes(code << (8 - n_bits) & 0xFF for code in coded)
    options = ("-bits_per_codeword", str(n_bits), "-f", "g722", "-i", "-", "-f", "s16le")
    np.testing.assert_array_equal(read_pcm(run_ffmpeg(bytes_of_8_bits, *options)), decode(coded, kbit_s))


@pytest.mark.parametrize("kind", ["opus", "vorbis", "mp3"])
@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_lossy_codecs_are_decoded_as_ffmpeg_decodes_them(kind: str, rate_hz: int) -> None:
    """FFmpeg's decoders are its own code; both follow the file's own word on what stands before the audio."""
    condition = open_kind(kind)
    assert isinstance(condition, LossyCodec)
    samples = make_speech(2.0, rate_hz=rate_hz)
    coded = encode(np.float64(samples[0]), rate_hz, condition.container, condition.codec, 0.5)
    decoder = {"opus": ("-c:a", "opus"), "vorbis": ("-c:a", "vorbis"), "mp3": ("-c:a", "mp3float")}[kind]
    expected = np.frombuffer(
        run_ffmpeg(coded, *decoder, "-i", "-", "-f", "f32le", "-ar", str(rate_hz), "-ac", "1"), "<f4"
    )
    found = treat(condition, samples, rate_hz)
    n_samples = min(len(expected), found.shape[1] - rate_hz // 10)  # the condition codes silence behind the clip
    assert find_shift(found[:, :n_samples], expected[None, :n_samples]) == 0
    least_db = 40 if (kind, rate_hz) == ("opus", 16_000) else 100  # that FFmpeg decodes at 48 kHz and resamples
    assert measure_snr_db(expected[:n_samples], found[0, :n_samples]) > least_db


def integrate_decay_s(response: np.ndarray, rate_hz: int) -> float:
    """ISO 3382-2: T30, by least squares over the integrated response from -5 to -35 dB, every sample alike."""
    level_db = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.sum(response**2) + 1e-30)
    kept = (level_db <= -5) & (level_db >= -35)
    slope, _ = np.polyfit(np.flatnonzero(kept) / rate_hz, level_db[kept], 1)
    return float(-60 / slope)


@pytest.mark.parametrize("t60_s", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("rate_hz", [8000, 44_100])
def test_a_click_in_the_room_decays_as_was_asked(t60_s: float, rate_hz: int) -> None:
    click = np.zeros((1, 2 * rate_hz), np.float32)
    click[0, 1000] = 0.5
    found = np.float64(treat(open_kind("room", t60_s=t60_s), click, rate_hz)[0])
    assert np.argmax(np.abs(found)) == 1000
    assert integrate_decay_s(found[1000:], rate_hz) == pytest.approx(t60_s, rel=0.1)


@pytest.mark.parametrize("skew_ppm", [-5000, -200, 200, 5000])
def test_clicks_come_late_by_the_skew(skew_ppm: int) -> None:
    places = np.arange(1, 20) * RATE_HZ // 2
    clicks = np.zeros((1, 10 * RATE_HZ), np.float32)
    clicks[0, places] = 0.5
    clicks = lfilter(firwin(101, 0.5), 1.0, clicks).astype(np.float32)
    found = treat(open_kind("clock_skew", skew_ppm=skew_ppm), clicks)
    for place in places:
        expected = (place + 50) * (1 + skew_ppm / 1e6)
        first = round(expected) - 60
        piece = np.abs(found[0, first : first + 121])
        peak = int(np.argmax(piece))
        if not 0 < peak < 120 or first + 121 > found.shape[1]:
            continue
        before, top, after = np.float64(piece[peak - 1 : peak + 2])
        measured = first + peak + 0.5 * (before - after) / (before - 2 * top + after)
        assert measured == pytest.approx(expected, abs=0.1), place


def band_limit(samples: Samples, share: float) -> Samples:
    """Audio without what lies above a share of half the rate, so that resamplers need not agree on their edges."""
    return lfilter(firwin(1001, share), 1.0, samples).astype(np.float32)


@pytest.mark.parametrize(("rate_hz", "between_hz"), [(16_000, 8000), (44_100, 16_000), (16_000, 48_000)])
def test_the_resampler_is_scipys_within_the_band(rate_hz: int, between_hz: int) -> None:
    samples = band_limit(make_speech(2.0, rate_hz=rate_hz), 0.7 * min(between_hz / rate_hz, 1))
    found = treat(open_kind("resampling", rate_hz=between_hz), samples, rate_hz)[0]
    window = ("kaiser", 14.0)
    there = resample_poly(np.float64(samples[0]), between_hz, rate_hz, window=window)
    expected = resample_poly(there, rate_hz, between_hz, window=window)[: len(found)]
    middle = slice(2000, -2000)
    assert measure_snr_db(expected[middle], found[middle]) > 50
    assert np.argmax(correlate(found, expected, method="fft")) == len(found) - 1


def test_the_resampler_is_soxs() -> None:
    samples = band_limit(make_speech(2.0), 0.4)
    raw = ("-t", "raw", "-c", "1", "-e", "float", "-b", "32")
    there = run_sox(samples.tobytes(), *raw, "-r", "16000", "-", *raw, "-r", "8000", "-", "rate", "-v")
    back = run_sox(there, *raw, "-r", "8000", "-", *raw, "-r", "16000", "-", "rate", "-v")
    expected = np.frombuffer(back, "<f4")
    found = treat(open_kind("resampling", rate_hz=8000), samples)[0]
    middle = slice(2000, -2000)
    assert measure_snr_db(expected[middle], found[: len(expected)][middle]) > 90


@pytest.mark.parametrize("colour", ["white", "pink", "babble"])
def test_soxs_levels_have_the_ratio(colour: str) -> None:
    samples = make_speech()
    noise = treat(open_kind("noise", colour=colour, snr_db=7.0), samples) - samples

    def measure_db(audio: Samples) -> float:
        found = shutil.which("sox")
        if found is None:
            pytest.skip("sox is not installed")
        command = [found, "-t", "raw", "-c", "1", "-e", "float", "-b", "32", "-r", "16000", "-", "-n", "stats"]
        told = subprocess.run(command, input=audio.tobytes(), capture_output=True, timeout=60, check=True).stderr
        (line,) = [line for line in told.decode().splitlines() if line.startswith("RMS lev dB")]
        return float(line.split()[-1])

    assert measure_db(samples) - measure_db(noise) == pytest.approx(7.0, abs=0.02)
