"""Decoded pixels to a network's input, in one pass over the picture.

`into_slot` crops, resizes with an antialiasing filter (Pillow's BILINEAR or BICUBIC), normalises and writes
channels first, straight into the slot of a batch. With the triangle filter it goes down the picture one
output row at a time: the source rows of that output row are summed into one row of floats, contiguous and
so vectorised, and that row is filtered sideways while it is still in the cache. Nothing as large as the
picture or the slot is allocated. `bicubic` has the other filter.

A turned picture (EXIF) is a strided view; it is read in the order of its memory and turned as it is written
(the bicubic filter depends on the order of the axes, so there it is copied first).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from kernels import bicubic
from kernels.filters import PADDING, Filter, matrix, taps
from kernels.lanes import weigh_pixel
from kernels.placement import Box, Geometry, Placement, Span, plan

__all__ = ["Box", "Filter", "Geometry", "Placement", "Slot", "into_slot", "into_slot_reference", "warm_up"]

Slot = NDArray[np.float32] | NDArray[np.uint8]
Channels = Sequence[float] | NDArray[np.float32]

_ROWS_AT_ONCE = PADDING
"""Source rows added in one sweep over the row of sums: fewer sweeps, yet few enough streams to prefetch."""


def into_slot(
    pixels: NDArray[np.uint8],
    slot: Slot,
    *,
    geometry: Geometry,
    mean: Channels = (0.0, 0.0, 0.0),
    std: Channels = (1.0, 1.0, 1.0),
    box: Box | None = None,
    fill: int = 114,
    kind: Filter = "bilinear",
    original: tuple[int, int] | None = None,
) -> Placement:
    """Writes the picture, or the box of it, into the slot.

    pixels: (H, W, 3) uint8 RGB, any strides. slot: (3, S, S) contiguous, filled whole: float32 gets
    (level / 255 - mean) / std; uint8 gets rounded levels, and no mean or std: that network normalises itself.
    geometry: see `placement.plan`; what a letterbox leaves free becomes grey `fill`, 0..255.
    box: (x_min, y_min, x_max, y_max), pixels, clipped to the picture; the filter may reach beyond it, as
    Pillow's does. original: (width, height) before a decode at 1/n of it: sizes are truncated, the box is given
    and the placement is returned in its pixels. Raises ValueError for a wrong shape or dtype, or a box that holds
    no pixels.
    """
    across, down, placement = _checked_plan(pixels, slot, geometry, box, original)
    gain, bias = _levels(slot, mean, std)
    _pad(slot, across, down, gain, bias, fill)
    if kind == "bicubic":
        bicubic.resample(
            _rows(pixels),
            (down.low, down.high, down.length),
            (across.low, across.high, across.length),
            slot.reshape(-1),
            down.first * slot.shape[2] + across.first,
            slot.shape[2],
            slot.shape[1] * slot.shape[2],
            gain,
            bias,
        )
        return placement
    memory = _memory_order(pixels)
    columns, x_start, x_step = across, across.first, 1
    rows, y_start, y_step = down, down.first, slot.shape[2]
    if memory.flip_x:
        columns, x_start, x_step = across.mirrored(pixels.shape[1]), x_start + across.length - 1, -x_step
    if memory.flip_y:
        rows, y_start, y_step = down.mirrored(pixels.shape[0]), y_start + down.length - 1, -y_step
    start = y_start * slot.shape[2] + x_start
    if memory.is_transposed:
        columns, rows, x_step, y_step = rows, columns, y_step, x_step
    _resample(
        memory.flat,
        memory.stride,
        memory.height,
        memory.width,
        (rows.low, rows.high, rows.length),
        (columns.low, columns.high, columns.length),
        slot.reshape(-1),
        start,
        y_step,
        x_step,
        slot.shape[1] * slot.shape[2],
        gain,
        bias,
    )
    return placement


def into_slot_reference(
    pixels: NDArray[np.uint8],
    slot: Slot,
    *,
    geometry: Geometry,
    mean: Channels = (0.0, 0.0, 0.0),
    std: Channels = (1.0, 1.0, 1.0),
    box: Box | None = None,
    fill: int = 114,
    kind: Filter = "bilinear",
    original: tuple[int, int] | None = None,
) -> Placement:
    """The numpy twin of `into_slot`: the filter as two dense matrices."""
    across, down, placement = _checked_plan(pixels, slot, geometry, box, original)
    gain, bias = _levels(slot, mean, std)
    _pad(slot, across, down, gain, bias, fill)
    rows, columns = matrix(pixels.shape[0], down, kind), matrix(pixels.shape[1], across, kind)
    levels = (
        bicubic.reference(pixels, rows, columns)
        if kind == "bicubic"
        else np.einsum("ih,hwc,jw->cij", rows, pixels.astype(np.float64), columns, optimize=True)
    )
    inside = slot[:, down.first : down.first + down.length, across.first : across.first + across.length]
    inside[...] = levels * gain[:, None, None] + bias[:, None, None]
    return placement


def warm_up() -> None:
    """Compile the kernels of this module for the arrays the server uses."""
    pixels = np.zeros((4, 5, 3), dtype=np.uint8)
    for slot in (np.empty((3, 2, 2), dtype=np.float32), np.empty((3, 2, 2), dtype=np.uint8)):
        into_slot(pixels, slot, geometry="stretch")


class _Memory(NamedTuple):
    """A picture as it lies in memory.

    flat: all bytes from its first pixel to its last, read-only. stride: bytes from row to row. height, width:
    of the rows in memory. Reading them gives the picture after the flips, of its own axes, and then the
    transposition.
    """

    flat: NDArray[np.uint8]
    stride: int
    height: int
    width: int
    flip_x: bool
    flip_y: bool
    is_transposed: bool


def _checked_plan(
    pixels: NDArray[np.uint8],
    slot: Slot,
    geometry: Geometry,
    box: Box | None,
    original: tuple[int, int] | None,
) -> tuple[Span, Span, Placement]:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ValueError(f"pixels must be (H, W, 3) uint8, not {pixels.shape} {pixels.dtype}")
    if slot.dtype not in (np.float32, np.uint8) or slot.ndim != 3 or slot.shape[0] != 3 or slot.size == 0:
        raise ValueError(f"the slot must be (3, S, S) float32 or uint8, not {slot.shape} {slot.dtype}")
    if not slot.flags.c_contiguous:
        raise ValueError("the slot must be contiguous")
    width, height = pixels.shape[1], pixels.shape[0]
    size = original or (width, height)
    across, down, placement = plan(size, (slot.shape[2], slot.shape[1]), geometry, box)
    # A decoder's scales are whole, and it rounds sizes up: their ratio would stretch the picture a little.
    scale = 1 / round(max(size) / max(width, height))
    return across.scaled(scale), down.scaled(scale), placement


def _levels(slot: Slot, mean: Channels, std: Channels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gain and bias per channel, (3,) float32 each, that turn a grey level into the slot's number."""
    if slot.dtype == np.uint8:
        return np.ones(3, dtype=np.float32), np.full(3, 0.5, dtype=np.float32)  # stored by truncation
    gain = 1.0 / np.asarray(std, dtype=np.float64)
    bias = -np.asarray(mean, dtype=np.float64) * gain
    return (gain / 255.0).astype(np.float32), bias.astype(np.float32)


