"""The packager's root error."""

from __future__ import annotations

from device_profiles.errors import TestpressError


class PackagingError(TestpressError):
    """A model cannot be loaded, converted or stored."""


class DiskError(PackagingError):
    """The device does not take what is to be written: it is full, broken or read-only."""
