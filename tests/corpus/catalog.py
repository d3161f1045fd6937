"""Every model of the corpus, and how a recipe in this folder names it. No framework is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

AUDIO: Final = "audio"
FEATURES: Final = "features"


@dataclass(frozen=True)
class Entry:
    """One model.

    Attributes:
        name: Of the model, unique.
        factory: "module:function"; a recipe in this folder says `source = "python:module:function"`.
        inputs_are: Whether it takes samples or features beside its state.
        framework: What the factory makes: a module and its example inputs, or a Keras model.
        sample_rate_hz: What its audio would be sampled at.
        outputs: Names for what is returned, in order; empty where the model names its outputs, or has one.
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

_PITCH_AND_SEPARATION = (
    Entry(
        "crepe_tiny",
        "pitch:crepe_tiny",
        outputs=("salience", "pitch_hz"),
        notes="unfold into a batch of frames, deviation per frame, TensorFlow's padding by hand, weighted mean",
    ),
    Entry("fcpe", "pitch:fcpe", FEATURES, notes="rotary attention, gather about the largest bin, where"),
    Entry(
        "open_unmix", "separation:open_unmix", FEATURES, notes="three-layer BiLSTM, time first, batch norm by reshape"
    ),
    Entry(
        "open_unmix_on_samples", "separation:open_unmix_on_samples", notes="stereo stft, two targets, soft masks, istft"
    ),
    Entry(
        "unet", "separation:unet", FEATURES, notes="transposed 2-D with output padding, uneven padding, cropped skips"
    ),
    Entry(
        "band_split",
        "separation:band_split",
        notes="bands of unequal width, GRU in time and BiLSTM across bands, istft",
    ),
)
_GENERATION = (
    Entry(
        "wavenet", "generation:wavenet", outputs=("logits",), notes="mu-law to an embedding, nearest upsampling of mels"
    ),
    Entry("hifi_gan", "generation:hifi_gan", FEATURES, notes="weight-normed 1-D transposed with output padding"),
    Entry(
        "vq_codec",
        "generation:vq_codec",
        outputs=("samples", "codes"),
        notes="cdist, argmin, embedding; integer output",
    ),
    Entry(
        "codec_decoder",
        "generation:codec_decoder",
        FEATURES,
        notes="integer input, old weight norm, Snake, replicate pad",
    ),
)
_SPEECH = (
    Entry("conformer", "speech:conformer", FEATURES, notes="relative positions shifted by a reshape, GLU, einsum"),
    Entry("transformer_tagger", "speech:transformer_tagger", notes="nn.TransformerEncoder's fast path; stft inside"),
    Entry(
        "masked_attention", "speech:masked_attention", FEATURES, notes="MultiheadAttention, time first, mask of -inf"
    ),
    Entry("deep_speech_2", "speech:deep_speech_2", FEATURES, notes="BiLSTMs whose directions are added by view"),
    Entry("quartznet", "speech:quartznet", FEATURES, notes="long separable kernels, dilated tail"),
    Entry("x_vector", "speakers:x_vector", FEATURES, notes="std_mean pooling, batch norm without weights"),
    Entry(
        "ecapa_tdnn",
        "speakers:ecapa_tdnn",
        notes="stft inside, Res2 chain, reflect-padded convolutions, attentive pooling",
    ),
    Entry("speaker_lstm", "speakers:speaker_lstm", FEATURES, notes="three LSTM layers with projections, final state"),
)
_MUSIC = (
    Entry(
        "pcen_tagger",
        "music:pcen_tagger",
        sample_rate_hz=22050,
        notes="a Python loop over frames, powers, ceil pooling",
    ),
    Entry(
        "harmonic_cnn", "music:harmonic_cnn", sample_rate_hz=22050, notes="filters computed from parameters in forward"
    ),
    Entry(
        "note_crnn", "music:note_crnn", FEATURES, sample_rate_hz=22050, notes="two BiGRUs and a BiLSTM, outputs by name"
    ),
    Entry(
        "spectral_resizer",
        "music:spectral_resizer",
        FEATURES,
        notes="bicubic and bilinear resize, pixel shuffle, norms",
    ),
)
_SIGNAL_PROCESSING = (
    Entry("sincnet", "signal_processing:sincnet", notes="kernels computed from parameters by sinc, nn.RNN, flip"),
    Entry(
        "ddsp", "signal_processing:ddsp", FEATURES, notes="phase by cumsum, sine bank, noise filtered by rfft and irfft"
    ),
    Entry(
        "autocorrelation",
        "signal_processing:autocorrelation",
        outputs=("pitch_hz", "strength", "voiced"),
        notes="rfft, irfft, cumulative mean, topk",
    ),
    Entry(
        "state_space", "signal_processing:state_space", notes="complex exponentials of parameters, convolution by FFT"
    ),
    Entry("mfcc_deltas", "signal_processing:mfcc_deltas", notes="MFCC by stft and DCT, deltas, sliding mean by cumsum"),
    Entry("overlap_add", "signal_processing:overlap_add", notes="frames by as_strided, fft of a frame, index_add back"),
)
_TRANSFORMERS = (
    Entry("wav2vec2", "transformers_models:wav2vec2", notes="weight-normed position convolution, GroupNorm"),
    Entry("hubert", "transformers_models:hubert", notes="stable layer norm, CTC"),
    Entry("wavlm", "transformers_models:wavlm", notes="gated bucketed positions, TDNN, statistics pooling"),
    Entry(
        "ast", "transformers_models:audio_spectrogram_transformer", FEATURES, notes="overlapping patches, two tokens"
    ),
    Entry("whisper_encoder", "transformers_models:whisper_encoder", FEATURES, notes="pre-norm encoder"),
    Entry("encodec", "transformers_models:encodec", outputs=("samples", "codes"), notes="data-dependent padding, LSTM"),
    Entry("dac", "transformers_models:dac", outputs=("samples", "codes"), notes="Snake, cosine codebooks"),
    Entry("clap_audio", "transformers_models:clap_audio", FEATURES, notes="bicubic resize, shifted windows"),
)
_CONSTRUCTS = (
    Entry("depthwise_upsampler", "constructs:depthwise_upsampler", FEATURES, notes="depthwise transposed, Snake"),
    Entry(
        "spiky_block", "constructs:spiky_block", FEATURES, notes="RMSNorm of spikes, grouped queries, complex rotary"
    ),
    Entry("chroma", "constructs:chroma", FEATURES, notes="index_add by a plain attribute, a slice in place"),
    Entry("edge_phases", "constructs:edge_phases", notes="phase of real bins, power beyond float16"),
    Entry("strided_constants", "constructs:strided_constants", FEATURES, notes="plain attributes that are views"),
    Entry("half_body", "constructs:half_body", notes="bfloat16 weights behind a float32 front"),
    Entry("scripted", "constructs:scripted", FEATURES, notes="torch.jit.script of a loop and a branch"),
    Entry(
        "gated_loudness",
        "constructs:gated_loudness",
        outputs=("filtered", "level"),
        notes="values that a mask picks: gathered, and written back",
    ),
    Entry("experts", "constructs:experts", FEATURES, notes="mixture of experts by places that a mask names"),
    Entry("peak_branch", "constructs:peak_branch", notes="if and assert on the data"),
    Entry(
        "packed_encoder",
        "constructs:packed_encoder",
        FEATURES,
        outputs=("frames", "speaker"),
        notes="packed sequences with lengths as an input",
    ),
    Entry("histogram", "constructs:histogram", FEATURES, outputs=("rest", "counts"), notes="bincount, histc, cdist"),
    Entry(
        "selective",
        "constructs:selective",
        FEATURES,
        outputs=("y", "state_out"),
        state={"state": "state_out"},
        notes="a scan stepped in Python",
    ),
    Entry("quantized_layers", "constructs:quantized_layers", FEATURES, notes="weights of 8 bits that torch packed"),
)


