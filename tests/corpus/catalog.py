"""Every model of the corpus, and how a recipe in this folder names it. No framework is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

AUDIO, FEATURES = "audio", "features"


@dataclass(frozen=True)
class Entry:
    """One model.

    Attributes:
        name: Of the model, unique.
        factory: "module:function"; a recipe in this folder says `source = "python:module:function"`.
        inputs_are: Whether it takes samples or features beside its state.
        framework: What the factory makes: a module and its example inputs, or a Keras model.
        sample_rate_hz: What its audio would be sampled at.
        outputs: Names for a tuple's outputs, in order; empty where the model names them, or has one.
        state: State input → the output that it is fed from in the next call.
        notes: What is awkward about it.
    """

    name: str
    factory: str
    inputs_are: Literal["audio", "features"] = "audio"
    framework: Literal["torch", "tensorflow"] = "torch"
    sample_rate_hz: int = 16000
    outputs: tuple[str, ...] = ()
    state: dict[str, str] = field(default_factory=dict)
    notes: str = ""

    @property
    def source(self) -> str:
        """As a recipe says it."""
        return f"python:{self.factory}"


_KEYWORDS = (
    Entry(
        "ds_cnn", "keyword_spotting:ds_cnn", FEATURES, notes='padding computed from the shape as TensorFlow\'s "same"'
    ),
    Entry("crnn_gru", "keyword_spotting:crnn_gru", FEATURES, notes="two-layer bidirectional GRU, final states used"),
    Entry("bc_resnet", "keyword_spotting:bc_resnet", FEATURES, notes="sub-spectral norm by view, dilated in time only"),
    Entry("tc_resnet", "keyword_spotting:tc_resnet", FEATURES, notes="one-dimensional residual blocks, softmax"),
    Entry(
        "attention_pooling",
        "keyword_spotting:attention_pooling",
        FEATURES,
        outputs=("keywords", "attention"),
        notes="BiLSTM, MultiheadAttention's weights are an output",
    ),
    Entry(
        "squeeze_excite", "keyword_spotting:squeeze_excite", notes="front end by unfold and matrix product; hard gates"
    ),
    Entry(
        "streaming_wake_word",
        "keyword_spotting:streaming_wake_word",
        FEATURES,
        state={"hidden": "hidden_out", "peak": "peak_out"},
        notes="two-layer GRU with explicit state, outputs by name",
    ),
)
_VOICE = (
    Entry(
        "lstm_vad",
        "voice_activity:lstm_vad",
        state={"context": "context_out", "h": "h_out", "c": "c_out"},
        notes="LSTM with explicit h and c, context of the last samples, reflect padding on one side",
    ),
    Entry(
        "lstm_cell_vad",
        "voice_activity:lstm_cell_vad",
        FEATURES,
        outputs=("speech", "state_out"),
        state={"state": "state_out"},
        notes="two LSTM cells, all state in one tensor",
    ),
    Entry("crnn_vad", "voice_activity:crnn_vad", notes="log-mel inside by torch.stft, top_db, LPPool, linear resize"),
    Entry(
        "marblenet",
        "voice_activity:marblenet",
        FEATURES,
        outputs=("clip_logits", "frame_log_probabilities"),
        notes="unbiased variance per feature, even dilated kernels",
    ),
)
_ENHANCEMENT = (
    Entry("stft_masking", "enhancement:stft_masking", notes="stft, GRU mask, istft with length"),
    Entry("phase_net", "enhancement:phase_net", notes="abs, angle, polar, power compression, normalised stft"),
    Entry(
        "rnnoise",
        "enhancement:rnnoise",
        FEATURES,
        outputs=("gains", "speech", "vad_state_out", "noise_state_out", "denoise_state_out"),
        state={
            "vad_state": "vad_state_out",
            "noise_state": "noise_state_out",
            "denoise_state": "denoise_state_out",
        },
        notes="three GRUs with explicit states",
    ),
    Entry(
        "dccrn", "enhancement:dccrn", notes="complex tensors throughout, transposed 2-D with output padding, exp(1j x)"
    ),
    Entry("conv_tasnet", "enhancement:conv_tasnet", notes="GroupNorm(1), padding from the shape, transposed decoder"),
    Entry("causal_conv_tasnet", "enhancement:causal_conv_tasnet", notes="cumulative norm by cumsum, odd length"),
    Entry("demucs", "enhancement:demucs", notes="GLU, two-layer LSTM, skips cut to fit, deviation of the input"),
    Entry("dprnn", "recurrent_enhancement:dprnn", notes="four BiLSTMs over chunks, unfold and fold"),
    Entry(
        "fullsubnet",
        "recurrent_enhancement:fullsubnet",
        notes="LSTM with the bins as batch, running mean, complex mask",
    ),
    Entry(
        "streaming_denoiser",
        "recurrent_enhancement:streaming_denoiser",
        state={
            "history": "history_out",
            "caches": "caches_out",
            "hidden": "hidden_out",
            "overlap": "overlap_out",
        },
        notes="weight norm, cached context of causal convolutions, overlap-add across calls",
    ),
)

CATALOG: tuple[Entry, ...] = (*_KEYWORDS, *_VOICE, *_ENHANCEMENT)
