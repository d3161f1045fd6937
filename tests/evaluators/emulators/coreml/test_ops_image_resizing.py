"""Images resized, cropped and sampled: the documentation's own tables, numpy's interpolation and torch's kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.emulators.coreml.binding import bind
from evaluators.emulators.coreml.ops import find_op
from evaluators.errors import EvaluationError

RTOL = 2e-6
"""some tens of float32 roundings, relative to the largest value"""

BORDER_MODES = {"constant": "zeros", "border": "border", "reflection": "reflection"}
"""the op's padding → torch's"""


def compute(kind: str, opset: str = "CoreML7", **arguments: Any) -> torch.Tensor:
    bound = bind(find_op(kind, opset, where="here"), {name: [v] for name, v in arguments.items()}, where="here")
    return bound.call()


def normal(*shape: int, seed: int = 7) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def close(found: torch.Tensor, expected: Any) -> None:
    reference = torch.as_tensor(expected, dtype=torch.float32)
    assert found.shape == reference.shape
    torch.testing.assert_close(found, reference, rtol=RTOL, atol=RTOL * max(1.0, float(reference.abs().max())))


# The points that the documentation of iOS15's resize_bilinear lists for an input of two elements, 0 and 1.
DOCUMENTED = {
    ("UNALIGN_CORNERS", 5): [0.0, 0.1, 0.5, 0.9, 1.0],
    ("STRICT_ALIGN_CORNERS", 5): [0.0, 0.25, 0.5, 0.75, 1.0],
    ("ALIGN_CORNERS", 5): [0.0, 0.25, 0.5, 0.75, 1.0],
    ("DEFAULT", 5): [0.0, 0.4, 0.8, 1.0, 1.0],
    ("OFFSET_CORNERS", 5): [0.1, 0.3, 0.5, 0.7, 0.9],
    ("UNALIGN_CORNERS", 6): [0.0, 0.0, 1 / 3, 2 / 3, 1.0, 1.0],
    ("STRICT_ALIGN_CORNERS", 6): [0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
    ("DEFAULT", 6): [0.0, 1 / 3, 2 / 3, 1.0, 1.0, 1.0],
    ("OFFSET_CORNERS", 6): [1 / 12, 0.25, 5 / 12, 7 / 12, 0.75, 11 / 12],
    ("STRICT_ALIGN_CORNERS", 1): [0.0],
    ("ALIGN_CORNERS", 1): [0.5],
}


@pytest.mark.parametrize(("mode", "count"), DOCUMENTED)
def test_bilinear_follows_the_documented_points(mode: str, count: int) -> None:
    expected = DOCUMENTED[mode, count]
    x = torch.tensor([[[0.0, 1.0]]])
    along_width = compute("resize_bilinear", x=x, target_size_height=1, target_size_width=count, sampling_mode=mode)
    close(along_width, [[expected]])
    along_height = compute("resize_bilinear", x=x.mT, target_size_height=count, target_size_width=1, sampling_mode=mode)
    close(along_height, [[[value] for value in expected]])
    close(compute("resize", x=x, shape=[1, count], resized_dims=1, sampling_mode=mode), [[expected]])


def points(size: int, count: int, mode: str) -> np.ndarray:
    """The documentation's formulas, in float64."""
    i = np.arange(count)
    found = {
        "STRICT_ALIGN_CORNERS": lambda: i * (size - 1) / (count - 1),
        "DEFAULT": lambda: i * (size - size / count) / (count - 1),
        "OFFSET_CORNERS": lambda: 0.5 * max(1, size - 1) / count + i * max(1, size - 1) / count,
        "UNALIGN_CORNERS": lambda: i * size / count + 0.5 * size / count - 0.5,
    }[mode]()
    return np.clip(found, 0, size - 1)


@pytest.mark.parametrize("mode", ["STRICT_ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS"])
@settings(max_examples=25, deadline=None)
@given(sizes=st.tuples(*[st.integers(1, 9)] * 2), counts=st.tuples(*[st.integers(2, 12)] * 2))
def test_bilinear_is_numpys_interpolation_along_each_axis(mode: str, sizes: Any, counts: Any) -> None:
    check_against_numpy(normal(2, *sizes), mode, sizes, counts)


