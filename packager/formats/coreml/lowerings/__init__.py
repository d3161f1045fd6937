"""Lowerings for the torch frontend of coremltools."""
