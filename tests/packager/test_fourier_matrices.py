from __future__ import annotations

import numpy as np
import pytest

from packager.rewrites.fourier_matrices import (
    choose_factors,
    goes_by_chirps,
    has_noisy_middle,
    make_chirps,
    make_first_stage,
    make_matrix,
    make_second_stage,
    make_twiddles,
)

EVEN = (2, 6, 20, 64, 100, 126, 400, 442, 882, 1024, 2046)


def _transform(frames: np.ndarray, size: int) -> np.ndarray:
    """All bins by the matrices, (frame, n), with the sums of each product from left to right."""
    factors = choose_factors(size)
    if factors is None:
        real, imag = np.split(_product(frames, make_matrix(size, size)), 2, 1)
        return np.stack([real, imag])
    rows, columns = factors
    columnwise = frames.reshape(-1, rows, columns).transpose(0, 2, 1).reshape(-1, rows)
    straight, turned = (_product(columnwise, part).reshape(-1, columns, 2 * rows) for part in make_first_stage(rows))
    cosines, sines = make_twiddles(rows, columns)
    both = straight * cosines + turned * sines
    both = both.reshape(-1, columns, 2, rows).transpose(0, 3, 2, 1).reshape(-1, 2 * columns)
    found = _product(both, make_second_stage(columns, columns)).reshape(-1, rows, 2, columns)
    return found.transpose(2, 0, 3, 1).reshape(2, len(frames), size)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for index in range(a.shape[1]):
        total += a[:, index, None] * b[None, index]
    return total


@pytest.mark.parametrize("size", EVEN)
def test_the_ends_of_a_real_spectrum_are_exactly_real(size: int) -> None:
    assert not has_noisy_middle(size)
    frames = np.random.default_rng(size).normal(size=(3, size)).astype(np.float32)
    real, imag = _transform(frames, size)
    ends = imag[:, [0, size // 2]]
    assert not ends.any()
    assert not np.signbit(ends).any()
    expected = np.fft.fft(frames)
    assert np.allclose(real + 1j * imag, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("size", [65, 81, 255, 1001])
def test_an_odd_spectrum_is_real_at_its_beginning(size: int) -> None:
    frames = np.random.default_rng(size).normal(size=(3, size)).astype(np.float32)
    _, imag = _transform(frames, size)
    assert not imag[:, 0].any()
    assert imag[:, 1:].all()


@pytest.mark.parametrize("size", [94, 998, 1006])
def test_twice_a_prime_has_a_noisy_middle(size: int) -> None:
    """Even columns would be two of them, and as dear as one matrix; the middle is made 0 behind the products."""
    assert choose_factors(size) == (2, size // 2)
    assert has_noisy_middle(size)
    assert goes_by_chirps(size) == (size > 900)


@pytest.mark.parametrize(("size", "inputs", "outputs"), [(998, 998, 500), (509, 509, 509), (1999, 1000, 1999)])
def test_chirps_are_the_transform(size: int, inputs: int, outputs: int) -> None:
    """Bluestein's algorithm with numpy's transforms, in float64; the parts themselves are float32."""
    x = np.random.default_rng(size).normal(size=(3, inputs))
    chirps = make_chirps(size, inputs, outputs)
    before, kernel, after = (part[0].astype(float) + 1j * part[1] for part in chirps[1:])
    assert chirps.length >= inputs + outputs - 1
    convolved = np.fft.ifft(np.fft.fft(x * before, chirps.length) * kernel * chirps.length)
    found = convolved[:, :outputs] * after
    expected = np.fft.fft(x, size)[:, :outputs]
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("size", [509, 998, 1999, 3998, 16001])
def test_no_length_needs_large_matrices(size: int) -> None:
    assert goes_by_chirps(size)
    factors = choose_factors(make_chirps(size, size, size).length)
    assert factors is not None
    assert 4 * (4 * factors[0] ** 2 + 2 * factors[1] ** 2) < 1_000_000
