"""Algorithms that make events of a model's outputs."""
