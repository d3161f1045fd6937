"""Memory that ops free is kept for the next ones.

glibc gives the top of its heap back to the system as soon as 128 kB of it are free, and fetches large blocks from the
system one by one; the system clears each page before it hands it out again. A run frees and takes megabytes at every
op: without this, clearing pages is a quarter of the time of small models (about 1000 page faults a call).
"""

from __future__ import annotations

import ctypes
import functools
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`. Source: glibc's malloc.h"""
_KEPT_BYTES = 256 << 20
_LARGEST_KEPT_BYTES = 32 << 20
"""glibc takes no larger threshold. Source: mallopt(3)"""


@functools.cache
def keep_freed_memory() -> bool:
    """Let the process keep up to 256 MiB that it has freed, in blocks of up to 32 MiB.

    Holds for the whole process, on glibc only. Left alone where the environment sets malloc's thresholds itself.

    Returns:
        Whether it was done.
    """
    if any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no glibc: each system has its own way to fail
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES))
