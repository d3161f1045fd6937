"""What every condition keeps, and what each does, against closed forms and measurements."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import correlate, lfilter, welch

from evaluators.condition import Condition, Surroundings, apply_condition, mean_power
from evaluators.condition_records import ConditionStep
from evaluators.condition_sets import list_conditions, open_step
from evaluators.conditions.amr import MODES_KBIT_S
from evaluators.conditions.g711 import round_by_a_law, round_by_mu_law
from evaluators.conditions.packet_loss import PacketLossParameters, draw_losses
from evaluators.conditions.room import RoomParameters, make_response, measure_decay
from evaluators.errors import EvaluationError
from evaluators.windows import Samples
from tests.specimens import ROOT

KINDS = tuple(list_conditions())
RATE_HZ = 16_000
PHASE_LEADS_S = {"amr": 0.53 / 8000}
"""of codecs with high-pass filters, at 700 Hz, where the speech of these tests is (test_against_ffmpeg measures it)"""


def find_missing(condition: Condition) -> str | None:
    """A package that the condition needs and that is not installed."""
    for library in condition.libraries:
        try:
            importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            return library
    return None


def list_playable() -> list[str]:
    return [kind for kind in KINDS if find_missing(open_step(ConditionStep(kind=kind))) is None]


def open_kind(kind: str, **parameters: object) -> Condition:
    condition = open_step(ConditionStep(kind=kind, parameters=parameters))
    if missing := find_missing(condition):
        pytest.skip(f"{kind}: {missing} is not installed")
    return condition


def make_speech(seconds: float = 2.0, *, rate_hz: int = RATE_HZ, channels: int = 1, seed: int = 3) -> Samples:
    """Noise through a resonance, in syllables: what codecs of speech are made for."""
    random = np.random.default_rng(seed)
    n_samples = round(seconds * rate_hz)
    angle = 2 * np.pi * 700 / rate_hz
    sound = lfilter([1.0], [1.0, -1.9 * np.cos(angle), 0.9025], random.standard_normal((channels, n_samples)))
    envelope = np.clip(np.sin(2 * np.pi * 3 * np.arange(n_samples) / rate_hz), 0.05, 1)
    sound = sound * envelope
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def treat(condition: Condition, samples: Samples, rate_hz: int = RATE_HZ, others: int = 3) -> Samples:
    spoken = [lambda seed=seed: make_speech(1.0, channels=samples.shape[0], seed=seed) for seed in range(others)]
    recorded = [lambda seed=seed: make_speech(0.7, rate_hz=rate_hz, seed=seed) for seed in range(40, 44)]
    return apply_condition(condition, samples, 0, rate_hz, spoken, dict.fromkeys(condition.list_recordings(), recorded))


def find_shift(reference: Samples, estimate: Samples) -> int:
    """How many samples later the estimate is, where the two are most alike."""
    found = correlate(np.float64(estimate[0]), np.float64(reference[0]), method="fft")
    return int(np.argmax(found)) - (reference.shape[1] - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_length_type_and_place_are_kept(kind: str) -> None:
    for rate_hz in (8000, 16_000, 22_050, 48_000):
        samples = make_speech(1.3, rate_hz=rate_hz)
        given = samples.copy()
        found = treat(open_kind(kind), samples, rate_hz)
        assert (found.shape, found.dtype) == (samples.shape, np.float32)
        assert np.isfinite(found).all()
        np.testing.assert_array_equal(samples, given)
        if kind != "dc_offset":  # a constant has its peak anywhere
            most = 1 + (samples.shape[1] * 200e-6 if kind == "clock_skew" else rate_hz * PHASE_LEADS_S.get(kind, 0))
            assert abs(find_shift(samples, found)) <= most, rate_hz


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 7), (3, 5), (32, 160)])
def test_short_and_wide_clips(kind: str, shape: tuple[int, int]) -> None:
    samples = (0.1 * np.random.default_rng(1).standard_normal(shape)).astype(np.float32)
    for rate_hz in (1000, 44_100):
        assert treat(open_kind(kind), samples, rate_hz, others=2).shape == shape


@pytest.mark.parametrize("kind", KINDS)
def test_silence_and_strange_levels(kind: str) -> None:
    for level in (0.0, 1e-40, 1e4, 3e38):
        samples = np.full((2, 900), level, np.float32)
        samples[:, ::2] *= -1
        assert np.isfinite(treat(open_kind(kind), samples, others=0)).all()


SCRIPT = """\
import hashlib, sys
from tests.evaluators.conditions.test_conditions import list_playable, make_speech, open_kind, treat
for kind in list_playable():
    for colour in ({"colour": c} for c in ("white", "pink", "babble")) if kind == "noise" else ({},):
        print(kind, hashlib.sha256(treat(open_kind(kind, **colour), make_speech(channels=2)).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_make_the_same_bits() -> None:
    runs = [
        subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, timeout=100)
        for _ in range(2)
    ]
    assert runs[0].returncode == 0, runs[0].stderr
    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout.splitlines()) == len(list_playable()) + 2
    here = hashlib.sha256(treat(open_kind("noise"), make_speech(channels=2)).tobytes()).hexdigest()
    assert f"noise {here}" in runs[0].stdout


