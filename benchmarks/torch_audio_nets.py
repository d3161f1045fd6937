"""Published audio architectures of which no library at hand has the definition, with random weights.

Sources of the sizes: YAMNet is MobileNet v1 over 96 × 64 log-mel patches (tensorflow/models, research/audioset/yamnet);
CREPE's six convolutions are those of marl/crepe, `full`; CNN14 is that of qiuqiangkong/audioset_tagging_cnn;
`SpeakerNet` is WeSpeaker's ResNet34, over the 5 s that john-rocky/LiteRT-Models gives it; Whisper's encoder and decoder
step are cut as qualcomm/ai-hub-models cuts them: one projection a head, the keys and values of the cross attention made
by the encoder, a cache of 199 tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

YAMNET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
CREPE = ((1024, 512, 4), (128, 64, 1), (128, 64, 1), (128, 64, 1), (256, 64, 1), (512, 64, 1))
CNN14 = (64, 128, 256, 512, 1024, 2048)
FRAMES = 1500
CACHED = 200


def normalised(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class YamNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = normalised(1, 32, 3, 2)
        width = 32
        for channels, stride in YAMNET:
            self.body.append(normalised(width, width, 3, stride, width)).append(normalised(width, channels, 1))
            width = channels
        self.head = nn.Linear(width, 521)

    def forward(self, mel: Tensor) -> Tensor:
        return torch.sigmoid(self.head(self.body(mel).mean((2, 3))))


class Crepe(nn.Module):
    """Its normalisation stands behind the ReLU and stays an op of its own."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 1
        for channels, size, stride in CREPE:
            layers += [
                nn.ZeroPad2d((0, 0, (size - stride) // 2, (size - stride + 1) // 2)),
                nn.Conv2d(width, channels, (size, 1), (stride, 1)),
                nn.ReLU(),
                nn.BatchNorm2d(channels),
                nn.MaxPool2d((2, 1)),
            ]
            width = channels
        self.body = nn.Sequential(*layers)
        self.head = nn.LazyLinear(360)

    def forward(self, samples: Tensor) -> Tensor:
        return torch.sigmoid(self.head(self.body(samples).flatten(1)))


class Cnn14(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.BatchNorm2d(64)
        width = 1
        self.blocks = nn.ModuleList()
        for channels in CNN14:
            self.blocks.append(nn.Sequential(*normalised(width, channels, 3), *normalised(channels, channels, 3)))
            width = channels
        self.embed, self.head = nn.Linear(width, width), nn.Linear(width, 527)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.scale(mel.transpose(1, 3)).transpose(1, 3)
        for index, block in enumerate(self.blocks):
            x = block(x)
            x = x if index == len(self.blocks) - 1 else functional.avg_pool2d(x, 2)
        x = x.mean(3)
        return torch.sigmoid(self.head(functional.relu(self.embed(x.amax(2) + x.mean(2)))))


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*normalised(inputs, outputs, 3, stride), *normalised(outputs, outputs, 3)[:2])
        widens = stride > 1 or inputs != outputs
        self.skip = normalised(inputs, outputs, 1, stride)[:2] if widens else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.skip(x))


class SpeakerNet(nn.Module):
    """The voice of a log-mel: mean and deviation over time of a ResNet34 of half the usual width."""

    def __init__(self) -> None:
        super().__init__()
        self.body = normalised(1, 32, 3)
        width = 32
        for channels, blocks in ((32, 3), (64, 4), (128, 6), (256, 3)):
            for block in range(blocks):
                self.body.append(Residual(width, channels, 1 if block or channels == 32 else 2))
                width = channels
        self.embed = nn.Linear(2 * 256 * 10, 256)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.body(mel).reshape(1, 2560, -1)
        mean = x.mean(2, keepdim=True)
        centred = (x - mean) * 0.1
        spread = (centred * centred).sum(2) * 0.1
        return self.embed(torch.cat([mean.squeeze(2), torch.sqrt(spread + 1e-12)], 1))


class Heads(nn.Module):
    """Attention with one projection a head. Over given keys and values, or over its own input and a cache."""

    def __init__(self, width: int, heads: int, own: bool = True) -> None:
        super().__init__()
        size = width // heads
        self.query = nn.ModuleList(nn.Linear(width, size) for _ in range(heads))
        self.key = nn.ModuleList(nn.Linear(width, size, bias=False) for _ in range(heads if own else 0))
        self.value = nn.ModuleList(nn.Linear(width, size) for _ in range(heads if own else 0))
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, keys: Tensor | None = None, values: Tensor | None = None) -> Tensor:
        """Keys lie as (heads, 1, size, tokens), values as (heads, 1, tokens, size); a cache is moved on by a token."""
        heads, caches = [], []
        for head, query in enumerate(self.query):
            key = [] if keys is None else [keys[head]]
            value = [] if values is None else [values[head]]
            if self.key:
                key.append(self.key[head](x).transpose(-2, -1))
                value.append(self.value[head](x))
            k = torch.cat(key, -1) if len(key) > 1 else key[0]
            v = torch.cat(value, -2) if len(value) > 1 else value[0]
            caches += [k, v]
            heads.append(torch.softmax(query(x) @ k, -1) @ v)
        if self.key and keys is not None:
            torch.cat(caches[::2])[..., 1:], torch.cat(caches[1::2])[..., 1:, :]
        return self.out(torch.cat(heads, -1))


