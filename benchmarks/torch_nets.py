"""Published PyTorch architectures with random weights, and the inputs that they were measured with.

From torchvision, timm and transformers' configurations; `torch_audio_nets` and `torch_vision_nets` have what none of
them defines. An image
classifier of torchvision has the normalisation of its image in front, as qualcomm/ai-hub-models exports it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import torch_audio_nets as nets
from benchmarks import torch_image_nets as images
from benchmarks import torch_vision_nets as seen


def vision() -> Any:
    """Torchvision's models; on a torch of another build its compiled operators do not load, and none is called here."""
    try:
        import torchvision
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")
        import torchvision
    return torchvision.models


class Classifier(nn.Module):
    """A net with the normalisation of its image in front, as AI Hub exports it: two ops."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        mean, deviation = torch.zeros(1, 3, 1, 1, device="meta"), torch.ones(1, 3, 1, 1, device="meta")
        return self.net((image - mean) / deviation)


def image(side: int = 224) -> list[Tensor]:
    return [torch.empty(1, 3, side, side)]


def classifier(name: str, **options: Any) -> tuple[nn.Module, list[Tensor]]:
    return Classifier(vision().get_model(name, weights=None, **options)), image()


def nasnet() -> tuple[nn.Module, list[Tensor]]:
    vision()
    import timm

    return Classifier(timm.create_model("nasnetalarge", pretrained=False)), image()


def reparametrised(name: str, side: int) -> tuple[nn.Module, list[Tensor]]:
    """Timm's models with the parallel branches of their training folded, as the sources measured them."""
    vision()
    import timm
    from timm.utils.model import reparameterize_model

    return reparameterize_model(timm.create_model(name, pretrained=False).eval()), image(side)


def backbone(name: str, side: int) -> tuple[nn.Module, list[Tensor]]:
    """What a detector or a segmenter takes of a classifier: the maps of its stages."""
    vision()
    import timm
    from timm.utils.model import reparameterize_model

    net = timm.create_model(name, pretrained=False, features_only=True)
    return reparameterize_model(net.eval()), image(side)


class Segmenter(nn.Module):
    """One of torchvision's: the scores of each pixel's classes, or the best of them."""

    def __init__(self, name: str, *, best: bool = False) -> None:
        super().__init__()
        make = getattr(vision().segmentation, name)
        self.net, self.best = make(weights=None, weights_backbone=None, num_classes=21), best

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.net(image)["out"]
        return scores.argmax(1) if self.best else scores


def fcn() -> tuple[nn.Module, list[Tensor]]:
    return Classifier(Segmenter("fcn_resnet50", best=True)), image(520)


def deeplab(side: int) -> tuple[nn.Module, list[Tensor]]:
    net = Segmenter("deeplabv3_resnet50")
    return (net if side == 224 else Classifier(net)), image(side)


def plain(name: str, side: int = 224, **options: Any) -> tuple[nn.Module, list[Tensor]]:
    """Without the normalisation in front: apps do it."""
    return vision().get_model(name, weights=None, **options), image(side)


def of_timm(name: str, side: int = 224, **options: Any) -> tuple[nn.Module, list[Tensor]]:
    vision()
    import timm

    return timm.create_model(name, pretrained=False, **options), image(side)


def segformer() -> tuple[nn.Module, list[Tensor]]:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            config = SegformerConfig(num_labels=150)
            self.net = SegformerForSemanticSegmentation._from_config(config, attn_implementation="eager")

        def forward(self, image: Tensor) -> Tensor:
            return self.net(image).logits

    return Scores(), image(512)