@pytest.mark.parametrize("colour", ["white", "pink", "babble"])
@pytest.mark.parametrize("snr_db", [-20, 0, 10, 40])
@pytest.mark.parametrize("channels", [1, 2])
def test_noise_has_the_ratio_that_was_asked(colour: str, snr_db: float, channels: int) -> None:
    samples = make_speech(channels=channels)
    noise = np.float64(treat(open_kind("noise", colour=colour, snr_db=snr_db), samples)) - samples
    assert 10 * np.log10(mean_power(samples) / mean_power(noise)) == pytest.approx(snr_db, abs=0.01)


def test_one_clip_has_one_noise_at_all_levels_and_another_clip_another() -> None:
    samples = make_speech()
    loud, soft = (np.float64(treat(open_kind("noise", snr_db=snr), samples)) - samples for snr in (0, 20))
    np.testing.assert_allclose(loud, 10 * soft, atol=1e-5)
    other = make_speech(seed=4)
    assert abs(np.corrcoef(loud[0], (np.float64(treat(open_kind("noise"), other)) - other)[0])[0, 1]) < 0.1


def test_noise_of_silence_is_silence() -> None:
    samples = np.zeros((1, 500), np.float32)
    np.testing.assert_array_equal(treat(open_kind("noise"), samples), samples)


def test_colours_by_their_spectra() -> None:
    samples = make_speech(8.0)
    for colour, slope_db in (("white", 0.0), ("pink", -3.01)):
        noise = treat(open_kind("noise", colour=colour), samples) - samples
        frequencies, power = welch(noise[0], RATE_HZ, nperseg=4096)
        kept = (frequencies > 60) & (frequencies < 6000)
        found = np.polyfit(np.log2(frequencies[kept]), 10 * np.log10(power[kept]), 1)[0]
        assert found == pytest.approx(slope_db, abs=0.3), colour


def test_gain_and_clipping_by_hand() -> None:
    samples = np.array([[0.0, 0.1, -0.5, 0.9]], np.float32)
    np.testing.assert_allclose(treat(open_kind("gain", gain_db=20), samples), [[0, 1, -1, 1]], rtol=1e-6)
    free = treat(open_kind("gain", gain_db=20, is_limited=False), samples)
    np.testing.assert_allclose(free, [[0, 1, -5, 9]], rtol=1e-6)
    half = treat(open_kind("clipping", overdrive_db=20 * np.log10(2)), samples)
    np.testing.assert_allclose(half, [[0, 0.1, -0.45, 0.45]], rtol=1e-6)
    np.testing.assert_allclose(treat(open_kind("dc_offset", offset=-0.25), samples), samples - 0.25)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 44_100])
