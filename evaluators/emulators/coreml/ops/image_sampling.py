"""Images read at points between their pixels. Source: image_resizing.py of iOS15, iOS16 and iOS17.

What the documentation leaves open is settled as follows.

- `crop_resize` applies the sampling modes to the box in place of the image: points stay within the box, and where the
  box leaves the image there is `pad_value` (zero before iOS16). UNALIGN_CORNERS alone takes its points from the image's
  size, as the formula reads; coremltools' own test of iOS15 has it so. OFFSET_CORNERS takes a box as at least 1 wide.
- `resample` rounds to the nearest pixel with halves to the even one, as torch's `grid_sample` does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from evaluators.emulators.coreml.ops.image_resizing import SAMPLING_MODES, sampling_points
from evaluators.emulators.coreml.ops.registry import op
from evaluators.emulators.coreml.sizes import check_size
from evaluators.errors import EvaluationError

_BOXES = ("CORNERS_HEIGHT_FIRST", "CORNERS_WIDTH_FIRST", "CENTER_SIZE_HEIGHT_FIRST", "CENTER_SIZE_WIDTH_FIRST")


@op("crop_resize")
def crop_resize(
    x: Tensor,
    roi: Tensor,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Tensor:
    """Boxes of images `(B, C, H, W)`, resized (iOS15; `pad_value` since iOS16).

    `roi` is `(N, 1, 4, 1, 1)`: each box from every image, or `(N, 1, 5, 1, 1)`: each from the image named first.
    """
    rows = roi.reshape(roi.shape[0], -1)
    if rows.shape[1] not in (4, 5):
        raise EvaluationError(f"crop_resize has roi of shape {list(roi.shape)}; expected 4 or 5 numbers a box")
    cutter = _Cutter(
        target_height,
        target_width,
        normalized_coordinates,
        spatial_scale,
        box_coordinate_mode,
        sampling_mode,
        pad_value,
    )
    if rows.shape[1] == 5:
        return cutter.cut(x, rows[:, 1:], rows[:, 0].long()).unsqueeze(1)
    number, images = rows.shape[0], x.shape[0]
    crops = cutter.cut(x, rows.repeat_interleave(images, 0), torch.arange(images).repeat(number))
    return crops.reshape(number, images, *crops.shape[1:])


@op("crop_resize", since=17)
def crop_resize_boxes(
    x: Tensor,
    boxes: Tensor,
    box_indices: Tensor | None = None,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Tensor:
    """Boxes `(N, 4)` of images `(B, C, H, W)`, resized; box `i` is of image `box_indices[i]`, or `i` (iOS17)."""
    images = torch.arange(boxes.shape[0]) if box_indices is None else box_indices.long()
    cutter = _Cutter(
        target_height,
        target_width,
        normalized_coordinates,
        spatial_scale,
        box_coordinate_mode,
        sampling_mode,
        pad_value,
    )
    return cutter.cut(x, boxes, images)


@dataclass(frozen=True)
class _Cutter:
    """How boxes are cut out."""

    height: int
    width: int
    normalized: bool
    scale: float
    box_mode: str
    mode: str
    pad_value: float

    def cut(self, x: Tensor, boxes: Tensor, images: Tensor) -> Tensor:
        """One crop `(C, height, width)` a box, of the image with the box's index."""
        if x.ndim != 4 or boxes.ndim != 2 or boxes.shape[1] != 4 or images.shape != boxes.shape[:1]:
            raise EvaluationError(
                f"crop_resize has x of shape {list(x.shape)}, boxes of {list(boxes.shape)} and {images.numel()} indices"
                " of images; expected [batch, channels, height, width], [n, 4] and n"
            )
        check_size((len(boxes), *x.shape[1:]))
        check_size((len(boxes), max(2, x.shape[1]), self.height, self.width), times=4)
        high, wide = x.shape[-2], x.shape[-1]
        top, left, bottom, right = _corners(boxes.double() * self.scale, self.box_mode)
        if self.normalized:
            top, bottom, left, right = top * (high - 1), bottom * (high - 1), left * (wide - 1), right * (wide - 1)
        rows = _box_points(top, bottom, high, self.height, self.mode).unsqueeze(2)
        columns = _box_points(left, right, wide, self.width, self.mode).unsqueeze(1)
        inside = (rows >= 0) & (rows <= high - 1) & (columns >= 0) & (columns <= wide - 1)
        points = torch.stack(
            (
                columns.clamp(0, wide - 1).expand(-1, self.height, -1),
                rows.clamp(0, high - 1).expand(-1, -1, self.width),
            ),
            dim=-1,
        )
        return torch.where(inside.unsqueeze(1), _bilinear(x[images], points, None), self.pad_value)


