"""Labelled audio: read, checked, cut into windows, and heard by the source, once for all that is evaluated."""
