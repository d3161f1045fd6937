"""Architectures of the transformers package from small configurations; nothing is downloaded.

Each is wrapped as an exporter does it: tensors in, tensors out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    ClapAudioConfig,
    ClapAudioModelWithProjection,
    DacConfig,
    DacModel,
    EncodecConfig,
    EncodecModel,
    HubertConfig,
    HubertForCTC,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMForXVector,
    WhisperConfig,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from .calibration import make_audio, make_features, settle

_SELF_SUPERVISED: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "initializer_range": 0.15,
    "vocab_size": 32,
}


class Field(nn.Module):
    """One field of what a model returns."""

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        self.model, self.name = model, name

    def forward(self, inputs: Tensor) -> Tensor:
        return getattr(self.model(inputs), self.name)  # type: ignore[no-any-return]


class Codec(nn.Module):
    """Samples to samples, and the codes between."""

    def __init__(self, model: nn.Module, **options: Any) -> None:
        super().__init__()
        self.model, self.options = model, options

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        found = self.model(samples.unsqueeze(1), **self.options)
        return found.audio_values, found.audio_codes


def wav2vec2() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1001)
    inputs = (make_audio(8000),)
    return settle(Field(Wav2Vec2Model(Wav2Vec2Config(**_SELF_SUPERVISED)), "last_hidden_state"), inputs), inputs


def hubert() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The "large" kind: layer norms in the feature extractor, norms before the attention; CTC logits."""
    torch.manual_seed(1002)
    inputs = (make_audio(8000),)
    config = HubertConfig(**_SELF_SUPERVISED, feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True)
    return settle(Field(HubertForCTC(config), "logits"), inputs), inputs


def wavlm() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Gated relative positions in buckets, a weighted sum of layers, TDNN, statistics pooling: a speaker embedding."""
    torch.manual_seed(1003)
    inputs = (make_audio(12000),)
    config = WavLMConfig(
        **_SELF_SUPERVISED,
        num_buckets=32,
        max_bucket_distance=80,
        use_weighted_layer_sum=True,
        tdnn_dim=(32,) * 4 + (64,),
        xvector_output_dim=32,
    )
    return settle(Field(WavLMForXVector(config), "embeddings"), inputs), inputs


def audio_spectrogram_transformer() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1004)
    inputs = (make_features(1, 96, 48),)
    config = ASTConfig(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_length=96,
        num_mel_bins=48,
        initializer_range=0.15,
        num_labels=12,
    )
    return settle(Field(ASTForAudioClassification(config), "logits"), inputs), inputs


def whisper_encoder() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1005)
    inputs = (make_features(1, 40, 128),)
    config = WhisperConfig(
        d_model=48,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=96,
        num_mel_bins=40,
        max_source_positions=64,
        init_std=0.15,
    )
    return settle(Field(WhisperEncoder(config), "last_hidden_state"), inputs), inputs


def encodec() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Padding computed from the length, an LSTM in encoder and decoder, weight norm, residual quantisation."""
    torch.manual_seed(1006)
    inputs = (make_audio(4001),)
    config = EncodecConfig(
        num_filters=8,
        hidden_size=32,
        codebook_dim=32,
        codebook_size=64,
        upsampling_ratios=[5, 4, 2],
        sampling_rate=16000,
        num_lstm_layers=1,
        target_bandwidths=[2.4, 8.0],
    )
    model = EncodecModel(config)
    for layer in model.quantizer.layers:
        layer.codebook.embed.normal_(0.0, 0.7)
    return settle(Codec(model, bandwidth=8.0), inputs, spread=0.7), inputs


def dac() -> tuple[nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(1007)
    inputs = (make_audio(4000),)
    config = DacConfig(
        encoder_hidden_size=8,
        decoder_hidden_size=64,
        downsampling_ratios=[2, 4, 5],
        upsampling_ratios=[5, 4, 2],
        n_codebooks=3,
        codebook_size=64,
        codebook_dim=4,
    )
    return settle(Codec(DacModel(config)), inputs, spread=0.7), inputs


def clap_audio() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """HTSAT: a bicubic resize of the spectrogram to the image's size, shifted windows, relative position bias."""
    torch.manual_seed(1008)
    inputs = (make_features(1, 1, 200, 16),)
    config = ClapAudioConfig(
        spec_size=64,
        num_mel_bins=16,
        patch_embeds_hidden_size=16,
        hidden_size=32,
        depths=[2, 2],
        num_hidden_layers=2,
        num_attention_heads=[2, 4],
        window_size=4,
        projection_dim=24,
        initializer_factor=5.0,
    )
    return settle(Field(ClapAudioModelWithProjection(config), "audio_embeds"), inputs), inputs
