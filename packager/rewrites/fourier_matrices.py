"""The matrices of discrete Fourier transforms of real frames, in one stage or two.

With n = rows * columns, `rows` points are transformed for each column and turned by the twiddle factors, then `columns`
points for each row (Cooley and Tukey). A length with a large prime in it goes by chirps (Bluestein): as a convolution
of a length with good factors.

The spectrum of a real frame is real at 0 Hz and at half the sampling rate. Its imaginary parts there are sums of
products with weights that are exactly 0, and so exactly +0 (but see `has_noisy_middle`): a phase of rounding noise
would be pi or -pi at random.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

WHOLE = 64
"""up to this length one matrix is as good"""

MOST_FOR_EVEN = 1.1
"""how much more even columns may cost than the best ones"""


MOST_BYTES = 500_000
"""of matrices for half a spectrum. Chirps need 238 kB in place of 16 MB for frames of 1999, and 121 kB in place of 2 MB
for 998; LiteRT took 1.4 and 2.3 times as long for dozens of frames, and as long for one"""

MOST_PADDING = 8
"""a convolution of chirps may be longer than it need be by one part in so many, where that length has better factors"""


class Chirps(NamedTuple):
    """What Bluestein's algorithm multiplies with; pairs of real and imaginary parts.

    Attributes:
        length: Of the convolution, m.
        before: (2, inputs).
        kernel: (2, m), the spectrum of the chirp by m, so that sums stay as small as the transform, for float16.
        after: (2, outputs).
    """

    length: int
    before: Floats
    kernel: Floats
    after: Floats


def goes_by_chirps(size: int) -> bool:
    """Whether a large prime in a length makes the matrices larger than `MOST_BYTES`."""
    if size <= WHOLE:
        return False
    factors = choose_factors(size)
    return 4 * (size * size if factors is None else _count_weights(factors)) > MOST_BYTES


@cache
def make_chirps(size: int, inputs: int, outputs: int) -> Chirps:
    """For a transform of `size` points of which some may be known to be 0, and some are not wanted (Bluestein 1970)."""
    rows, columns = _choose_chirp_factors(inputs + outputs - 1)
    length = rows * columns
    points = np.arange(max(inputs, outputs))
    chirp = np.exp(-1j * np.pi * (points * points % (2 * size)) / size)
    spread = np.zeros(length, np.complex128)
    spread[:outputs] = chirp[:outputs].conj()
    spread[length - inputs + 1 :] = chirp[inputs - 1 : 0 : -1].conj()
    parts = (chirp[:inputs], np.fft.fft(spread) / length, chirp[:outputs])
    return Chirps(length, *(np.stack([part.real, part.imag]).astype(np.float32) for part in parts))


@cache
def _choose_chirp_factors(least: int) -> tuple[int, int]:
    lengths = range(least, least + least // MOST_PADDING + 1)
    found = [factors for length in lengths if (factors := choose_factors(length)) is not None]
    return min(found, key=_cost)


@cache
def choose_factors(size: int) -> tuple[int, int] | None:
    """Rows and columns that need the fewest products and bytes of weights together, if they need less than a matrix.

    Of an even length the columns are even too, where that costs little: see `has_noisy_middle`.
    """
    small = [rows for rows in range(2, math.isqrt(size) + 1) if size % rows == 0]
    pairs = [pair for rows in small for pair in ((rows, size // rows), (size // rows, rows))]
    if size <= WHOLE or not pairs:
        return None
    best = min(pairs, key=_cost)
    even = min((pair for pair in pairs if pair[1] % 2 == 0), key=_cost, default=best)
    best = even if _cost(even) <= MOST_FOR_EVEN * _cost(best) else best
    return best if _cost(best) < 5 * size * size else None


def has_noisy_middle(size: int) -> bool:
    """Whether the imaginary part at half the sampling rate comes out as rounding noise and must be made 0.

    With even columns that bin is one of row 0, which meets no twiddle factors: it is exactly 0 by itself.
    """
    factors = choose_factors(size)
    return size % 2 == 0 and factors is not None and factors[1] % 2 == 1


def _cost(factors: tuple[int, int]) -> int:
    rows, columns = factors
    size = rows * columns
    return 4 * size * rows + 2 * size * columns + 4 * size + 4 * _count_weights(factors)


def _count_weights(factors: tuple[int, int]) -> int:
    rows, columns = factors
    return 4 * rows * rows + 4 * rows * columns + 2 * columns * columns


def _phases(points: npt.NDArray[np.int_], size: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Cosines and negative sines; at quarter turns exactly 0, and never -0."""
    # Whole turns are taken off before the multiplication, where they are exact.
    turned = points % size
    radians = 2 * np.pi * turned / size
    cosines = np.where((4 * turned) % (2 * size) == size, 0.0, np.cos(radians))
    return cosines, np.where((2 * turned) % size == 0, 0.0, -np.sin(radians))


@cache
def make_matrix(size: int, bins: int) -> Floats:
    """(n, 2 * bins): cosines, then negative sines."""
    cosines, sines = _phases(np.arange(size)[:, None] * np.arange(bins)[None], size)
    matrix: Floats = np.concatenate([cosines, sines], 1).astype(np.float32)
    return matrix


@cache
def make_folded_matrices(size: int, bins: int) -> tuple[Floats, Floats]:
    """Cosines (n // 2 + 1, bins) and negative sines ((n - 1) // 2, bins): for sums and for differences of opposites.

    Frames that are even about their middle, as the first one of reflected audio is, have imaginary parts near 0, whose
    sign makes their phase pi or -pi. From differences of the samples that stand opposite each other they are as exact
    as the samples; as sums of large terms that cancel out they would be rounding noise. torch's and TensorFlow's own
    transforms take differences too, of samples that the window has rounded.
    """
    cosines, sines = np.split(make_matrix(size, bins), 2, 1)
    return np.ascontiguousarray(cosines[: size // 2 + 1]), np.ascontiguousarray(sines[1 : (size + 1) // 2])


@cache
def make_first_stage(rows: int) -> tuple[Floats, Floats]:
    """Both (rows, 2 * rows): the transform of a column as real and imaginary parts, and that turned by a right angle.

    With the twiddle factors' cosines times the one and sines times the other, no complex product is needed.
    """
    cosines, sines = _phases(np.arange(rows)[:, None] * np.arange(rows)[None], rows)
    straight: Floats = np.concatenate([cosines, sines], 1).astype(np.float32)
    turned: Floats = np.concatenate([0.0 - sines, cosines], 1).astype(np.float32)
    return straight, turned


@cache
def make_twiddles(rows: int, columns: int) -> tuple[Floats, Floats]:
    """Cosines and sines, both (columns, 2 * rows): how far each column is turned before the second stage."""
    factors = _phases(np.arange(columns)[:, None] * np.arange(rows)[None], rows * columns)
    cosines, sines = (np.concatenate([part, part], 1).astype(np.float32) for part in factors)
    return cosines, sines


@cache
def make_second_stage(columns: int, wanted: int) -> Floats:
    """(2 * columns, 2 * wanted): a complex product with real and imaginary parts side by side."""
    cosines, sines = _phases(np.arange(columns)[:, None] * np.arange(wanted)[None], columns)
    matrix: Floats = np.block([[cosines, sines], [0.0 - sines, cosines]]).astype(np.float32)
    return matrix


@cache
def mirror_weights(size: int, scale: float) -> Floats:
    """(bins,): every bin counts twice, for its mirror image, but those that have none."""
    weights = np.full(size // 2 + 1, 2 * scale, np.float32)
    weights[0] = scale
    if size % 2 == 0:
        weights[-1] = scale
    return weights
