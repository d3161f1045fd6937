from __future__ import annotations

import ctypes

import numpy as np
import pytest

from evaluators.emulators.arm.counts import CLASSES
from tests.evaluators.emulators.arm.instruction_names import name_class

capstone = pytest.importorskip("capstone", reason="a disassembler of another origin")

IMPORTANT = {
    0x8B020020: ("add x0, x1, x2", "scalar"),
    0xD2800020: ("mov x0, #1", "scalar"),
    0x9B020C20: ("madd x0, x1, x2, x3", "scalar"),
    0xD503201F: ("nop", "scalar"),
    0xD4000001: ("svc #0", "scalar"),
    0xD5033BBF: ("dmb ish", "scalar"),
    0xD53BD040: ("mrs x0, tpidr_el0", "scalar"),
    0x54000001: ("b.ne #0", "branch"),
    0x94000000: ("bl #0", "branch"),
    0xD65F03C0: ("ret", "branch"),
    0xB4000000: ("cbz x0, #0", "branch"),
    0x36000000: ("tbz w0, #0, #0", "branch"),
    0xF9400020: ("ldr x0, [x1]", "load"),
    0xA9400420: ("ldp x0, x1, [x1]", "load"),
    0x38401420: ("ldrb w0, [x1], #1", "load"),
    0x58000000: ("ldr x0, #0", "load"),
    0xC85F7C20: ("ldxr x0, [x1]", "load"),
    0xF9800020: ("prfm pldl1keep, [x1]", "load"),
    0xF9000020: ("str x0, [x1]", "store"),
    0xA9000420: ("stp x0, x1, [x1]", "store"),
    0xC8007C41: ("stxr w0, x1, [x2]", "store"),
    0xF8200041: ("ldadd x0, x1, [x2]", "store"),
    0xC8A07C41: ("cas x0, x1, [x2]", "store"),
    0x3DC00020: ("ldr q0, [x1]", "vector_load"),
    0xAD400420: ("ldp q0, q1, [x1]", "vector_load"),
    0xBC404420: ("ldr s0, [x1], #4", "vector_load"),
    0x4CDF7820: ("ld1 {v0.4s}, [x1], #16", "vector_load"),
    0x4D40C820: ("ld1r {v0.4s}, [x1]", "vector_load"),
    0x3D800020: ("str q0, [x1]", "vector_store"),
    0xAC810420: ("stp q0, q1, [x1], #0x20", "vector_store"),
    0x4C9F7820: ("st1 {v0.4s}, [x1], #16", "vector_store"),
    0x4E22CC20: ("fmla v0.4s, v1.4s, v2.4s", "fma_float32"),
    0x0EA2CC20: ("fmls v0.2s, v1.2s, v2.2s", "fma_float32"),
    0x4F821020: ("fmla v0.4s, v1.4s, v2.s[0]", "fma_float32"),
    0x4E62CC20: ("fmla v0.2d, v1.2d, v2.2d", "vector_other"),
    0x4E420C20: ("fmla v0.8h, v1.8h, v2.8h", "fma_float16"),
    0x4F021020: ("fmla v0.8h, v1.8h, v2.h[0]", "fma_float16"),
    0x4E22EC20: ("fmlal v0.4s, v1.4h, v2.4h", "fma_float16"),
    0x6E22DC20: ("fmul v0.4s, v1.4s, v2.4s", "vector_other"),
    0x4E22D420: ("fadd v0.4s, v1.4s, v2.4s", "vector_other"),
    0x4E21D820: ("scvtf v0.4s, v1.4s", "vector_other"),
    0x1F020C20: ("fmadd s0, s1, s2, s3", "float_scalar"),
    0x1E220820: ("fmul s0, s1, s2", "float_scalar"),
    0x1E202020: ("fcmp s1, s0", "float_scalar"),
    0x1E270020: ("fmov s0, w1", "float_scalar"),
    0x5E21D820: ("scvtf s0, s1", "float_scalar"),
    0x7E30D820: ("faddp s0, v1.2s", "vector_other"),
    0x4E829420: ("sdot v0.4s, v1.16b, v2.16b", "dot_product"),
    0x6E829420: ("udot v0.4s, v1.16b, v2.16b", "dot_product"),
    0x4F82E020: ("sdot v0.4s, v1.16b, v2.4b[0]", "dot_product"),
    0x4E829C20: ("usdot v0.4s, v1.16b, v2.16b", "dot_product"),
    0x4F02F020: ("sudot v0.4s, v1.16b, v2.4b[0]", "dot_product"),
    0x6E42FC20: ("bfdot v0.4s, v1.8h, v2.8h", "dot_product"),
    0x4E82A420: ("smmla v0.4s, v1.16b, v2.16b", "matrix"),
    0x6E82A420: ("ummla v0.4s, v1.16b, v2.16b", "matrix"),
    0x4E82AC20: ("usmmla v0.4s, v1.16b, v2.16b", "matrix"),
    0x6E42EC20: ("bfmmla v0.4s, v1.8h, v2.8h", "matrix"),
    0x0E628020: ("smlal v0.4s, v1.4h, v2.4h", "integer_mac"),
    0x4F422020: ("smlal2 v0.4s, v1.8h, v2.h[0]", "integer_mac"),
    0x0E22C020: ("smull v0.8h, v1.8b, v2.8b", "integer_mac"),
    0x4EA29420: ("mla v0.4s, v1.4s, v2.4s", "integer_mac"),
    0x4EA29C20: ("mul v0.4s, v1.4s, v2.4s", "integer_mac"),
    0x6EA2B420: ("sqrdmulh v0.4s, v1.4s, v2.4s", "integer_mac"),
    0x4EA28420: ("add v0.4s, v1.4s, v2.4s", "vector_other"),
    0x4E823820: ("zip1 v0.4s, v1.4s, v2.4s", "vector_other"),
    0x6F00E400: ("movi v0.2d, #0000000000000000", "vector_other"),
    0x0E043C20: ("mov w0, v1.s[0]", "vector_other"),
    0x4E284820: ("aese v0.16b, v1.16b", "vector_other"),
}


@pytest.fixture(scope="module")
def decoder() -> capstone.Cs:
    made = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    made.skipdata = True  # goes on after what is no instruction
    return made


@pytest.mark.parametrize("word", IMPORTANT)
def test_important_instructions(parts: ctypes.CDLL, decoder: capstone.Cs, word: int) -> None:
    text, right = IMPORTANT[word]
    ((_, _, name, operands),) = decoder.disasm_lite(word.to_bytes(4, "little"), 0)
    assert f"{name} {operands}".strip().replace("{ ", "{").replace(" }", "}") == text
    assert CLASSES[parts.testpress_classify(word)] == right == name_class(name, operands)


def test_any_word_is_of_the_class_that_a_disassembler_names(parts: ctypes.CDLL, decoder: capstone.Cs) -> None:
    words = np.random.default_rng(16).integers(0, 2**32, 200_000, dtype=np.uint32).astype("<u4")
    wrong: dict[tuple[str, str, str], str] = {}
    names: dict[str, set[str]] = {}
    for place, _, name, operands in decoder.disasm_lite(words.tobytes(), 0):
        if name == ".byte":
            continue
        word = int(words[place // 4])
        found, right = CLASSES[parts.testpress_classify(word)], name_class(name, operands)
        names.setdefault(right, set()).add(name)
        if found != right:
            wrong.setdefault((name, found, right), f"{word:08x} {name} {operands}: {found}, not {right}")
    assert not wrong, "\n".join(wrong.values())
    assert set(names) == set(CLASSES), "all were met"
    assert sum(map(len, names.values())) > 900
