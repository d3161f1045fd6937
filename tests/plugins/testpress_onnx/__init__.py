"""ONNX as a third format, as somebody else would add it: this folder, and entry points that name what is in it."""
