"""The command's root error."""

from __future__ import annotations

from device_profiles.errors import TestpressError


class RecipeError(TestpressError):
    """A recipe is missing, malformed or asks for something that does not exist."""
