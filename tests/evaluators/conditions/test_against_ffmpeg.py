"""Conditions held against FFmpeg's libraries out of PyAV's wheels: other code than what the conditions call."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
import pytest
from scipy.signal import csd, freqz

from evaluators.conditions._coding import LossyCodec, encode
from evaluators.conditions._pcm import Pcm
from evaluators.conditions.amr import MODES_KBIT_S
from evaluators.conditions.amr import decode as decode_amr
from evaluators.conditions.amr import encode as encode_amr
from tests.evaluators.conditions.test_conditions import find_shift, make_speech, open_kind, treat
from tests.evaluators.conditions.test_independent_tools import EVERY, band_limit, measure_snr_db, round_by

av = pytest.importorskip("av", reason="av is not installed")


def make_pcm(seconds: float, rate_hz: int) -> Pcm:
    """What a telephone's converter gives: whole numbers, the loudest of them at full scale."""
    samples = make_speech(seconds, rate_hz=rate_hz)[0]
    return np.round(samples / np.abs(samples).max() * 32_767).astype(np.int16)


def read_frames(frames: Iterable[av.AudioFrame]) -> np.ndarray:
    """All samples of one channel, of the frames' own type."""
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def make_frame(samples: np.ndarray, rate_hz: int, kind: str) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[None], format=kind, layout="mono")
    frame.sample_rate = rate_hz
    return frame


def encode_by(codec: str, pcm: Pcm, rate_hz: int) -> bytes:
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate_hz, "mono", av.AudioFormat("s16")
    return b"".join(
        bytes(packet) for given in (make_frame(pcm, rate_hz, "s16"), None) for packet in encoder.encode(given)
    )


def decode_by(codec: str, packets: Iterable[bytes], rate_hz: int, **options: str) -> np.ndarray:
    decoder = av.CodecContext.create(codec, "r")
    decoder.sample_rate, decoder.layout, decoder.options = rate_hz, "mono", options
    return read_frames(frame for packet in packets for frame in decoder.decode(av.Packet(packet)))


def decode_file(coded: bytes, codec: str) -> tuple[np.ndarray, int]:
    """A file's samples by the decoder of that name, and their rate."""
    with av.open(io.BytesIO(coded)) as file:
        assert file.streams.audio[0].codec_context.codec.name == codec
        frames = list(file.decode(audio=0))
    return read_frames(frames), frames[0].sample_rate


def resample_by_swresample(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=to_hz)
    given = make_frame(np.float32(samples), from_hz, "fltp")
    return read_frames([*resampler.resample(given), *resampler.resample(None)])


@pytest.mark.parametrize(("law", "codec"), [("mu", "pcm_mulaw"), ("a", "pcm_alaw")])
def test_g711_has_ffmpegs_values_and_codes_to_the_nearest_but_where_the_standards_tables_do_not(
    law: str, codec: str
) -> None:
    values = decode_by(codec, [bytes(range(256))], 8000)
    np.testing.assert_array_equal(round_by(law, values), values)
    found, theirs = round_by(law, EVERY), decode_by(codec, [encode_by(codec, EVERY, 8000)], 8000)
    assert set(found.tolist()) == set(values.tolist())
    other = found != theirs
    assert other.mean() < 0.06  # at the ends of segments, where a decision value is not in the middle
    errors, least = (np.abs(np.int64(EVERY) - one)[other] for one in (found, theirs))
    assert (least <= errors + 8).all()  # FFmpeg codes 14 bits of the 16


def test_gsm_is_decoded_as_ffmpeg_decodes_it() -> None:
    samples = make_speech(2.0, rate_hz=8000)
    expected, _ = decode_file(encode(np.float64(samples[0]), 8000, "WAV", "GSM610"), "gsm_ms")
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
        assert encode_by("g722", pcm, 16_000) == coded
    bytes_of_8_bits = bytes(code << (8 - n_bits) & 0xFF for code in coded)
    found = decode_by("g722", [bytes_of_8_bits], 16_000, bits_per_codeword=str(n_bits))
    np.testing.assert_array_equal(found, decode(coded, kbit_s))