@pytest.mark.parametrize("shape", [(6, 10), (2, 6, 10), (2, 3, 6, 10)])
@pytest.mark.parametrize("factors", [(2, 2), (4, 1), (1, 8), (2, 3), (4, 0.5), (0.5, 0.5)])
def test_doubling_is_numpys_interpolation_too(shape: tuple[int, ...], factors: tuple[float, float]) -> None:
    """Where torch's own interpolation gives the documented values it is used."""
    sizes = shape[-2:]
    counts = [int(size * factor) for size, factor in zip(sizes, factors, strict=True)]
    check_against_numpy(normal(*shape), "UNALIGN_CORNERS", sizes, counts)


def check_against_numpy(x: torch.Tensor, mode: str, sizes: Sequence[int], counts: Sequence[int]) -> None:
    expected = x.numpy().astype(np.float64)
    for axis, (size, count) in enumerate(zip(sizes, counts, strict=True), x.ndim - 2):
        at = points(size, count, mode)
        expected = np.apply_along_axis(lambda row, at=at, n=size: np.interp(at, np.arange(n), row), axis, expected)
    found = compute(
        "resize_bilinear", x=x, target_size_height=counts[0], target_size_width=counts[1], sampling_mode=mode
    )
    close(found, expected)


@pytest.mark.parametrize("sizes", [(3, 4), (7, 5), (1, 11), (20, 13), (2, 2)])
def test_resizing_agrees_with_torch(sizes: tuple[int, int]) -> None:
    x = normal(2, 3, 5, 7)
    height, width = sizes
    target = {"target_size_height": height, "target_size_width": width}
    for mode, align in (("STRICT_ALIGN_CORNERS", True), ("UNALIGN_CORNERS", False)):
        expected = F.interpolate(x, sizes, mode="bilinear", align_corners=align)
        close(compute("resize_bilinear", x=x, sampling_mode=mode, **target), expected)
        close(compute("resize", x=x, shape=[9, *sizes], resized_dims=2, sampling_mode=mode), expected)
    nearest = F.interpolate(x, sizes, mode="nearest-exact")
    assert torch.equal(compute("resize_nearest_neighbor", x=x, **target), nearest)
    found = compute("resize", x=x, shape=[*sizes], resized_dims=2, interpolation_mode="NEAREST_NEIGHBOR")
    assert torch.equal(found, nearest)


@pytest.mark.parametrize(("height", "width"), [(2, 3), (4.5, 1.25), (0.5, 0.67), (1.0, 3.17)])
def test_upsampling_agrees_with_torch(height: float, width: float) -> None:
    x = normal(1, 2, 10, 12)
    factors = {"scale_factor_height": height, "scale_factor_width": width}
    nearest = F.interpolate(x, scale_factor=(height, width), mode="nearest", recompute_scale_factor=True)
    assert torch.equal(compute("upsample_nearest_neighbor", x=x, **factors), nearest)
    for align in (True, False):
        expected = F.interpolate(
            x, scale_factor=(height, width), mode="bilinear", align_corners=align, recompute_scale_factor=True
        )
        close(compute("upsample_bilinear", x=x, align_corners=align, **factors), expected)


def test_upsampling_without_half_pixels_is_the_default_sampling() -> None:
    x = normal(1, 3, 4)
    found = compute(
        "upsample_bilinear", x=x, scale_factor_height=2, scale_factor_width=3, align_corners=False,
        half_pixel_centers=False,
    )  # fmt: skip
    close(found, compute("resize_bilinear", x=x, target_size_height=6, target_size_width=12))
    with pytest.raises(EvaluationError, match="cannot align corners and take half-pixel centers at once"):
        compute("upsample_bilinear", x=x, align_corners=True, half_pixel_centers=True)


def test_the_size_of_an_upsampled_image_is_the_one_the_converter_declares() -> None:
    """0.7 as float32 is a little less; its product with 10 in float32 is 7 all the same, as np.floor finds it."""
    factor = float(np.float32(0.7))
    found = compute("upsample_nearest_neighbor", x=normal(1, 1, 10), scale_factor_height=1, scale_factor_width=factor)
    assert found.shape[-1] == int(np.floor(np.float32(0.7) * 10)) == 7


def test_resize_keeps_sizes_of_zero_and_integers() -> None:
    x = torch.tensor([[[0, 10]]], dtype=torch.int32)
    kept = compute("resize", x=x, shape=[1, 0, 0], resized_dims=2)
    assert torch.equal(kept, x)
    found = compute("resize", x=x, shape=[3, 4], resized_dims=1, sampling_mode="STRICT_ALIGN_CORNERS")
    assert found.dtype == torch.int32
    assert found.tolist() == [[[0, 3, 6, 10]]]
    rounded = compute(
        "resize", x=x, shape=[3], resized_dims=1, interpolation_mode="NEAREST_NEIGHBOR", sampling_mode="ALIGN_CORNERS"
    )
    assert rounded.tolist() == [[[0, 10, 10]]]  # 0.5 is rounded up


