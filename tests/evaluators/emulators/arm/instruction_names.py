"""Classes of AArch64 instructions by what an assembler calls them: written from Arm's names, not from the encodings."""

from __future__ import annotations

import re

from evaluators.emulators.arm.counts import CLASSES

_SCALABLE = re.compile(r"\b(?:z|p|pn)\d+\b|\bz[at]\d*h?v?\b")
_SCALABLE_NAMES = re.compile(
    r"(?:[us]q)?(?:inc|dec)[bhwdp]|cnt[bhwd]|rdvl|rdsvl|add(?:s?)(?:vl|pl)|cterm(?:eq|ne)|setffr|wrffr|sqdec.|sqinc.|zero"
)
_STREAMING = ("smstart", "smstop")
_VECTOR = re.compile(r"\bv\d+\.(?P<lanes>\d+[bhsdq])\b(?!\[)")
_VECTOR_REGISTER = re.compile(r"\b[vbhsdq]\d+\b")
_BRANCH = re.compile(r"b(?:c?\.\w\w|l|r|lr)?|(?:br|blr)a[ab]z?|ret(?:a[ab])?|eret(?:a[ab])?|drps|cbn?z|tbn?z", re.ASCII)
_READS_AND_WRITES = re.compile(r"(?:ld|st)(?:add|clr|eor|set|[us]max|[us]min)[alhb]*|(?:cas|swp)p?[alhb]*")
_FILLS = re.compile(r"cpyf?[pme]\w*|setg?[pme]\w*")
_LOADS = re.compile(r"ld\w+|r?prfu?m")
_STORES = re.compile(r"st\w+")
_MULTIPLIES = re.compile(r"mul|mla|mls|[us]ml[as]l2?|[us]mull2?|sqdml[as]l2?|sqdmull2?|sqr?dmulh|sqrdml[as]h", re.ASCII)
_OF_16_BITS = re.compile(r"fml[as]l2?|bfmlal[bt]")
_FLOATS = re.compile(r"f(?!jcvt)\w+|fjcvtzs|[us]cvtf|bfcvt")
_ACROSS = re.compile(r"f(?:max|min)(?:nm)?[vp]|faddp")


def name_class(name: str, operands: str) -> str:
    """The class of an instruction as a disassembler writes it."""
    found = _name_memory(name, operands) or _name_arithmetic(name, operands)
    assert found in CLASSES
    return found


def _name_memory(name: str, operands: str) -> str | None:
    if name in _STREAMING or name == "udf":
        return "scalar"
    if _SCALABLE.search(operands) or _SCALABLE_NAMES.fullmatch(name):
        return "vector_other"
    if _BRANCH.fullmatch(name):
        return "branch"
    first = operands.split(",", maxsplit=1)[0].strip("{ ")
    vector = "vector_" if _VECTOR_REGISTER.match(first) else ""
    if _READS_AND_WRITES.fullmatch(name) or _FILLS.fullmatch(name):
        return "store"
    if _LOADS.fullmatch(name):
        return f"{vector}load"
    if _STORES.fullmatch(name):
        return f"{vector}store"
    return None


def _name_arithmetic(name: str, operands: str) -> str:
    if not _VECTOR_REGISTER.search(operands):
        return "scalar"
    lanes = _VECTOR.match(operands)
    if lanes is None:
        single = _FLOATS.fullmatch(name) and not _ACROSS.fullmatch(name)
        return "float_scalar" if single else "vector_other"
    if name in ("fmla", "fmls"):
        return {"s": "fma_float32", "h": "fma_float16", "d": "vector_other"}[lanes["lanes"][-1]]
    if _OF_16_BITS.fullmatch(name):
        return "fma_float16"
    if name in ("sdot", "udot", "usdot", "sudot", "bfdot"):
        return "dot_product"
    if name in ("smmla", "ummla", "usmmla", "bfmmla"):
        return "matrix"
    return "integer_mac" if _MULTIPLIES.fullmatch(name) else "vector_other"
