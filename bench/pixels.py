"""From JPEG bytes to a network's input, against the usual ways to do it:  python -m bench.pixels

One thread, and its processor time: what others take from a busy machine is not counted; every way runs once
per round, so that the rest of their disturbance meets all alike. Each way gives the centre square of the
picture at 224 x 224, normalised, channels first, float32. The difference is that to Pillow's full decoding
and antialiased bilinear resize, in grey levels of 255. Memory is the growth of the process during one call,
measured by the system: decoders and compiled code included, the output not.
"""

from __future__ import annotations

import ctypes
import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from bench.photo import jpeg, photo
from kernels import decode, resize
from kernels.decode import ImageLimits

SIDE = 224
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
LIMITS = ImageLimits(max_bytes=10_000_000, max_pixels=40_000_000)
PICTURES = ((1600, 1200, 320_000), (800, 600, 99_500))
ROUNDS = 40
BASELINE = "Pillow, full size"

Slot = NDArray[np.float32]
Way = Callable[[bytes, Slot], object]


class Row(NamedTuple):
    """One way on one picture; speed-up is the baseline's p10 over this p10."""

    way: str
    median_ms: float
    p10_ms: float
    speed_up: float
    peak_mb: float | None
    max_difference: float | None


def pillow(data: bytes, slot: Slot, *, is_drafted: bool = False) -> None:
    image = Image.open(io.BytesIO(data))
    if is_drafted:
        image.draft("RGB", (SIDE, SIDE))
    _shrink(image.convert("RGB"), slot)


def opencv(data: bytes, slot: Slot, interpolation: int, flags: int = cv2.IMREAD_COLOR) -> None:
    pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    left, top, right, bottom = (round(edge) for edge in _middle(pixels.shape[1], pixels.shape[0]))
    square = pixels[top:bottom, left:right]
    small = cv2.resize(square, (SIDE, SIDE), interpolation=interpolation)
    _normalise(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), slot)


def unfused(data: bytes, slot: Slot) -> None:
    """Our decoder, then one step after another."""
    _shrink(Image.fromarray(simplejpeg.decode_jpeg(data)), slot)


def ours(data: bytes, slot: Slot, cover: int | None = None) -> None:
    pixels = decode.rgb(data, LIMITS, cover=cover)
    resize.into_slot(pixels, slot, geometry="center_crop", mean=MEAN, std=STD)


WAYS: dict[str, Way] = {
    BASELINE: pillow,
    "Pillow, draft()": lambda data, slot: pillow(data, slot, is_drafted=True),
    "OpenCV, INTER_LINEAR (no antialiasing)": lambda data, slot: opencv(data, slot, cv2.INTER_LINEAR),
    "OpenCV, INTER_AREA": lambda data, slot: opencv(data, slot, cv2.INTER_AREA),
    "OpenCV, reduced + INTER_AREA": lambda data, slot: opencv(data, slot, cv2.INTER_AREA, _reduced(data)),
    "simplejpeg + Pillow's resize + numpy": unfused,
    "**ours, full size**": ours,
    "**ours, decoded at a fraction**": lambda data, slot: ours(data, slot, SIDE),
    "floor: decoding alone, full size": lambda data, slot: decode.rgb(data, LIMITS),
    "floor: decoding alone, at a fraction": lambda data, slot: decode.rgb(data, LIMITS, cover=SIDE),
}


def measure(data: bytes, rounds: int = ROUNDS) -> list[Row]:
    """Every way on one picture."""
    slots = {way: np.zeros((3, SIDE, SIDE), dtype=np.float32) for way in WAYS}
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(rounds + 1):
        for way, run_way in WAYS.items():
            start = time.thread_time()
            run_way(data, slots[way])
            if turn:  # the first compiles
                spent[way].append((time.thread_time() - start) * 1e3)
    p10 = {way: float(np.percentile(times, 10)) for way, times in spent.items()}
    levels = STD[:, None, None] * 255
    return [
        Row(
            way,
            float(np.median(spent[way])),
            p10[way],
            p10[BASELINE] / p10[way],
            _peak_mb(lambda run_way=run_way, way=way: run_way(data, slots[way])),
            None if way.startswith("floor") else float((np.abs(slots[way] - slots[BASELINE]) * levels).max()),
        )
        for way, run_way in WAYS.items()
    ]