def _corners(boxes: Tensor, box_mode: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Top, left, bottom and right of each box."""
    if box_mode not in _BOXES:
        raise EvaluationError(f"box_coordinate_mode is {box_mode!r}; expected one of {', '.join(_BOXES)}")
    first, second, third, fourth = boxes.unbind(1)
    if box_mode.endswith("WIDTH_FIRST"):
        first, second, third, fourth = second, first, fourth, third
    if box_mode.startswith("CENTER"):
        return first - third / 2, second - fourth / 2, first + third / 2, second + fourth / 2
    return first, second, third, fourth


def _box_points(start: Tensor, end: Tensor, size: int, count: int, mode: str) -> Tensor:
    """Where along an image's side the `count` rows or columns of each box lie: `(boxes, count)`."""
    if mode not in SAMPLING_MODES:
        raise EvaluationError(f"sampling_mode is {mode!r}; expected one of {', '.join(SAMPLING_MODES)}")
    if mode == "UNALIGN_CORNERS":
        return sampling_points(size, count, mode).expand(start.shape[0], count)
    first, extent = start.unsqueeze(1), (end - start).unsqueeze(1)
    steps = torch.arange(count, dtype=torch.float64)
    if mode == "OFFSET_CORNERS":
        return first + (steps + 0.5) * (extent.clamp(min=1) / count)
    if mode == "DEFAULT":
        reached = steps * ((extent + 1) / count)
        return first + torch.minimum(reached, extent.clamp(min=0))
    if mode == "ALIGN_CORNERS" and count == 1:
        return first + extent / 2
    share = steps / max(1, count - 1)
    return first * (1 - share) + end.unsqueeze(1) * share  # ends at the box's edge to the last bit


@op("resample")
def resample(
    x: Tensor,
    coordinates: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """Images `(B, C, H, W)` read at `coordinates` `(B, h, w, 2)`, which are x before y (iOS15, iOS16, iOS17)."""
    if x.ndim != 4 or coordinates.ndim != 4 or coordinates.shape[::3] != (x.shape[0], 2):
        raise EvaluationError(
            f"resample has x of shape {list(x.shape)} and coordinates of {list(coordinates.shape)}; expected"
            " [batch, channels, height, width] and [batch, rows, columns, 2]"
        )
    check_size((x.shape[0], max(2, x.shape[1]), *coordinates.shape[1:3]), times=4)
    sizes = torch.tensor([x.shape[-1], x.shape[-2]], dtype=torch.float32)
    points = _pixels(coordinates.float(), sizes, coordinates_mode, align_corners)
    if padding_mode == "border":
        points = torch.clamp(points, torch.zeros(2), sizes - 1)
    elif padding_mode == "reflection":
        points = _mirrored(points, torch.zeros(2), sizes - 1)
    elif padding_mode == "symmetric":
        points = torch.clamp(_mirrored(points, torch.full((2,), -0.5), sizes - 0.5), torch.zeros(2), sizes - 1)
    elif padding_mode != "constant":
        raise EvaluationError(
            f"resample has padding_mode {padding_mode!r}; expected constant, border, reflection or symmetric"
        )
    outside = padding_value if padding_mode == "constant" else None
    if sampling_mode == "bilinear":
        return _bilinear(x, points, outside)
    if sampling_mode == "nearest":
        return _pixels_at(x, torch.round(points), outside)
    raise EvaluationError(f"resample has sampling_mode {sampling_mode!r}; expected bilinear or nearest")


@op("affine")
def affine(
    x: Tensor,
    transform_matrix: Tensor,
    output_height: int,
    output_width: int,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    """Images `(B, C, H, W)` read at a matrix times (x, y, 1), one matrix an image or one for all (iOS15)."""
    matrices = transform_matrix.reshape(-1, 2, 3).expand(x.shape[0], 2, 3)
    size = [x.shape[0], x.shape[1], output_height, output_width]
    check_size((x.shape[0], max(3, x.shape[1]), output_height, output_width), times=4)
    grid = F.affine_grid(matrices, size, align_corners=align_corners)
    if coordinates_mode.lower() != "normalized_minus_one_to_one":
        raise EvaluationError(f"affine has coordinates_mode {coordinates_mode!r}; expected normalized_minus_one_to_one")
    return resample(
        x, grid, sampling_mode.lower(), padding_mode.lower(), padding_value, coordinates_mode.lower(), align_corners
    )


def _pixels(coordinates: Tensor, sizes: Tensor, mode: str, align_corners: bool) -> Tensor:
    """Coordinates as pixel numbers, whole at a pixel's middle."""
    if mode == "unnormalized":
        return coordinates
    if mode == "normalized_minus_one_to_one":
        shares = (coordinates + 1) / 2
    elif mode == "normalized_zero_to_one":
        shares = coordinates
    else:
        raise EvaluationError(
            f"coordinates_mode is {mode!r}; expected unnormalized, normalized_minus_one_to_one, normalized_zero_to_one"
        )
    return shares * (sizes - 1) if align_corners else shares * sizes - 0.5


def _mirrored(points: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Points mirrored at `low` and `high` until they lie between the two."""
    span = high - low
    turned = torch.remainder(points - low, 2 * span)
    folded = low + torch.where(turned > span, 2 * span - turned, turned)
    return torch.where(span > 0, folded, low)


def _bilinear(x: Tensor, points: Tensor, outside: float | None) -> Tensor:
    """`x` `(B, C, H, W)` at `points` `(B, h, w, 2)`, from the four pixels around each."""
    corner = points.floor()
    share = (points - corner).float().unsqueeze(1)
    right, down = share[..., 0], share[..., 1]
    across, along = points.new_tensor([1.0, 0.0]), points.new_tensor([0.0, 1.0])
    upper = _pixels_at(x, corner, outside) * (1 - right) + _pixels_at(x, corner + across, outside) * right
    corner = corner + along
    lower = _pixels_at(x, corner, outside) * (1 - right) + _pixels_at(x, corner + across, outside) * right
    return upper * (1 - down) + lower * down


def _pixels_at(x: Tensor, places: Tensor, outside: float | None) -> Tensor:
    """The pixels at whole `places` `(B, h, w, 2)`; beyond the image `outside`, or the pixel at its edge."""
    high, wide = x.shape[-2], x.shape[-1]
    column, row = places[..., 0], places[..., 1]
    index = row.clamp(0, high - 1).long() * wide + column.clamp(0, wide - 1).long()
    index = index.flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1)
    values = torch.gather(x.flatten(2), 2, index).reshape(*x.shape[:2], *places.shape[1:3])
    if outside is None:
        return values
    inside = (row >= 0) & (row <= high - 1) & (column >= 0) & (column <= wide - 1)
    return torch.where(inside.unsqueeze(1), values, outside)
