"""Sees what happens to files, also when it happens below Python: Linux's inotify, by its C functions."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_OPEN, _CREATE, _ACCESS = 0x20, 0x100, 0x1
_EVENT = struct.Struct("iIII")


@contextlib.contextmanager
def watch(path: Path) -> Iterator[list[str]]:
    """What was opened or read of a file, or made in a folder, while the block ran; filled when it ends."""
    library = ctypes.CDLL(None, use_errno=True)
    handle = library.inotify_init1(os.O_NONBLOCK)
    assert handle >= 0, os.strerror(ctypes.get_errno())
    seen: list[str] = []
    try:
        mask = _CREATE if path.is_dir() else _OPEN | _ACCESS
        assert library.inotify_add_watch(handle, str(path).encode(), mask) >= 0, os.strerror(ctypes.get_errno())
        yield seen
        with contextlib.suppress(BlockingIOError):
            data = os.read(handle, 65536)
            while data:
                _, kind, _, length = _EVENT.unpack_from(data)
                name = data[_EVENT.size : _EVENT.size + length].rstrip(b"\0").decode()
                seen.append(f"{kind:#x} {name}".strip())
                data = data[_EVENT.size + length :]
    finally:
        os.close(handle)
