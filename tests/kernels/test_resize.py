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

from kernels.placement import Geometry
from kernels.resize import into_slot, into_slot_reference
from tests.kernels.pictures import mosaic, waves

Pixels = NDArray[np.uint8]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GEOMETRIES: tuple[Geometry, ...] = ("center_crop", "letterbox", "stretch")

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
def test_any_layout_gives_what_the_twin_gives(
    layout: str, geometry: Geometry, shape: tuple[int, int]
) -> None:
    pixels = LAYOUTS[layout](mosaic(61, 47))
    slot, expected = both(pixels, shape, geometry=geometry, mean=MEAN, std=STD)
    assert np.abs(slot - expected).max() < 1e-4


@settings(max_examples=150, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    layout=st.sampled_from(sorted(LAYOUTS)),
    geometry=st.sampled_from(GEOMETRIES),
    corners=st.none() | st.lists(st.floats(0, 1, width=16), min_size=4, max_size=4),
    dtype=st.sampled_from([np.float32, np.uint8]),
)
def test_any_shape_and_box_gives_what_the_twin_gives(
    size: tuple[int, int],
    shape: tuple[int, int],
    layout: str,
    geometry: Geometry,
    corners: list[float] | None,
    dtype: type,
) -> None:
    pixels = LAYOUTS[layout](mosaic(*size))
    box = None
    if corners is not None:
        (left, right), (top, bottom) = sorted(corners[:2]), sorted(corners[2:])
        height, width, _ = pixels.shape
        if right - left < 0.01 or bottom - top < 0.01:
            left, right, top, bottom = 0.0, 1.0, 0.0, 1.0
        box = (left * width, top * height, right * width, bottom * height)
    slot, expected = both(pixels, shape, dtype, geometry=geometry, box=box)
    # Bytes may round either way where the twin is just at a half.
    assert np.abs(slot.astype(float) - expected).max() <= (1e-5 if dtype is np.float32 else 1)


@pytest.mark.parametrize("size", [(1600, 1200), (300, 400), (223, 225), (100, 60), (1, 1), (1, 500)])
@pytest.mark.parametrize("make", [waves, mosaic])
def test_the_filter_is_pillows(size: tuple[int, int], make: Callable[[int, int], Pixels]) -> None:
    pixels = make(*size)
    slot = np.empty((3, 224, 224), dtype=np.float32)
    into_slot(pixels, slot, geometry="center_crop")
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    image = Image.fromarray(pixels).resize(
        (224, 224), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    # Pillow rounds to whole levels twice, after each axis.
    assert np.abs(slot * 255 - np.asarray(image).transpose(2, 0, 1)).max() <= 1


def test_a_box_is_filtered_as_pillow_filters_it() -> None:
    pixels, box = mosaic(200, 150), (20.5, 10.25, 180.0, 120.75)
    slot = np.empty((3, 40, 50), dtype=np.uint8)
    into_slot(pixels, slot, geometry="stretch", box=box)
    image = Image.fromarray(pixels).resize((50, 40), Image.Resampling.BILINEAR, box=box)
    assert np.abs(slot.transpose(1, 2, 0).astype(int) - np.asarray(image)).max() <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_picture_of_the_slots_size_is_copied_exactly(dtype: type) -> None:
    pixels = mosaic(32, 32)
    slot = np.empty((3, 32, 32), dtype=dtype)
    into_slot(pixels, slot, geometry="center_crop", mean=(0, 0, 0), std=(1 / 255,) * 3)
    assert np.array_equal(np.rint(slot), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_a_flat_picture_stays_flat(level: int) -> None:
    slot = np.empty((3, 23, 29), dtype=np.uint8)
    into_slot(np.full((61, 97, 3), level, dtype=np.uint8), slot, geometry="stretch")
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