def test_a_telephones_band(rate_hz: int) -> None:
    def gain_db(pitch_hz: float) -> float:
        tone = np.sin(2 * np.pi * pitch_hz * np.arange(rate_hz) / rate_hz)[None].astype(np.float32)
        found = treat(open_kind("band_limit"), tone, rate_hz)
        middle = slice(rate_hz // 4, -rate_hz // 4)
        return 10 * float(np.log10(mean_power(found[:, middle]) / mean_power(tone[:, middle])))

    assert gain_db(300) == pytest.approx(-6.02, abs=0.1)
    for passed_hz in (420, 1000, 2000):
        assert gain_db(passed_hz) == pytest.approx(0, abs=0.05)
    for stopped_hz in (50, 100, 180):
        assert gain_db(stopped_hz) < -55
    assert gain_db(3400) == pytest.approx(-6.02, abs=0.1)
    if rate_hz > 9600:
        assert gain_db(4600) < -55


def test_mu_law_values_are_those_of_the_standard() -> None:
    """ITU-T G.711 table 2a: decoder outputs y by hand, at both ends of their decision intervals, in 14-bit units."""
    table = [
        # (from, up to, output)
        (0, 0.99, 0), (1, 2.99, 2), (3, 4.99, 4), (29, 30.99, 30), (31, 34.99, 33), (91, 94.99, 93), (95, 102.99, 99),
        (223, 238.99, 231), (479, 510.99, 495), (991, 1054.99, 1023), (2015, 2142.99, 2079), (4063, 4318.99, 4191),
        (7647, 7902.99, 7775), (7903, 8158.99, 8031),
    ]  # fmt: skip
    for low, high, output in table:
        for value in (low, high):
            for sign in (1, -1):
                found = round_by_mu_law(np.array([[sign * value / 8192]])) * 8192
                assert found[0, 0] == sign * output, (value, sign)
    every = np.unique(round_by_mu_law(np.linspace(-1, 1, 100_001)[None]))
    assert len(every) == 255  # plus and minus zero are one number


def test_a_law_values_are_those_of_the_standard() -> None:
    """ITU-T G.711 table 1a, in 13-bit units."""
    table = [
        (0, 1.99, 1), (2, 3.99, 3), (30, 31.99, 31), (32, 33.99, 33), (62, 63.99, 63), (64, 67.99, 66),
        (128, 135.99, 132), (256, 271.99, 264), (512, 543.99, 528), (1024, 1087.99, 1056), (2048, 2175.99, 2112),
        (3968, 4095.99, 4032),
    ]  # fmt: skip
    for low, high, output in table:
        for value in (low, high):
            for sign in (1, -1) if value else (1,):
                assert round_by_a_law(np.array([[sign * value / 4096]]))[0, 0] * 4096 == sign * output, (value, sign)
    assert len(np.unique(round_by_a_law(np.linspace(-1, 1, 100_001)[None]))) == 256


@pytest.mark.parametrize(("kind", "parameters", "least_db", "most_db"), [
    ("g711", {"law": "mu"}, 30, 45),
    ("g711", {"law": "a"}, 30, 45),
    ("gsm", {}, 4, 25),
    ("amr", {}, 4, 25),
    ("amr", {"kbit_s": 4.75}, 2, 20),
    ("g722", {}, 20, 45),
    ("g722", {"kbit_s": 48}, 15, 40),
    ("opus", {}, 8, 60),
    ("vorbis", {}, 8, 60),
    ("mp3", {}, 8, 60),
])  # fmt: skip
def test_codecs_are_near_what_they_code(
    kind: str, parameters: dict[str, object], least_db: float, most_db: float
) -> None:
    samples = make_speech(3.0, rate_hz=8000)
    found = treat(open_kind(kind, **parameters), samples, 8000)
    assert abs(find_shift(samples, found)) == np.ceil(8000 * PHASE_LEADS_S.get(kind, 0))
    ratio_db = 10 * np.log10(mean_power(samples) / mean_power(np.float64(found) - samples))
    assert least_db < ratio_db < most_db


@pytest.mark.parametrize("kind", ["opus", "vorbis", "mp3"])
def test_more_compression_is_worse(kind: str) -> None:
    samples = make_speech(3.0)
    treated = (np.float64(treat(open_kind(kind, compression_level=level), samples)) for level in (0, 0.99))
    errors = [mean_power(one - samples) for one in treated]
    assert errors[0] < 0.5 * errors[1]


def test_each_mode_of_amr_is_nearer_than_those_of_fewer_bits() -> None:
    samples = make_speech(3.0, rate_hz=8000)
    treated = (treat(open_kind("amr", kbit_s=kbit_s), samples, 8000) for kbit_s in MODES_KBIT_S)
    errors = [mean_power(np.float64(one) - samples) for one in treated]
    assert errors == sorted(errors, reverse=True)


def test_an_av_without_the_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    condition = open_kind("amr")
    monkeypatch.setattr("evaluators.conditions.amr.CODEC", "libopencore_none")
    with pytest.raises(EvaluationError, match=r"the installed av [\d.]+ has no libopencore_none; PyAV's own wheels"):
        treat(condition, make_speech())


def test_a_long_clip_is_coded() -> None:
    samples = make_speech(60.0, rate_hz=8000)
    assert find_shift(samples, treat(open_kind("vorbis"), samples, 8000)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("t60_s", [0.2, 0.4, 0.8])
@pytest.mark.parametrize("rate_hz", [8000, 44_100])
def test_a_room_has_the_reverberation_time_that_was_asked(t60_s: float, rate_hz: int) -> None:
    """Measured of the response itself, a high-pass filter and rounding to samples included."""
    for place in range(3):
        response = make_response(RoomParameters(t60_s=t60_s), place, rate_hz)
        times_s = np.arange(len(response)) / rate_hz
        assert measure_decay(times_s, response**2) == pytest.approx(t60_s, rel=0.1)
        assert np.argmax(np.abs(response)) == 0


def test_schroeders_integral_of_a_pure_decay() -> None:
    times_s = np.arange(40_000) / 8000
    energies = 10 ** (-6 * times_s / 0.7)
    assert measure_decay(times_s, energies) == pytest.approx(0.7, rel=1e-3)


def test_a_far_room_is_more_reverberant_than_a_near_one() -> None:
    """The direct sound's share of the energy falls with distance."""
    shares = []
    for distance_m in (0.5, 3.0):
        response = make_response(RoomParameters(distance_m=distance_m), 0, RATE_HZ)
        shares.append(response[0] ** 2 / (response**2).sum())
    assert shares[0] > 4 * shares[1]


def test_resampling_takes_what_the_rate_cannot_hold() -> None:
    tone = np.sin(2 * np.pi * 3000 * np.arange(RATE_HZ) / RATE_HZ)[None].astype(np.float32)
    powers = {
        method: mean_power(treat(open_kind("resampling", rate_hz=4000, method=method), tone)[:, 4000:-4000])
        for method in ("high", "linear")
    }
    assert powers["high"] < 1e-6
    assert powers["linear"] > 0.1  # it is heard at 1000 Hz


def test_a_clock_that_is_off_by_a_thousandth() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(4 * RATE_HZ) / RATE_HZ)[None].astype(np.float32)
    found = treat(open_kind("clock_skew", skew_ppm=1000), tone)[0]
    crossings = np.flatnonzero((found[:-1] < 0) & (found[1:] >= 0))
    period = (crossings[-10] - crossings[10]) / (len(crossings) - 20)
    assert period == pytest.approx(16 * 1.001, rel=1e-4)


def test_packets_are_lost_as_often_and_as_many_in_a_row_as_was_asked() -> None:
    parameters = PacketLossParameters(loss=0.1, burst=3.0)
    lost = draw_losses(400_000, parameters, np.random.default_rng(5))
    assert lost.mean() == pytest.approx(0.1, rel=0.03)
    bursts = np.flatnonzero(np.diff(np.concatenate([[0], lost.astype(int), [0]])) == 1)
    assert lost.sum() / len(bursts) == pytest.approx(3.0, rel=0.03)


def test_what_is_played_in_a_lost_packets_place() -> None:
    samples = make_speech(5.0) + np.float32(0.5)
    for concealment in ("zero", "repeat"):
        condition = open_kind("packet_loss", loss=0.3, packet_ms=10.0, burst=1.0, concealment=concealment)
        found = treat(condition, samples).reshape(-1, 160)
        packets = samples.reshape(-1, 160)
        lost = [index for index in range(len(packets)) if not np.array_equal(found[index], packets[index])]
        assert 0.2 < len(lost) / len(packets) < 0.4
        for index in lost[1:]:
            expected = 0 if concealment == "zero" else packets[index - 1]
            np.testing.assert_array_equal(found[index], np.broadcast_to(expected, 160))


class Longer(Condition):
    def apply(self, samples: np.ndarray, surroundings: Surroundings) -> np.ndarray:
        return np.tile(samples, 2)


class Lost(Condition):
    def apply(self, samples: np.ndarray, surroundings: Surroundings) -> np.ndarray:
        return samples * np.nan


@pytest.mark.parametrize(
    ("condition", "words"),
    [(Longer, r"returned shape \(1, 8\) for audio of shape \(1, 4\)"), (Lost, "returned a value that is no number")],
)
def test_a_condition_that_breaks_its_promise(condition: type[Condition], words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        apply_condition(condition(None), np.ones((1, 4), np.float32), 0, 8000)
