"""The reports' root error."""

from __future__ import annotations

from device_profiles.errors import TestpressError


class ReportError(TestpressError):
    """An evaluation cannot be compared or rendered."""