def kernel_alone(pixels: NDArray[np.uint8], rounds: int = ROUNDS) -> tuple[float, float | None]:
    """p10 in ms and peak in MB of the resize kernel on pixels that lie a quarter turned, as a phone's do."""
    slot = np.zeros((3, SIDE, SIDE), dtype=np.float32)
    turned = pixels.swapaxes(0, 1)[:, ::-1]

    def call() -> None:
        resize.into_slot(turned, slot, geometry="center_crop", mean=MEAN, std=STD)

    times = []
    for _ in range(rounds + 1):
        start = time.thread_time()
        call()
        times.append((time.thread_time() - start) * 1e3)
    return float(np.percentile(times[1:], 10)), _peak_mb(call)


def run() -> str:
    """The section for bench/RESULTS.md."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        sections = [_table(*picture) for picture in PICTURES]
    finally:
        cv2.setNumThreads(threads)
    return "\n\n".join(["### JPEG to network input, one thread", *sections])


def _table(width: int, height: int, wanted_bytes: int) -> str:
    pixels = photo(width, height)
    data = jpeg(pixels, wanted_bytes)
    lines = [
        f"| {width} x {height}, {len(data) / 1e3:.0f} kB | median ms | p10 ms | speed-up | MB | difference |",
        "|---|---|---|---|---|---|",
    ]
    for row in measure(data):
        memory = "-" if row.peak_mb is None else f"{row.peak_mb:.1f}"
        difference = "-" if row.max_difference is None else f"{row.max_difference:.1f}"
        times = f"{row.median_ms:.2f} | {row.p10_ms:.2f} | {row.speed_up:.2f}"
        lines.append(f"| {row.way} | {times} | {memory} | {difference} |")
    p10, peak = kernel_alone(pixels)
    memory = "not measured" if peak is None else f"{peak:.2f} MB"
    lines += ["", f"The kernel alone, on a picture turned by its EXIF tag: {p10:.2f} ms, {memory}."]
    return "\n".join(lines)


def _middle(width: int, height: int) -> tuple[float, float, float, float]:
    """What is left of the picture when its shorter side becomes SIDE and the middle is cut out, as a box."""
    edges = []
    for length in (width, height):
        resized = length * SIDE // min(width, height)
        start = (resized - SIDE) // 2
        edges.append((start * length / resized, (start + SIDE) * length / resized))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


def _shrink(image: Image.Image, slot: Slot) -> None:
    box = _middle(*image.size)
    _normalise(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)), slot)


def _normalise(pixels: NDArray[np.uint8], slot: Slot) -> None:
    levels = pixels.astype(np.float32)
    levels *= 1 / (255 * STD)
    levels -= MEAN / STD
    slot[...] = levels.transpose(2, 0, 1)


def _reduced(data: bytes) -> int:
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    side = min(height, width)
    if side >= 4 * SIDE:
        return cv2.IMREAD_REDUCED_COLOR_4
    return cv2.IMREAD_REDUCED_COLOR_2 if side >= 2 * SIDE else cv2.IMREAD_COLOR


def _peak_mb(call: Callable[[], object]) -> float | None:
    """Growth of the process during the call, MB; None where the system cannot tell (only Linux can)."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return None

    def kilobytes(field: str) -> int:
        found = re.search(field + r":\s+(\d+) kB", status.read_text())
        return int(found[1]) if found else 0

    call()
    ctypes.CDLL(None).malloc_trim(0)
    reset.write_text("5")  # forgets the highest size so far
    before = kilobytes("VmRSS")
    call()
    return max(0, kilobytes("VmHWM") - before) / 1e3


if __name__ == "__main__":
    print(run())