class FeedForward(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class WhisperEncoder(nn.Module):
    """80 × 3000 log-mel to the keys and values of every decoder layer's cross attention."""

    def __init__(self, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(80, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, 2, padding=1)
        self.place = nn.Parameter(torch.empty(FRAMES, width))
        self.attend = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), Heads(width, heads)) for _ in range(layers))
        self.feed = nn.ModuleList(FeedForward(width) for _ in range(layers))
        self.last = nn.LayerNorm(width)
        self.cross = nn.ModuleList(nn.Linear(width, width // heads) for _ in range(2 * layers * heads))

    def forward(self, mel: Tensor) -> list[Tensor]:
        x = functional.gelu(self.second(functional.gelu(self.first(mel)))).transpose(1, 2) + self.place
        for attend, feed in zip(self.attend, self.feed, strict=True):
            x = x + attend(x)
            x = x + feed(x)
        x = self.last(x)
        return [projection(x) for projection in self.cross]


class WhisperDecoder(nn.Module):
    """One token, with a cache of self attention and the encoder's keys and values."""

    def __init__(self, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(51865, width)
        self.place = nn.Embedding(448, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))
        self.attend = nn.ModuleList(Heads(width, heads) for _ in range(layers))
        self.cross = nn.ModuleList(Heads(width, heads, own=False) for _ in range(layers))
        self.feed = nn.ModuleList(FeedForward(width) for _ in range(layers))
        self.last, self.head = nn.LayerNorm(width), nn.Linear(width, 51865, bias=False)

    def forward(self, token: Tensor, place: Tensor, *states: Tensor) -> Tensor:
        x = self.embed(token) + self.place(place)
        for index, (attend, cross, feed) in enumerate(zip(self.attend, self.cross, self.feed, strict=True)):
            keys, values, cross_keys, cross_values = states[4 * index : 4 * index + 4]
            x = x + attend(self.norms[2 * index](x), keys, values)
            x = x + cross(self.norms[2 * index + 1](x), cross_keys, cross_values)
            x = x + feed(x)
        return self.head(self.last(x))


def decoder_inputs(layers: int, width: int, heads: int) -> list[Tensor]:
    size = width // heads
    inputs = [torch.empty(1, 1, dtype=torch.long), torch.empty(1, 1, dtype=torch.long)]
    for length in (CACHED - 1, FRAMES) * layers:
        inputs += [torch.empty(heads, 1, size, length), torch.empty(heads, 1, length, size)]
    return inputs