def _pad(
    slot: Slot, across: Span, down: Span, gain: NDArray[np.float32], bias: NDArray[np.float32], fill: int
) -> None:
    """Fills what the picture will not cover."""
    grey = (np.float32(fill) * gain + bias)[:, None, None].astype(slot.dtype)
    slot[:, : down.first] = grey
    slot[:, down.first + down.length :] = grey
    slot[:, :, : across.first] = grey
    slot[:, :, across.first + across.length :] = grey


def _memory_order(pixels: NDArray[np.uint8]) -> _Memory:
    """Undoes what views can do; a layout that is not rows of interleaved RGB is copied."""
    flip_y, flip_x = pixels.strides[0] < 0, pixels.strides[1] < 0
    rows = pixels[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    is_transposed = rows.strides[0] < rows.strides[1]
    if is_transposed:
        rows = rows.swapaxes(0, 1)
    height, width, _ = rows.shape
    stride, step, channel = rows.strides
    if channel != 1 or (step != 3 and width > 1) or (stride < 3 * width and height > 1):
        rows = np.ascontiguousarray(rows)
        stride = rows.strides[0]
    # Always flat and read-only: one array type, so the kernel is compiled once.
    flat = as_strided(rows, ((height - 1) * stride + 3 * width,), (1,), writeable=False)
    return _Memory(flat, stride, height, width, flip_x, flip_y, is_transposed)


def _rows(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, 3 W), contiguous and read-only; copies only what lies otherwise."""
    rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1).view()
    rows.flags.writeable = False
    return rows


@njit(nogil=True, cache=True, fastmath={"contract"})
def _resample(
    flat: NDArray[np.uint8],
    stride: int,
    rows: int,
    columns: int,
    down: tuple[float, float, int],
    across: tuple[float, float, int],
    out: Slot,
    start: int,
    y_step: int,
    x_step: int,
    plane: int,
    gain: NDArray[np.float32],
    bias: NDArray[np.float32],
) -> None:
    """Filters the picture in `flat` into `out`, from `start` on, with steps that turn it.

    down, across: (low, high, length) of the span of each axis of the memory.
    """
    y_first, y_exact, y_taps = taps(rows, down[0], down[1], down[2], False)
    x_first, x_exact, x_taps = taps(columns, across[0], across[1], across[2], False)
    y_weights, x_weights = y_exact.astype(np.float32), x_exact.astype(np.float32)
    left, width = x_first.min(), x_weights.shape[1]
    factors = x_weights.reshape(-1)
    length = 3 * (x_first.max() + x_taps - left)
    # Zeros where only the padding of the weights reaches, and one to spare for the fourth lane.
    sums = np.zeros(3 * (x_first.max() + width - left) + 1, dtype=np.float32)
    line = np.zeros(3 * across[2] + 1, dtype=np.float32)
    for y in range(down[2]):
        for tap in range(0, y_taps, _ROWS_AT_ONCE):
            # Padding has weight zero; it may read any row that exists.
            row = y_first[y] + tap
            at0 = row * stride + 3 * left
            at1 = min(row + 1, rows - 1) * stride + 3 * left
            at2 = min(row + 2, rows - 1) * stride + 3 * left
            at3 = min(row + 3, rows - 1) * stride + 3 * left
            _add_rows(
                flat[at0 : at0 + length],
                flat[at1 : at1 + length],
                flat[at2 : at2 + length],
                flat[at3 : at3 + length],
                y_weights[y, tap : tap + _ROWS_AT_ONCE],
                tap == 0,
                sums[:length],
            )
        for x in range(across[2]):
            weigh_pixel(sums, 3 * (x_first[x] - left), factors, x * width, width, line, 3 * x)
        at = start + y * y_step
        for channel in range(3):
            _spread(line[channel:-1], out, at + channel * plane, x_step, gain[channel], bias[channel])


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add_rows(
    row0: NDArray[np.uint8],
    row1: NDArray[np.uint8],
    row2: NDArray[np.uint8],
    row3: NDArray[np.uint8],
    weights: NDArray[np.float32],
    is_first: bool,
    sums: NDArray[np.float32],
) -> None:
    """sums (+)= the four rows, weighted."""
    weight0, weight1, weight2, weight3 = weights[0], weights[1], weights[2], weights[3]
    if is_first:
        for index in range(sums.shape[0]):
            sums[index] = (
                weight0 * np.float32(row0[index])
                + weight1 * np.float32(row1[index])
                + weight2 * np.float32(row2[index])
                + weight3 * np.float32(row3[index])
            )
    else:
        for index in range(sums.shape[0]):
            sums[index] += (
                weight0 * np.float32(row0[index])
                + weight1 * np.float32(row1[index])
                + weight2 * np.float32(row2[index])
                + weight3 * np.float32(row3[index])
            )


@njit(nogil=True, cache=True, fastmath={"contract"})
def _spread(
    line: NDArray[np.float32], out: Slot, start: int, step: int, gain: np.float32, bias: np.float32
) -> None:
    """Every third number of `line`, normalised, into `out` from `start` on, `step` apart."""
    count = -(-line.shape[0] // 3)
    if step == 1:  # apart from the others: contiguous, so it is vectorised
        run = out[start : start + count]
        for x in range(count):
            run[x] = line[3 * x] * gain + bias
    else:
        for x in range(count):
            out[start + x * step] = line[3 * x] * gain + bias
