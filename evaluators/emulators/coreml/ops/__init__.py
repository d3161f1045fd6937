"""What each MIL operation computes: one file a family, one small function an op.

The families carry the names coremltools gives them under `converters/mil/mil/ops/defs`, where each op's contract is
written down; a function's docstring names the oldest opset it holds for. Importing this package does not import torch;
`find_op` does, with the families.
"""

from __future__ import annotations

from evaluators.emulators.coreml.ops.registry import OpDefinition, find_op, known_ops, op

__all__ = ["OpDefinition", "find_op", "known_ops", "op"]
