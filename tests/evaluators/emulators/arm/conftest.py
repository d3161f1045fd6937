"""The plugin's parts without QEMU: its classes and its caches as functions of a shared library."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from evaluators.emulators.arm.counts import compile_plugin, find_compiler


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if find_compiler() is None:
        pytest.skip("no C compiler")
    library: Path = tmp_path_factory.mktemp("plugin") / "parts.so"
    compile_plugin(
        None, library, options=("-DTESTPRESS_PARTS_ONLY", "-fvisibility=default", "-Wall", "-Wextra", "-Werror")
    )
    return ctypes.CDLL(str(library))