@pytest.mark.parametrize(("mode", "n_bytes"), list(enumerate([12, 13, 15, 17, 19, 20, 26, 31])))
def test_amr_is_decoded_as_ffmpeg_decodes_it(mode: int, n_bytes: int) -> None:
    """RFC 4867, 5.3: a byte that tells the mode, and the mode's bits. FFmpeg's own decoder is of floating point."""
    frames = encode_amr(make_pcm(2.0, 8000) // 2, MODES_KBIT_S[mode])
    assert {(len(frame), frame[0] >> 3) for frame in frames} == {(1 + n_bytes, mode)}
    expected, found = decode_by("amrnb", frames, 8000) * 32_768, decode_amr(frames)
    assert find_shift(found[None], expected[None]) == 0
    # Its author found 30 to 80 dB below full scale; at 10.2 kbit/s it spreads pulses otherwise. One frame off gives 0.
    assert measure_snr_db(np.float64(found), expected) > (18 if MODES_KBIT_S[mode] == 10.2 else 28)


@pytest.mark.parametrize("kbit_s", MODES_KBIT_S)
def test_amr_is_late_by_nothing_but_the_standards_high_pass_filters(kbit_s: float) -> None:
    """3GPP TS 26.090, 5.1 and 6.2.2: of 80 Hz before the encoder, of 60 Hz behind the decoder."""
    samples = make_speech(10.0, rate_hz=8000, seed=5)
    samples += (0.02 * np.random.default_rng(0).standard_normal(samples.shape)).astype(np.float32)
    found = treat(open_kind("amr", kbit_s=kbit_s), samples, 8000)
    frequencies, spectrum = csd(samples[0], found[0], 8000, nperseg=512)
    response = np.ones(len(frequencies), np.complex128)
    for zeros, poles in (
        ([0.927246093, -1.8544941, 0.927246903], [1, -1.906005859, 0.911376953]),
        ([0.939819335, -1.879638672, 0.939819335], [1, -1.933105469, 0.935913085]),
    ):
        response *= freqz(zeros, poles, frequencies, fs=8000)[1]
    kept = (frequencies > 600) & (frequencies < 1500)  # where the speech is
    late = np.angle(response[kept] / spectrum[kept]) / (2 * np.pi * frequencies[kept]) * 8000
    assert abs(np.median(late)) < 0.15  # of a sample: few bits leave noise in the phase


@pytest.mark.parametrize(("kind", "codec"), [("opus", "opus"), ("vorbis", "vorbis"), ("mp3", "mp3float")])
@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_lossy_codecs_are_decoded_as_ffmpeg_decodes_them(kind: str, codec: str, rate_hz: int) -> None:
    """FFmpeg's decoders are its own code; both follow the file's own word on what stands before the audio."""
    condition = open_kind(kind)
    assert isinstance(condition, LossyCodec)
    samples = make_speech(2.0, rate_hz=rate_hz)
    coded = encode(np.float64(samples[0]), rate_hz, condition.container, condition.codec, 0.5)
    expected, decoded_hz = decode_file(coded, codec)
    if decoded_hz != rate_hz:
        expected = resample_by_swresample(expected, decoded_hz, rate_hz)
    found = treat(condition, samples, rate_hz)
    n_samples = min(len(expected), found.shape[1] - rate_hz // 10)  # the condition codes silence behind the clip
    assert find_shift(found[:, :n_samples], expected[None, :n_samples]) == 0
    least_db = 40 if (kind, rate_hz) == ("opus", 16_000) else 100  # that FFmpeg decodes at 48 kHz and resamples
    assert measure_snr_db(expected[:n_samples], found[0, :n_samples]) > least_db


@pytest.mark.parametrize(("rate_hz", "between_hz"), [(16_000, 8000), (44_100, 16_000), (16_000, 48_000)])
def test_the_resampler_is_swresample_within_the_band(rate_hz: int, between_hz: int) -> None:
    samples = band_limit(make_speech(2.0, rate_hz=rate_hz), 0.7 * min(between_hz / rate_hz, 1))
    there = resample_by_swresample(samples[0], rate_hz, between_hz)
    expected = resample_by_swresample(there, between_hz, rate_hz)
    found = treat(open_kind("resampling", rate_hz=between_hz), samples, rate_hz)[0]
    assert len(expected) == len(found)
    middle = slice(2000, -2000)  # swresample mirrors the audio at its ends
    assert measure_snr_db(expected[middle], found[middle]) > 85  # its filter has 32 taps
