"""The root of every error a user can mend.

    TestpressError
    ├── ProfileError      device_profiles
    ├── PackagingError    packager
    ├── EvaluationError   evaluators
    ├── ReportError       reports
    └── RecipeError       testpress

The command catches `TestpressError` in one place, prints its message and exits 1. A message says what was wrong, where,
and what would be right.
"""

from __future__ import annotations


class TestpressError(Exception):
    """A fault the user can mend. Its text is shown as it stands, without a traceback."""

    __test__ = False  # pytest would take the name for a test class


class ProfileError(TestpressError):
    """A device profile is missing, malformed or unknown."""
