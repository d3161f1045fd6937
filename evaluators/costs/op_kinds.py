"""Kinds of ops by what bounds their cost, whichever format names them.

TFLite's words are those of its schema's `BuiltinOperator`, Core ML's the op types of MIL (coremltools 9.0,
`converters/mil/mil/ops/defs`). Views, which move nothing, have a kind like any other op of theirs: who sums leaves out
ops with no `moved_bytes`.
"""

from __future__ import annotations

from typing import Literal, get_args

from evaluators.costs.graph import Graph, Op

OpKind = Literal[
    "conv", "depthwise", "dense", "matmul", "recurrent", "spectrum", "elementwise", "pool", "move", "other"
]

OP_KINDS: tuple[str, ...] = get_args(OpKind)
"""all kinds; `move` copies values as they are, `pool` reduces many to one, `other` is what is not known"""

_WORDS: dict[OpKind, str] = {
    "conv": """
        conv_2d conv_3d transpose_conv conv_3d_transpose convolution2dtransposebias stablehlo_convolution
        conv conv_quantized conv_transpose
    """,
    "depthwise": "depthwise_conv_2d",
    "dense": "fully_connected linear linear_activation",
    "matmul": "batch_matmul stablehlo_dot_general matmul einsum scaled_dot_product_attention",
    "recurrent": """
        svdf rnn lstm unidirectional_sequence_rnn unidirectional_sequence_lstm bidirectional_sequence_rnn
        bidirectional_sequence_lstm gru
    """,
    "spectrum": "rfft2d audiospectrogram mfcc flexrfft flexirfft flexfft flexifft flexrfft2d flexirfft2d",
    "elementwise": """
        add sub mul div floor_div floor_mod maximum minimum pow squared_difference add_n atan2 relu relu_n1_to_1
        relu_0_to_1 relu6 leaky_relu prelu elu gelu hard_swish logistic tanh softmax log_softmax exp log sqrt rsqrt
        square sin cos abs neg floor ceil round sign less less_equal greater greater_equal equal not_equal logical_and
        logical_or logical_not bitwise_xor right_shift select select_v2 cast quantize dequantize fake_quant
        l2_normalization local_response_normalization complex_abs real imag cumsum resize_bilinear bucketize
        stablehlo_logistic stablehlo_add stablehlo_divide stablehlo_multiply stablehlo_maximum stablehlo_minimum
        stablehlo_clamp stablehlo_abs stablehlo_and stablehlo_or stablehlo_cosine stablehlo_exponential stablehlo_floor
        stablehlo_log stablehlo_negate stablehlo_power stablehlo_remainder stablehlo_rsqrt stablehlo_select
        stablehlo_subtract stablehlo_tanh stablehlo_compare stablehlo_convert stablehlo_cbrt stablehlo_shift_left
        real_div mod sigmoid sigmoid_hard silu softplus softplus_parametric softsign scaled_tanh clamped_relu
        thresholded_relu threshold clip erf exp2 inverse acos asin atan atanh cosh sinh tan logical_xor batch_norm
        instance_norm layer_norm l2_norm local_response_norm upsample_bilinear resample affine crop_resize resize
        identity
    """,
    "pool": """
        average_pool_2d max_pool_2d l2_pool_2d mean sum reduce_max reduce_min reduce_prod reduce_any reduce_all arg_max
        arg_min stablehlo_reduce stablehlo_reduce_window reduce_window segment_sum unsorted_segment_sum
        unsorted_segment_max unsorted_segment_min unsorted_segment_prod
        avg_pool max_pool l2_pool reduce_mean reduce_sum reduce_l1_norm reduce_l2_norm reduce_log_sum
        reduce_log_sum_exp reduce_sum_square reduce_argmax reduce_argmin
    """,
    "move": """
        reshape squeeze expand_dims bitcast transpose pad padv2 mirror_pad concatenation pack unpack split split_v slice
        strided_slice gather gather_nd embedding_lookup tile broadcast_to reverse_v2 reverse_sequence space_to_depth
        depth_to_space batch_to_space_nd space_to_batch_nd dynamic_update_slice scatter_nd sparse_to_dense dilate
        resize_nearest_neighbor fill zeros_like range one_hot matrix_diag matrix_set_diag read_variable assign_variable
        stablehlo_reshape stablehlo_concatenate stablehlo_broadcast_in_dim stablehlo_slice stablehlo_pad
        stablehlo_dynamic_slice stablehlo_dynamic_update_slice stablehlo_transpose stablehlo_gather stablehlo_scatter
        stablehlo_iota
        concat stack flatten2d reshape_like slice_by_index slice_by_size slice_update sliding_windows crop reverse
        batch_to_space space_to_batch pixel_shuffle pixel_unshuffle gather_along_axis scatter scatter_along_axis
        fill_like range_1d band_part upsample_nearest_neighbor read_state write_state coreml_update_state list_read
        list_write list_gather list_scatter
    """,
}

_BOOKKEEPING = frozenset({
    "while", "if", "call", "call_once", "var_handle", "hashtable", "delegate", "stablehlo_while", "stablehlo_case",
    "stablehlo_composite", "shape", "rank", "broadcast_args", "densify", "while_loop", "cond", "const", "make_list",
    "list_length", "classify",
})  # fmt: skip
"""ops that compute nothing themselves: what they hold is counted apart"""

_KINDS: dict[str, OpKind] = {word: kind for kind, words in _WORDS.items() for word in words.split()}


def kind_of(op: Op) -> OpKind:
    """What bounds an op's cost; `other` for words that are not known, control flow and bookkeeping.

    A convolution of one input channel at a time is `depthwise` also where its format calls it a convolution.

    Args:
        op: Its `kind` is the format's own word, in any case; custom TFLite ops are known by their own name.
    """
    kind = _KINDS.get(op.kind.lower().removeprefix("custom "), "other")
    return "depthwise" if kind == "conv" and op.is_depthwise else kind


def tell_uncounted(graph: Graph) -> str:
    """A sentence on kinds of which only the bytes they move are counted; empty where there are none.

    Ops whose cost does not follow from the file at all, custom ones for example, are told by `Graph.unpriced`.
    """
    found = (op.kind for op in graph.ops if kind_of(op) == "other" and op.moved_bytes and not op.unpriced)
    kinds = ", ".join(dict.fromkeys(kind for kind in found if kind.lower() not in _BOOKKEEPING))
    return f"counted by the bytes they move alone, since what they compute is not known here: {kinds}" if kinds else ""
