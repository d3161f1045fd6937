"""Ops that coremltools 9.0 knows by another of torch's names for them: the same arguments, the same result."""

from __future__ import annotations

NAME = "synonyms"

SYNONYMS = {
    "unsafe_chunk": "chunk",
    "unsafe_split": "split",
    "unsafe_split_with_sizes": "split_with_sizes",
    "_unsafe_view": "view",
    "_reshape_alias": "view",
    "concat": "cat",
    "concatenate": "cat",
    "absolute": "abs",
    "arctan": "atan",
    "arcsin": "asin",
    "arccos": "acos",
    "arctanh": "atanh",
    "negative": "neg",
    "multiply": "mul",
    "subtract": "sub",
    "divide": "div",
    "true_divide": "div",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "moveaxis": "movedim",
    "clip": "clamp",
    "special_expit": "sigmoid",
    "special_erf": "erf",
    "special_log1p": "log1p",
    "special_softmax": "softmax",
    "special_logsumexp": "logsumexp",
}
"""what is missing → what is there"""


def register() -> None:
    """Tell coremltools' torch frontend; names it knows by itself are left alone."""
    from coremltools.converters.mil.frontend.torch.torch_op_registry import _TORCH_OPS_REGISTRY as REGISTRY

    for name, known in SYNONYMS.items():
        function = REGISTRY.get_func(known)
        if function is not None and name not in REGISTRY.name_to_func_mapping:
            REGISTRY.set_func_by_name(function, name)