def _keras(module: str, name: str, inputs_are: Literal["audio", "features"], **options: object) -> Entry:
    return Entry(f"keras_{name}", f"{module}:keras_{name}", inputs_are, "tensorflow", **options)  # type: ignore[arg-type]


_KERAS = (
    _keras("keras_models", "ds_cnn", FEATURES, notes='"same" padding with strides'),
    _keras("keras_models", "crnn_gru", FEATURES, notes="bidirectional GRUs, reset_after"),
    _keras("keras_models", "lstm_vad", FEATURES, state={"h": "h_out", "c": "c_out"}, notes="LSTM with explicit state"),
    _keras("keras_models", "unet", FEATURES, notes="Conv2DTranspose, bilinear upsampling"),
    _keras("keras_models", "wavenet", AUDIO, notes="causal dilated convolutions"),
    _keras("keras_models", "bilstm_mask", FEATURES, notes="stacked BiLSTMs, summed"),
    _keras("keras_models", "tc_resnet", FEATURES, notes="separable one-dimensional convolutions, squeeze and excite"),
    _keras("keras_models", "transformer", FEATURES, notes="MultiHeadAttention with a causal mask, scores out"),
    _keras("keras_models", "conv_codec", AUDIO, notes="argmin, gather, tf.shape; integer output"),
    _keras("keras_front_ends", "log_mel", AUDIO, notes="tf.signal.stft"),
    _keras("keras_front_ends", "mfcc_gru", AUDIO, notes="tf.signal's MFCC, GRU with reset before, SimpleRNN"),
    _keras("keras_front_ends", "pcen", FEATURES, notes="a recurrent cell of its own"),
    _keras("keras_front_ends", "stft_masking", AUDIO, notes="tf.signal.inverse_stft"),
)

CATALOG: tuple[Entry, ...] = (
    *_KEYWORDS,
    *_VOICE,
    *_ENHANCEMENT,
    *_PITCH_AND_SEPARATION,
    *_GENERATION,
    *_SPEECH,
    *_MUSIC,
    *_SIGNAL_PROCESSING,
    *_TRANSFORMERS,
    *_CONSTRUCTS,
    *_KERAS,
)