def test_crop_takes_off_rows_and_columns() -> None:
    x = torch.arange(24.0).reshape(1, 4, 6)
    found = compute("crop", x=x, crop_height=[1, 0], crop_width=[2, 3])
    assert found.tolist() == [[[8.0], [14.0], [20.0]]]
    assert compute("crop", x=x, crop_height=[4, 0], crop_width=[0, 0]).shape == (1, 0, 6)


PLANE = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)
"""the value at row r and column c is 4 r + c + 1, at points in between as well"""


def plane(rows: list[float], columns: list[float]) -> list[list[float]]:
    return [[4 * r + c + 1 for c in columns] for r in rows]


ALIGNED = {"sampling_mode": "ALIGN_CORNERS"}
BOXES: list[tuple[dict[str, Any], list[float], list[float], list[float]]] = [
    (ALIGNED, [1, 1, 2, 3], [1, 1.5, 2], [1, 2, 3]),
    ({"sampling_mode": "STRICT_ALIGN_CORNERS"}, [2, 3, 1, 1], [2, 1.5, 1], [3, 2, 1]),
    ({"box_coordinate_mode": "CORNERS_WIDTH_FIRST", **ALIGNED}, [1, 0, 3, 2], [0, 1, 2], [1, 2, 3]),
    ({"box_coordinate_mode": "CENTER_SIZE_HEIGHT_FIRST", **ALIGNED}, [1, 2, 2, 1], [0, 1, 2], [1.5, 2, 2.5]),
    ({"box_coordinate_mode": "CENTER_SIZE_WIDTH_FIRST", **ALIGNED}, [2, 1, 1, 2], [0, 1, 2], [1.5, 2, 2.5]),
    ({"spatial_scale": 0.5, **ALIGNED}, [0, 2, 4, 6], [0, 1, 2], [1, 2, 3]),
    ({"normalized_coordinates": True, **ALIGNED}, [0, 0, 1, 1], [0, 1.5, 3], [0, 1.5, 3]),
    ({"sampling_mode": "OFFSET_CORNERS"}, [0, 0, 3, 1.5], [0.5, 1.5, 2.5], [0.25, 0.75, 1.25]),
    ({"sampling_mode": "OFFSET_CORNERS"}, [1, 1, 1, 1], [7 / 6, 1.5, 11 / 6], [7 / 6, 1.5, 11 / 6]),
    ({"sampling_mode": "DEFAULT"}, [0, 1, 2, 3], [0, 1, 2], [1, 2, 3]),
    ({"sampling_mode": "DEFAULT"}, [1, 0, 2, 3], [1, 5 / 3, 2], [0, 4 / 3, 8 / 3]),
    ({"sampling_mode": "UNALIGN_CORNERS"}, [0, 0, 3, 3], [1 / 6, 1.5, 17 / 6], [1 / 6, 1.5, 17 / 6]),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "box", "rows", "columns"), BOXES)
def test_a_box_is_sampled_where_its_mode_says(
    parameters: dict[str, Any], box: list[float], rows: list[float], columns: list[float]
) -> None:
    target = {"target_height": 3, "target_width": 3, **parameters}
    found = compute("crop_resize", x=PLANE, boxes=torch.tensor([box], dtype=torch.float32), **target)
    close(found, [[plane(rows, columns)]])
    roi = torch.tensor(box, dtype=torch.float32).reshape(1, 1, 4, 1, 1)
    close(compute("crop_resize", "CoreML5", x=PLANE, roi=roi, **target), [[[plane(rows, columns)]]])


def test_beyond_the_image_a_box_holds_the_pad_value() -> None:
    target = {"target_height": 2, "target_width": 2, "sampling_mode": "ALIGN_CORNERS"}
    box = torch.tensor([[-1.0, 0.0, 1.0, 4.0]])
    close(compute("crop_resize", x=PLANE, boxes=box, pad_value=9.5, **target), [[[[9.5, 9.5], [5.0, 9.5]]]])
    close(compute("crop_resize", x=PLANE, boxes=box, **target), [[[[0.0, 0.0], [5.0, 0.0]]]])


