"""The fused kernel agrees with its numpy twin and with Pillow, for any shape, layout and geometry."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from kernels.filters import Filter
from kernels.placement import Geometry
from kernels.resize import into_slot, into_slot_reference
from tests.kernels.pictures import mosaic, waves

Pixels = NDArray[np.uint8]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GEOMETRIES: tuple[Geometry, ...] = ("center_crop", "letterbox", "stretch")
FILTERS: tuple[Filter, ...] = ("bilinear", "bicubic")
PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

LAYOUTS: dict[str, Callable[[Pixels], Pixels]] = {
    "plain": lambda pixels: pixels,
    "mirrored": lambda pixels: pixels[:, ::-1],
    "upside down": lambda pixels: pixels[::-1],
    "half turn": lambda pixels: pixels[::-1, ::-1],
    "transposed": lambda pixels: pixels.swapaxes(0, 1),
    "quarter turn": lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    "three quarter turn": lambda pixels: pixels.swapaxes(0, 1)[::-1],
    "transverse": lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    "cropped": lambda pixels: pixels[len(pixels) // 3 :, pixels.shape[1] // 4 :],
    "cropped quarter turn": lambda pixels: pixels[len(pixels) // 3 :].swapaxes(0, 1)[:, ::-1],
    "every second": lambda pixels: pixels[::2, ::2],
    "BGR": lambda pixels: pixels[:, :, ::-1],
    "planes": lambda pixels: np.ascontiguousarray(pixels.transpose(2, 0, 1)).transpose(1, 2, 0),
    "four channels": lambda pixels: np.dstack([pixels, pixels[..., :1]])[:, :, :3],
    "one repeated row": lambda pixels: np.broadcast_to(pixels[:1], pixels.shape),
}


def both(
    pixels: Pixels, shape: tuple[int, int], dtype: type = np.float32, **options: object
) -> tuple[NDArray, NDArray]:
    """The slot as the kernel and as its twin fill it; every number is written."""
    slots = [np.full((3, *shape), 77, dtype=dtype) for _ in range(2)]
    placements = [
        fill(pixels, slot, **options)  # type: ignore[arg-type]
        for fill, slot in zip((into_slot, into_slot_reference), slots, strict=True)
    ]
    assert placements[0] == placements[1]
    return slots[0], slots[1]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("shape", [(24, 24), (17, 31), (90, 90)])
@pytest.mark.parametrize("kind", FILTERS)
def test_any_layout_gives_what_the_twin_gives(
    layout: str, geometry: Geometry, shape: tuple[int, int], kind: Filter
) -> None:
    pixels = LAYOUTS[layout](mosaic(61, 47))
    slot, expected = both(pixels, shape, geometry=geometry, mean=MEAN, std=STD, kind=kind)
    assert np.abs(slot - expected).max() < 1e-4


@settings(max_examples=150, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    layout=st.sampled_from(sorted(LAYOUTS)),
    geometry=st.sampled_from(GEOMETRIES),
    corners=st.none() | st.lists(st.floats(0, 1, width=16), min_size=4, max_size=4),
    dtype=st.sampled_from([np.float32, np.uint8]),
    kind=st.sampled_from(FILTERS),
)
def test_any_shape_and_box_gives_what_the_twin_gives(
    size: tuple[int, int],
    shape: tuple[int, int],
    layout: str,
    geometry: Geometry,
    corners: list[float] | None,
    dtype: type,
    kind: Filter,
) -> None:
    pixels = LAYOUTS[layout](mosaic(*size))
    box = None
    if corners is not None:
        (left, right), (top, bottom) = sorted(corners[:2]), sorted(corners[2:])
        height, width, _ = pixels.shape
        if right - left < 0.01 or bottom - top < 0.01:
            left, right, top, bottom = 0.0, 1.0, 0.0, 1.0
        box = (left * width, top * height, right * width, bottom * height)
    slot, expected = both(pixels, shape, dtype, geometry=geometry, box=box, kind=kind)
    # Bytes may round either way where the twin is just at a half; bicubic levels are whole before.
    is_rounded = dtype is np.uint8 and kind == "bilinear"
    assert np.abs(slot.astype(float) - expected).max() <= (1 if is_rounded else 1e-5)


def checks(width: int, height: int) -> Pixels:
    """Black and white squares of every size: nothing overshoots more."""
    y, x = np.indices((height, width))
    side = 1 + x * 24 // width
    levels = ((x // side + y // side) % 2 * 255).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize(
    "size", [(1600, 1200), (300, 400), (223, 225), (100, 60), (1, 1), (1, 500), (1201, 333)]
)
@pytest.mark.parametrize("make", [waves, mosaic, checks])
def test_a_centre_crop_is_pillows_resize_and_crop(
    size: tuple[int, int], make: Callable[[int, int], Pixels], kind: Filter
) -> None:
    pixels = make(*size)
    slot = np.empty((3, 224, 224), dtype=np.float32)
    into_slot(pixels, slot, geometry="center_crop", kind=kind)
    short, long = min(size), max(size)
    scaled = [224 if side == short else int(224 * long / short) for side in size]
    left, top = (scaled[0] - 224) // 2, (scaled[1] - 224) // 2
    image = Image.fromarray(pixels).resize((scaled[0], scaled[1]), PILLOW[kind])
    expected = np.asarray(image.crop((left, top, left + 224, top + 224)))
    # Pillow rounds to whole levels twice, after each axis; the bicubic kernel does as much.
    slack = 1 if kind == "bilinear" else 1e-4
    assert np.abs(slot * 255 - expected.transpose(2, 0, 1)).max() <= slack


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("size", [(1600, 1200), (640, 427), (333, 1000), (50, 30)])
def test_a_letterbox_is_pillows_resize_pasted_on_grey(size: tuple[int, int], kind: Filter) -> None:
    pixels = mosaic(*size)
    slot = np.empty((3, 640, 640), dtype=np.uint8)
    into_slot(pixels, slot, geometry="letterbox", kind=kind)
    width, height = (side * 640 // max(size) for side in size)
    canvas = Image.new("RGB", (640, 640), (114, 114, 114))
    small = Image.fromarray(pixels).resize((width, size[1]), PILLOW[kind])
    small = small.resize((width, height), PILLOW[kind])
    canvas.paste(small, ((640 - width) // 2, (640 - height) // 2))
    assert np.abs(slot.transpose(1, 2, 0).astype(int) - np.asarray(canvas)).max() <= (kind == "bilinear")


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("size", [(310, 97), (301, 517)])
def test_stretching_is_pillows_resize(kind: Filter, size: tuple[int, int]) -> None:
    pixels = mosaic(*size)
    slot = np.empty((3, 224, 224), dtype=np.uint8)
    into_slot(pixels, slot, geometry="stretch", kind=kind)
    # One axis at a time: newer versions of Pillow may take the cheaper one first.
    image = Image.fromarray(pixels).resize((224, size[1]), PILLOW[kind]).resize((224, 224), PILLOW[kind])
    assert np.abs(slot.transpose(1, 2, 0).astype(int) - np.asarray(image)).max() <= (kind == "bilinear")


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_picture_decoded_smaller_goes_where_the_original_would(geometry: Geometry) -> None:
    # 1333 x 751 at a half is 667 x 376: truncation would give another size and another place.
    small = mosaic(667, 376)
    slot = np.empty((3, 640, 640), dtype=np.uint8)
    placement = into_slot(small, slot, geometry=geometry, original=(1333, 751))
    large = np.empty((3, 640, 640), dtype=np.uint8)
    assert into_slot(mosaic(1333, 751), large, geometry=geometry) == placement
    assert (slot[:, 0] == 114).all() == (large[:, 0] == 114).all()
    grey = (slot == 114).all(axis=(0, 2)), (large == 114).all(axis=(0, 2))
    np.testing.assert_array_equal(*grey)


@pytest.mark.parametrize("kind", FILTERS)
def test_a_box_is_filtered_as_pillow_filters_it(kind: Filter) -> None:
    pixels, box = mosaic(200, 150), (20.5, 10.25, 180.0, 120.75)
    slot = np.empty((3, 40, 50), dtype=np.uint8)
    into_slot(pixels, slot, geometry="stretch", box=box, kind=kind)
    wide = Image.fromarray(pixels).resize((50, 150), PILLOW[kind], box=(box[0], 0, box[2], 150))
    image = wide.resize((50, 40), PILLOW[kind], box=(0, box[1], 50, box[3]))
    assert np.abs(slot.transpose(1, 2, 0).astype(int) - np.asarray(image)).max() <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_picture_of_the_slots_size_is_copied_exactly(dtype: type) -> None:
    pixels = mosaic(32, 32)
    slot = np.empty((3, 32, 32), dtype=dtype)
    into_slot(pixels, slot, geometry="center_crop", mean=(0, 0, 0), std=(1 / 255,) * 3)
    assert np.array_equal(np.rint(slot), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_a_flat_picture_stays_flat(level: int, kind: Filter) -> None:
    slot = np.empty((3, 23, 29), dtype=np.uint8)
    into_slot(np.full((61, 97, 3), level, dtype=np.uint8), slot, geometry="stretch", kind=kind)
    assert np.unique(slot).tolist() == [level]


def test_the_letterbox_pads_with_normalised_grey() -> None:
    slot = np.full((3, 20, 20), np.nan, dtype=np.float32)
    into_slot(np.zeros((10, 20, 3), dtype=np.uint8), slot, geometry="letterbox", mean=MEAN, std=STD, fill=114)
    grey = (114 / 255 - np.array(MEAN)) / np.array(STD)
    black = -np.array(MEAN) / np.array(STD)
    for rows, expected in ((slice(0, 5), grey), (slice(5, 15), black), (slice(15, 20), grey)):
        assert slot[:, rows] == pytest.approx(
            np.broadcast_to(expected[:, None, None], slot[:, rows].shape), abs=1e-5
        )
    bytes_slot = np.zeros((3, 20, 20), dtype=np.uint8)
    into_slot(np.zeros((10, 20, 3), dtype=np.uint8), bytes_slot, geometry="letterbox")
    assert np.unique(bytes_slot[:, :5]).tolist() == [114]


def test_only_its_own_slot_of_the_batch_is_written() -> None:
    batch = np.full((3, 3, 16, 16), 7.0, dtype=np.float32)
    into_slot(mosaic(40, 30), batch[1], geometry="letterbox")
    assert (batch[0] == 7).all() and (batch[2] == 7).all() and (batch[1] != 7).all()


@pytest.mark.parametrize("layout", ["plain", "quarter turn", "half turn", "cropped"])
def test_nothing_as_large_as_the_picture_is_allocated(layout: str) -> None:
    pixels = LAYOUTS[layout](waves(1600, 1200))
    slot = np.empty((3, 224, 224), dtype=np.float32)
    into_slot(pixels, slot, geometry="center_crop", mean=MEAN, std=STD)
    tracemalloc.start()
    try:
        into_slot(pixels, slot, geometry="center_crop", mean=MEAN, std=STD)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 5, 3), dtype=np.uint8),
        np.zeros((5, 0, 3), dtype=np.uint8),
        np.zeros((5, 5), dtype=np.uint8),
        np.zeros((5, 5, 4), dtype=np.uint8),
        np.zeros((5, 5, 3), dtype=np.float32),
    ],
)
def test_wrong_pixels_are_an_error(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        into_slot(pixels, np.empty((3, 4, 4), dtype=np.float32), geometry="stretch")


@pytest.mark.parametrize(
    "slot",
    [
        np.empty((3, 0, 4), dtype=np.float32),
        np.empty((4, 4, 3), dtype=np.float32),
        np.empty((3, 4, 4), dtype=np.float64),
        np.empty((3, 4, 8), dtype=np.float32)[:, :, ::2],
    ],
)
def test_a_wrong_slot_is_an_error(slot: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="slot must be"):
        into_slot(mosaic(8, 8), slot, geometry="stretch")
