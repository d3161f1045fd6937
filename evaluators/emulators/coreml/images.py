"""Pictures as inputs and outputs: PIL images to arrays and back.

Source: coremltools' FeatureTypes.proto (colour spaces, flexible sizes), its guide's page on image inputs and outputs,
and its Python binding for the modes of PIL images: RGB in, RGBA out for colour; L for 8-bit, F for half-float grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.emulators.coreml.dtypes import dtype_named
from evaluators.emulators.coreml.features import Feature, choice_text, range_text, size_bounds
from evaluators.errors import EvaluationError

_SPACES = {10: "GRAYSCALE", 20: "RGB", 30: "BGR", 40: "GRAYSCALE_FLOAT16"}
"""`ImageFeatureType.ColorSpace`. Source: coremltools' FeatureTypes.proto"""

_MODES = {"GRAYSCALE": "L", "RGB": "RGB", "BGR": "RGB", "GRAYSCALE_FLOAT16": "F"}
"""colour space → the mode of the PIL image a caller gives"""


@dataclass(frozen=True)
class ImageFeature(Feature):
    """A picture; `shape`, `bounds` and `shapes` are those of its array, `(1, channels, height, width)`."""

    color_space: str = "RGB"
    """GRAYSCALE, RGB, BGR (the order of the array's channels) or GRAYSCALE_FLOAT16"""

    @property
    def kind(self) -> str:
        """What the caller gives or gets, in words."""
        return f"image {self.color_space}"

    def expected(self) -> str:
        """The sizes allowed, width first."""
        if self.shapes:
            return choice_text([f"{shape[3]} x {shape[2]}" for shape in self.shapes])
        if self.bounds:
            return f"{range_text(*self.bounds[3])} x {range_text(*self.bounds[2])}"
        return f"{self.shape[3]} x {self.shape[2]}"

    def taken(self, value: Any, *, where: str) -> np.ndarray:
        """A PIL image as an array `(1, channels, height, width)`; 8-bit values stay 0 to 255.

        Raises:
            EvaluationError: It is no PIL image, or its mode or size does not fit.
        """
        place = f"{where}: input {self.name!r}"
        mode = getattr(value, "mode", None)
        if mode is None or not hasattr(value, "tobytes"):
            raise EvaluationError(
                f"{place}: is {type(value).__name__}, expected a PIL image of mode {_MODES[self.color_space]}"
            )
        if mode != _MODES[self.color_space]:
            raise EvaluationError(f"{place}: has mode {mode}, expected {_MODES[self.color_space]} ({self.color_space})")
        array = self.pixels(value)
        if not self.allows(array.shape):
            size = f"{array.shape[3]} x {array.shape[2]}"
            raise EvaluationError(f"{place}: is {size} pixels (width x height), expected {self.expected()}")
        array = array[:, ::-1] if self.color_space == "BGR" else array
        return array.astype(self.dtype.stored)

    def pixels(self, picture: Any) -> np.ndarray:
        """A PIL image as `(1, channels, height, width)`, colours in the order red, green, blue, without alpha."""
        pixels = np.asarray(picture)
        return pixels[None, None] if pixels.ndim == 2 else pixels[..., :3].transpose(2, 0, 1)[None]

    def pictured(self, array: np.ndarray) -> Any:
        """The PIL image that `pixels` makes this array of."""
        from PIL import Image

        planes = np.asarray(array).reshape(array.shape[-3:])
        if self.color_space == "GRAYSCALE_FLOAT16":
            return Image.fromarray(planes[0].astype(np.float32))
        levels = planes.astype(np.uint8)
        return Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))

    def given(self, value: Any) -> Any:
        """A tensor `(1, channels, height, width)` or without the first, as a PIL image.

        8-bit pictures are rounded to the nearest level and cut off at 0 and 255, NaN is 0; colour comes with an alpha
        channel of 255.

        Raises:
            EvaluationError: The tensor has another rank, another number of channels, or more than one picture.
        """
        from PIL import Image

        array = value.numpy() if hasattr(value, "numpy") else np.asarray(value, object)
        channels = self.shape[1]
        if array.ndim not in (3, 4) or array.shape[-3] != channels or array.shape[:-3] not in ((), (1,)):
            raise EvaluationError(
                f"output {self.name!r}: has shape {list(array.shape)}, expected [1, {channels}, height, width]"
            )
        planes = array.reshape(array.shape[-3:])
        if self.color_space == "GRAYSCALE_FLOAT16":
            return Image.fromarray(planes[0].astype(np.float16).astype(np.float32))
        levels = np.clip(np.nan_to_num(np.rint(planes), nan=0.0, posinf=255, neginf=0), 0, 255).astype(np.uint8)
        if self.color_space == "GRAYSCALE":
            return Image.fromarray(levels[0])
        levels = levels[::-1] if self.color_space == "BGR" else levels
        opaque = np.full_like(levels[:1], 255)
        return Image.fromarray(np.concatenate((levels, opaque)).transpose(1, 2, 0))


def image_feature(message: Any, where: str) -> Feature:
    """The feature an image's description declares.

    Args:
        message: The `FeatureDescription` message.
        where: How messages name the file.

    Raises:
        EvaluationError: The colour space is unknown.
    """
    type_ = message.type.imageType
    if type_.colorSpace not in _SPACES:
        raise EvaluationError(f"{where}: image {message.name!r} has unknown colour space code {type_.colorSpace}")
    space = _SPACES[type_.colorSpace]
    front = (1, 3 if space in ("RGB", "BGR") else 1)
    flexible = type_.WhichOneof("SizeFlexibility")
    ranges = type_.imageSizeRange
    return ImageFeature(
        name=message.name,
        shape=(*front, type_.height, type_.width),
        dtype=dtype_named("float16" if space == "GRAYSCALE_FLOAT16" else "uint8"),
        bounds=(*((n, n) for n in front), *size_bounds((ranges.heightRange, ranges.widthRange)))
        if flexible == "imageSizeRange"
        else (),
        shapes=tuple((*front, size.height, size.width) for size in type_.enumeratedSizes.sizes)
        if flexible == "enumeratedSizes"
        else (),
        optional=bool(message.type.isOptional),
        color_space=space,
    )