def test_boxes_know_their_images() -> None:
    x = torch.stack((PLANE[0], PLANE[0] + 100))
    corner = torch.tensor([[0.0, 0.0, 0.0, 0.0]])
    close(compute("crop_resize", x=x, boxes=corner.repeat(2, 1)).flatten(), [1.0, 101.0])
    indices = torch.tensor([1, 1, 0], dtype=torch.int32)
    close(compute("crop_resize", x=x, boxes=corner.repeat(3, 1), box_indices=indices).flatten(), [101.0, 101.0, 1.0])
    every = compute("crop_resize", "CoreML6", x=x, roi=corner.reshape(1, 1, 4, 1, 1))
    close(every, torch.tensor([1.0, 101.0]).reshape(1, 2, 1, 1, 1))
    named = compute("crop_resize", "CoreML6", x=x, roi=torch.tensor([1.0, 0, 0, 1, 1]).reshape(1, 1, 5, 1, 1))
    close(named, torch.tensor([101.0]).reshape(1, 1, 1, 1, 1))


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("sampling_mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding_mode", BORDER_MODES)
@pytest.mark.parametrize("coordinates_mode", ["normalized_minus_one_to_one", "normalized_zero_to_one", "unnormalized"])
def test_resample_agrees_with_torchs_grid_sample(
    align_corners: bool, sampling_mode: str, padding_mode: str, coordinates_mode: str
) -> None:
    x, grid = normal(2, 3, 5, 7), normal(2, 4, 6, 2, seed=1) * 1.5
    aligned = align_corners or coordinates_mode == "unnormalized"
    if padding_mode == "reflection" and not aligned:
        padding_mode = "symmetric"  # torch's reflection at the outer edges of the border's pixels
    expected = F.grid_sample(
        x, grid, sampling_mode, BORDER_MODES.get(padding_mode, "reflection"), align_corners=aligned
    )
    coordinates = {
        "normalized_minus_one_to_one": grid,
        "normalized_zero_to_one": (grid + 1) / 2,
        "unnormalized": (grid + 1) / 2 * torch.tensor([6.0, 4.0]),
    }[coordinates_mode]
    found = compute(
        "resample", x=x, coordinates=coordinates, sampling_mode=sampling_mode, padding_mode=padding_mode,
        padding_value=0.0, coordinates_mode=coordinates_mode, align_corners=align_corners,
    )  # fmt: skip
    # A coordinate near the middle of two pixels may be rounded to either side by either formula.
    differing = (found - expected).abs() > 1e-4
    assert differing.float().mean() < (0.01 if sampling_mode == "nearest" else 1e-9)


def sample_row(at: list[float], padding_mode: str, padding_value: float = 0.0, mode: str = "bilinear") -> list[float]:
    coordinates = torch.tensor([[[[place, 0.0] for place in at]]])
    found = compute(
        "resample", x=torch.tensor([[[[1.0, 2.0, 3.0]]]]), coordinates=coordinates, sampling_mode=mode,
        padding_mode=padding_mode, padding_value=padding_value, coordinates_mode="unnormalized", align_corners=True,
    )  # fmt: skip
    return found.flatten().tolist()


def test_the_paddings_of_resample_are_the_documented_rows() -> None:
    beyond = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert sample_row(beyond, "constant") == [0, 0, 0, 1, 2, 3, 0, 0, 0]
    assert sample_row(beyond, "border") == [1, 1, 1, 1, 2, 3, 3, 3, 3]
    assert sample_row(beyond, "reflection") == [2, 3, 2, 1, 2, 3, 2, 1, 2]
    assert sample_row(beyond, "symmetric") == [3, 2, 1, 1, 2, 3, 3, 2, 1]
    assert sample_row([-1.0, -0.5, 2.25], "constant", padding_value=9.0) == [9.0, 5.0, 4.5]
    assert sample_row([0.5, 1.5, -0.4], "constant", padding_value=9.0, mode="nearest") == [1.0, 3.0, 1.0]