class Masked(nn.Module):
    """A language model that names the token under one mask: its whole head runs first."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, tokens: Tensor, mask: Tensor, index: Tensor) -> Tensor:
        logits = self.net(tokens, attention_mask=mask).logits
        return logits[torch.zeros(1, dtype=torch.long, device="meta"), index].argmax(-1)


def tokens(length: int) -> list[Tensor]:
    return [torch.empty(1, length, dtype=torch.long), torch.empty(1, 1, 1, length)]


def masked(model: str, **options: Any) -> tuple[nn.Module, list[Tensor]]:
    import transformers

    config = getattr(transformers, f"{model}Config")(**options)
    net = getattr(transformers, f"{model}For{'PreTraining' if model == 'Electra' else 'MaskedLM'}")
    index = torch.empty(1, dtype=torch.long)
    return Masked(net._from_config(config, attn_implementation="eager")), [*tokens(384), index]


def beit() -> tuple[nn.Module, list[Tensor]]:
    from transformers import BeitConfig, BeitForImageClassification

    config = BeitConfig(
        image_size=224, patch_size=16, use_relative_position_bias=True, use_mean_pooling=True, num_labels=1000
    )
    net = BeitForImageClassification._from_config(config, attn_implementation="eager")
    return net, image()


class Embedding(nn.Module):
    """A sentence's vector: the mean of its tokens', weighed by the mask, of length one."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        states = self.net(tokens, attention_mask=mask).last_hidden_state
        weights = mask.reshape(1, -1, 1)
        mean = (states * weights).sum(1) / weights.sum(1)
        return mean / torch.linalg.vector_norm(mean, dim=-1, keepdim=True)


def sentence(model: str, length: int, **options: Any) -> tuple[nn.Module, list[Tensor]]:
    import transformers

    config = getattr(transformers, f"{model}Config")(**options)
    net = getattr(transformers, f"{model}Model")._from_config(config, attn_implementation="eager")
    return Embedding(net), tokens(length)


def clip() -> tuple[nn.Module, list[Tensor]]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel

    class Similarity(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            seen = CLIPVisionConfig(patch_size=16)
            self.seen = CLIPVisionModel._from_config(seen, attn_implementation="eager")
            self.read = CLIPTextModel._from_config(CLIPTextConfig(), attn_implementation="eager")
            self.seen_to, self.read_to = nn.Linear(768, 512, bias=False), nn.Linear(512, 512, bias=False)

        def forward(self, image: Tensor, tokens: Tensor) -> Tensor:
            read = self.read_to(self.read(tokens).last_hidden_state[:, -1])
            seen = self.seen_to(self.seen(image).pooler_output)
            return (seen / seen.norm(dim=-1, keepdim=True)) @ (read / read.norm(dim=-1, keepdim=True)).T

    return Similarity(), [*image(), torch.empty(1, 77, dtype=torch.long)]


def clip_image(side: int) -> tuple[nn.Module, list[Tensor]]:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(patch_size=16, image_size=side)
    return CLIPVisionModel._from_config(config, attn_implementation="eager"), image(side)


class Wav2VecFront(nn.Module):
    """The convolutions of wav2vec 2.0 over the waveform, and what makes tokens of them."""

    def __init__(self) -> None:
        from transformers import Wav2Vec2Config, Wav2Vec2Model

        super().__init__()
        net = Wav2Vec2Model._from_config(Wav2Vec2Config(), attn_implementation="eager")
        self.convolutions, self.projection = net.feature_extractor, net.feature_projection

    def forward(self, samples: Tensor) -> Tensor:
        return self.projection(self.convolutions(samples).transpose(1, 2))[0]


class Wav2VecHead(nn.Module):
    """The other layers, whose outputs are added, and a classifier of 35 words."""

    def __init__(self) -> None:
        from transformers import Wav2Vec2Config, Wav2Vec2Model

        super().__init__()
        self.encoder = Wav2Vec2Model._from_config(Wav2Vec2Config(), attn_implementation="eager").encoder
        self.narrow, self.words = nn.Linear(768, 256), nn.Linear(256, 35)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.encoder.layer_norm(tokens + self.encoder.pos_conv_embed(tokens))
        total = x * 0.1
        for layer in self.encoder.layers:
            output = layer(x)
            x = output if isinstance(output, Tensor) else output[0]
            total = total + x * 0.1
        return self.words(self.narrow(total).mean(1))


def wav2vec() -> tuple[nn.Module, list[Tensor]]:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    return Wav2Vec2Model._from_config(Wav2Vec2Config(), attn_implementation="eager"), [torch.empty(1, 16000)]


def parakeet() -> tuple[nn.Module, list[Tensor]]:
    """The 110M of NVIDIA's model cards: 17 layers of 512, 1024 word pieces."""
    from transformers import ParakeetCTCConfig, ParakeetForCTC

    encoder = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 17}
    config = ParakeetCTCConfig(vocab_size=1025, encoder_config=encoder)
    return ParakeetForCTC._from_config(config, attn_implementation="eager"), [torch.empty(1, 1601, 80)]


