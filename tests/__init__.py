"""Tests mirror the packages; helpers beside them are imported from here, as `tests.…`."""