def test_coordinates_may_be_integers_and_images_a_pixel_wide() -> None:
    for dtype in (torch.int8, torch.uint8, torch.int16, torch.int32):
        found = compute(
            "resample", x=PLANE, coordinates=torch.tensor([[[[3, 1]]]], dtype=dtype), sampling_mode="bilinear",
            padding_mode="reflection", padding_value=0.0, coordinates_mode="unnormalized", align_corners=True,
        )  # fmt: skip
        assert found.item() == 8.0
    pixel = compute(
        "resample", x=torch.ones(1, 1, 1, 1), coordinates=torch.tensor([[[[5.0, -3.0]]]]), sampling_mode="bilinear",
        padding_mode="reflection", padding_value=0.0, coordinates_mode="unnormalized", align_corners=True,
    )  # fmt: skip
    assert pixel.item() == 1.0


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("matrices", [1, 2])
def test_affine_agrees_with_torchs_grid(align_corners: bool, matrices: int) -> None:
    x, matrix = normal(2, 3, 5, 7), normal(matrices, 6, seed=3)
    grid = F.affine_grid(matrix.reshape(-1, 2, 3).expand(2, 2, 3), [2, 3, 4, 6], align_corners=align_corners)
    found = compute(
        "affine", x=x, transform_matrix=matrix, output_height=4, output_width=6, sampling_mode="bilinear",
        padding_mode="constant", padding_value=0.0, coordinates_mode="normalized_minus_one_to_one",
        align_corners=align_corners,
    )  # fmt: skip
    torch.testing.assert_close(found, F.grid_sample(x, grid, align_corners=align_corners), rtol=1e-4, atol=1e-5)


RESAMPLE = {
    "x": PLANE, "coordinates": torch.zeros(1, 1, 1, 2), "sampling_mode": "bilinear", "padding_mode": "constant",
    "padding_value": 0.0, "coordinates_mode": "unnormalized", "align_corners": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("resample", {**RESAMPLE, "padding_mode": "wrap"}, "padding_mode 'wrap'; expected constant, border"),
        ("resample", {**RESAMPLE, "sampling_mode": "cubic"}, "sampling_mode 'cubic'; expected bilinear or nearest"),
        ("resample", {**RESAMPLE, "coordinates_mode": "polar"}, "coordinates_mode is 'polar'; expected unnormalized"),
        (
            "resize_bilinear",
            {"x": PLANE, "sampling_mode": "CENTER"},
            "sampling_mode is 'CENTER'; expected one of STRICT",
        ),
        (
            "resize",
            {"x": PLANE, "shape": [2], "resized_dims": 1, "interpolation_mode": "CUBIC"},
            "interpolation_mode 'CUBIC'; expected LINEAR or NEAREST_NEIGHBOR",
        ),
        ("crop_resize", {"x": PLANE, "boxes": torch.zeros(1, 4), "sampling_mode": "X"}, "sampling_mode is 'X'"),
        (
            "crop_resize",
            {"x": PLANE, "boxes": torch.zeros(1, 4), "box_coordinate_mode": "X"},
            "box_coordinate_mode is 'X'",
        ),
    ],
)
def test_unknown_modes_are_refused(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        compute(kind, **arguments)


@pytest.mark.coreml
@pytest.mark.slow
def test_programs_with_images_run(run_mil: Any) -> None:
    x = normal(1, 2, 4, 6).numpy()
    grid = normal(1, 3, 3, 2, seed=2).numpy()
    boxes = np.array([[0.0, 0.0, 1.0, 1.0]], np.float32)

    def body(mb: Any, x: Any, grid: Any) -> list[Any]:
        return [
            mb.resize_bilinear(x=x, target_size_height=3, target_size_width=9, sampling_mode="UNALIGN_CORNERS"),
            mb.upsample_nearest_neighbor(x=x, scale_factor_height=2, scale_factor_width=3),
            mb.resize(x=x, shape=[0, 12], resized_dims=np.uint32(2), sampling_mode="STRICT_ALIGN_CORNERS"),
            mb.resample(
                x=x, coordinates=grid, sampling_mode="bilinear", padding_mode="constant", padding_value=0.0,
                coordinates_mode="normalized_minus_one_to_one", align_corners=True,
            ),
            mb.crop_resize(
                x=x, boxes=boxes, normalized_coordinates=True, target_height=4, target_width=6,
                sampling_mode="ALIGN_CORNERS",
            ),
            mb.crop(x=x, crop_height=[1, 1], crop_width=[0, 2]),
        ]  # fmt: skip

    found = [torch.from_numpy(array) for array in run_mil(body, {"x": x, "grid": grid}, "iOS17")]
    image = torch.from_numpy(x)
    close(found[0], F.interpolate(image, (3, 9), mode="bilinear", align_corners=False))
    close(found[1], F.interpolate(image, scale_factor=(2, 3), mode="nearest"))
    close(found[2], F.interpolate(image, (4, 12), mode="bilinear", align_corners=True))
    close(found[3], F.grid_sample(image, torch.from_numpy(grid), align_corners=True))
    close(found[4], image)
    close(found[5], image[..., 1:3, :4])