def whisper_encoder(layers: int, width: int, heads: int) -> tuple[nn.Module, list[Tensor]]:
    from transformers import WhisperConfig, WhisperModel

    sizes = {"layers": layers, "attention_heads": heads, "ffn_dim": 4 * width}
    sides = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in sizes.items()}
    config = WhisperConfig(d_model=width, **sides)
    whole = WhisperModel._from_config(config, attn_implementation="eager")
    return whole.encoder, [torch.empty(1, 80, 3000)]


def distilbert() -> tuple[nn.Module, list[Tensor]]:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    config = DistilBertConfig()
    return DistilBertForSequenceClassification._from_config(config, attn_implementation="eager"), tokens(128)


def clip_text(width: int, heads: int) -> tuple[nn.Module, list[Tensor]]:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(hidden_size=width, intermediate_size=4 * width, num_attention_heads=heads)
    net = CLIPTextModel._from_config(config, attn_implementation="eager")
    return net, [torch.empty(1, 77, dtype=torch.long)]


Builder = Callable[[], tuple[nn.Module, list[Tensor]]]
NO_SIDE_EXITS = {"aux_logits": False, "init_weights": False}
WHISPER = {"tiny": (4, 384, 6), "base": (6, 512, 8), "small": (12, 768, 12)}
BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
GRAPHS: dict[str, Builder] = {
    **{
        f"{name}_224": partial(classifier, name)
        for name in (
            "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "resnet18", "resnet50", "resnet101",
            "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "shufflenet_v2_x0_5", "squeezenet1_1", "vit_b_16",
            "densenet121", "swin_t", "swin_s", "swin_b",
        )
    },
    **{f"{name}_224": partial(classifier, name, **NO_SIDE_EXITS) for name in ("googlenet", "inception_v3")},
    **{
        f"fastvit_{name}_256": partial(reparametrised, f"fastvit_{name}", 256)
        for name in ("t8", "t12", "s12", "sa12", "sa24", "sa36", "ma36", "mci0", "mci1", "mci2", "mci3", "mci4")
    },
    **{
        f"{name}_224": partial(reparametrised, name, 224)
        for name in (
            *(f"efficientformer_{size}" for size in ("l1", "l3", "l7")),
            *(f"efficientformerv2_{size}" for size in ("s0", "s1", "s2", "l")),
            *(f"nextvit_{size}" for size in ("small", "base", "large")),
            *(f"repvit_{size}" for size in ("m0_9", "m1_0", "m1_1", "m1_5", "m2_3")),
            *(f"starnet_{size}" for size in ("s1", "s2", "s3", "s4")),
            *(f"swiftformer_{size}" for size in ("xs", "s", "l1", "l3")),
        )
    },
    **{f"nextvit_{name}_384": partial(reparametrised, f"nextvit_{name}", 384) for name in ("small", "base", "large")},
    **{f"repvit_{name}_backbone_512": partial(backbone, f"repvit_{name}", 512) for name in ("m1_1", "m1_5", "m2_3")},
    "vit_base_mci_224": partial(reparametrised, "vit_base_mci_224", 224),
    "vit_large_patch14_224": partial(reparametrised, "vit_large_patch14_clip_224", 224),
    **{f"repnext_m{size}_224": lambda size=size: (seen.repnext(size), image()) for size in range(6)},
    **{f"recnext_m{size}_224": lambda size=size: (seen.recnext(size), image()) for size in range(6)},
    **{f"recnext_a{size}_224": lambda size=size: (seen.recnext_attention(size), image()) for size in range(6)},
    **{f"care_s{size}_224": lambda size=size: (seen.care(size), image()) for size in range(3)},
    **{f"lowformer_e{size}_224": lambda size=size: (seen.lowformer(size), image()) for size in (1, 2, 3)},
    "convolutions_6_128": lambda: (seen.convolutions(6, 128, 3), [torch.empty(1, 3, 10, 512)]),
    "convolutions_3_36": lambda: (seen.convolutions(3, 36, 12), [torch.empty(1, 3, 10, 512)]),
    "transformer_8_8_512": lambda: (seen.Transformer(8, 512, 1024), [torch.empty(1, 10, 512)]),
    **{
        f"efficientnet_lite{size}_{side}": partial(of_timm, f"efficientnet_lite{size}", side)
        for size, side in enumerate((224, 240, 260, 280, 300))
    },
    "resnet18_places_224": partial(plain, "resnet18", num_classes=365),
    "resnet50_gaze_448": partial(plain, "resnet50", 448, num_classes=180),
    "vit_base_siglip_224": partial(of_timm, "vit_base_patch16_siglip_224"),
    "vit_base_pe_core_224": partial(of_timm, "vit_pe_core_base_patch16_224"),
    "clip_vit_b_16_352": partial(clip_image, 352),
    "deeplabv3_resnet50_224": partial(deeplab, 224),
    "deeplabv3_resnet50_513": partial(deeplab, 513),
    "regnet_x_3_2gf_224": lambda: (Classifier(of_timm("regnetx_032")[0]), image()),
    "segformer_b0_512": segformer,
    "real_esrgan_general_128": lambda: (images.Enlarger(), image(128)),
    "style_transfer_256": lambda: (images.Style(), image(256)),
    "nasnetalarge_224": nasnet,
    "fcn_resnet50_520": fcn,
    "beit_base_patch16_224": beit,
    "clip_vit_b_16": clip,
    "clip_text_77": partial(clip_text, 512, 8),
    "clip_text_large_77": partial(clip_text, 768, 12),
    "bert_base_masked_384": partial(masked, "Bert"),
    "albert_base_masked_384": partial(masked, "Albert", **BASE),
    "distilbert_masked_384": partial(masked, "DistilBert"),
    "distilbert_classifier_128": distilbert,
    "electra_base_384": partial(masked, "Electra", embedding_size=768, **BASE),
    "nomic_embed_128": partial(sentence, "NomicBert", 128),
    "minilm_l6_80": partial(sentence, "Bert", 80, **MINILM),
    "mpnet_base_80": partial(sentence, "MPNet", 80),
    "yamnet_body": lambda: (nets.YamNet(), [torch.empty(1, 1, 96, 64)]),
    "crepe_full": lambda: (nets.Crepe(), [torch.empty(1, 1, 1024, 1)]),
    "cnn14_1001": lambda: (nets.Cnn14(), [torch.empty(1, 1, 1001, 64)]),
    "resnet34_speaker_500": lambda: (nets.SpeakerNet(), [torch.empty(1, 1, 80, 500)]),
    "wav2vec2_base_1s": wav2vec,
    "wav2vec2_base_front_1s": lambda: (Wav2VecFront(), [torch.empty(1, 16000)]),
    "wav2vec2_base_head_1s": lambda: (Wav2VecHead(), [torch.empty(1, 49, 768)]),
    "parakeet_ctc_110m_1601": parakeet,
    **{f"whisper_{name}_encoder": partial(whisper_encoder, *sizes) for name, sizes in WHISPER.items()},
    **{
        f"whisper_{name}_split_encoder": lambda sizes=sizes: (nets.WhisperEncoder(*sizes), [torch.empty(1, 80, 3000)])
        for name, sizes in WHISPER.items()
    },
    **{
        f"whisper_{name}_split_step": lambda sizes=sizes: (nets.WhisperDecoder(*sizes), nets.decoder_inputs(*sizes))
        for name, sizes in WHISPER.items()
    },
}  # fmt: skip
TENSORFLOW = {
    "yamnet_body", "crepe_full", "convolutions_6_128", "convolutions_3_36",
    *(name for name in GRAPHS if name.startswith("efficientnet_lite")),
}  # fmt: skip
"""whose padding is TensorFlow's"""
