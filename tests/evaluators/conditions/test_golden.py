"""What each condition makes of one clip, to the bit: between runs, and between processors of one kind.

The digests are of x86-64 and of some versions of the libraries that a condition names; where one is another, the digest
is skipped by name. They were found with AVX-512, and are the same without any of numpy's optional instructions. Of Opus
there are two: libopus takes what rcpps and rsqrtps approximate, in which Intel's processors and AMD's differ.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from evaluators.windows import Samples
from tests.evaluators.conditions.test_conditions import KINDS, list_playable, open_kind, treat
from tests.specimens import ROOT

VERSIONS = {
    "scipy": "1.17.1",
    "soundfile": "0.14.0",
    "soxr": "1.1.0",
    "G722": "1.2.8",
    "av": "18.1.0",
    "numpy": "2.3.5",
}
CASES = [
    ("amr", {}), ("amr", {"kbit_s": 4.75}), ("background", {}), ("band_limit", {}), ("clipping", {}),
    ("clock_skew", {}), ("dc_offset", {}), ("g711", {}), ("g711", {"law": "a"}), ("g722", {}), ("gain", {}),
    ("gsm", {}), ("microphone", {}), ("mp3", {}), ("noise", {}), ("noise", {"colour": "white"}),
    ("noise", {"colour": "babble"}), ("opus", {}), ("packet_loss", {}),
    ("resampling", {}), ("resampling", {"method": "linear"}), ("room", {}), ("vorbis", {}),
]  # fmt: skip
GOLDEN: dict[str, str] = {
    "amr": "90324b0c7e489ddc0298b9f0f4a749a2",  # also with av 15.1.0 and 16.1.0
    "amr 4.75": "071e678220e65384e3dd0d66a56d7c62",
    "background": "18fb01d38d99a95090719316e109d5c2",
    "band_limit": "138a507a1f6377237740957bc76ce795",
    "clipping": "21cd36af3f7412d2eae2ff8c41fd5f22",
    "clock_skew": "789f80c089f4e1ab4234d278ff731d39",
    "dc_offset": "c4a0ff33bbe748d121d26616f82b4b15",
    "g711": "4dfcf7eb6827f2bd261b5e02e0f18ec8",
    "g711 a": "cf22ba2c0df2ab5de482e7fc66fbb33b",
    "g722": "5317a7f587a5aa89aef5ec079184a62c",
    "gain": "9ca5fcf1e1a1c5f8057b08f91cd10f47",
    "gsm": "86fe6bc19c72289b5b36d7b3e4750479",
    "microphone": "f76d760e7c65867eb8cf90a0246b88d4",
    "mp3": "b06b125ec66c2dad41f16e21ff6713cc",
    "noise": "211f6b8647dbf6b9994824313c409f18",
    "noise white": "54ffcf561c428fea23eef1702e79e73e",
    "noise babble": "6777cd434e37c4e1e32e44fdd83ef051",
    "opus": "15a9706ecc364603ea70cf22553bbf6e",
    "packet_loss": "8f75692784025ad8080562b70dd2c55d",
    "resampling": "2ffcd7d3ebd986ed15fccbf0878d41d8",
    "resampling linear": "074e4a2614722b1d9b3ed776923d848d",
    "room": "2f10a92b44b7c11dbb3e44a4031a466c",
    "vorbis": "a905f960532d787f10883c2a5fc24cbd",
}
GOLDEN_ON_AMD = {"opus": "fa1d569d2d01752f384ff489693da4d7"}
"""where it is another than Intel's, which is the one above"""


def name_case(kind: str, parameters: dict[str, object]) -> str:
    return " ".join([kind, *(str(value) for value in parameters.values())])


def make_clip(seed: int = 11) -> Samples:
    """Whole numbers of 16 bits, in steps of loudness: no arithmetic of a machine's own is in it."""
    random = np.random.default_rng(seed)
    drawn = random.integers(-256, 256, (2, 12_000)) * (1 + np.arange(12_000) // 1500 % 4 * 8)
    return (np.cumsum(drawn, axis=1) % 16_384 - 8192).astype(np.float32) / np.float32(32_768)


def digest(kind: str, parameters: dict[str, object]) -> str:
    return hashlib.sha256(treat(open_kind(kind, **parameters), make_clip()).tobytes()).hexdigest()[:32]


def test_every_kind_has_one() -> None:
    assert {kind for kind, _ in CASES} == set(KINDS)
    assert list(GOLDEN) == [name_case(kind, parameters) for kind, parameters in CASES]


@pytest.mark.parametrize(("kind", "parameters"), CASES, ids=[name_case(*case) for case in CASES])
def test_the_bits_are_the_golden_ones(kind: str, parameters: dict[str, object]) -> None:
    condition = open_kind(kind, **parameters)
    if platform.machine() not in {"x86_64", "AMD64"}:
        pytest.skip(f"the digests are of x86-64, this is {platform.machine()}")
    for library in dict.fromkeys(("numpy", "scipy", *condition.libraries)):
        if (version := importlib.metadata.version(library)) != VERSIONS[library]:
            pytest.skip(f"the digest is of {library} {VERSIONS[library]}, installed is {version}")
    name = name_case(kind, parameters)
    assert digest(kind, parameters) in {GOLDEN[name], GOLDEN_ON_AMD.get(name)}


@pytest.mark.slow
def test_a_processor_without_the_newer_instructions_makes_the_same_bits() -> None:
    """numpy's optional instructions are turned off, BLAS and libraries that choose by processor told of an old one."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    found = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
    if not found:
        pytest.skip("this processor has none of numpy's optional instructions")
    environment = {
        **os.environ,
        "NPY_DISABLE_CPU_FEATURES": " ".join(found),
        "OPENBLAS_CORETYPE": "Nehalem",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    }
    playable = [case for case in CASES if case[0] in list_playable()]
    script = "from tests.evaluators.conditions.test_golden import digest, name_case\n" + "".join(
        f"print(digest({kind!r}, {parameters!r}))\n" for kind, parameters in playable
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [digest(*case) for case in playable]
