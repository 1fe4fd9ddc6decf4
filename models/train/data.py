"""The pictures that train and measure the encoder, decoded once into memory. Needs no PyTorch."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 224
# The encoder's input is (level / 255 - MEAN) / STD in every channel.
MEAN = 0.5
STD = 0.25
DATA = Path("../shared/data")

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class DataMissing(RuntimeError):
    """A folder of pictures is not where it should be; the message names it."""


class Photos(NamedTuple):
    """Grocery photos; `fine` and `coarse` are class numbers, `is_reference` marks the shop pictures."""

    pixels: Pixels  # (N, 224, 224, 3) RGB
    fine: Numbers  # (N,)
    coarse: Numbers  # (N,)
    is_reference: NDArray[np.bool_]  # (N,)

    def where(self, chosen: NDArray[np.bool_]) -> Photos:
        """The photos of a mask."""
        return Photos(self.pixels[chosen], self.fine[chosen], self.coarse[chosen], self.is_reference[chosen])


def read_rgb(path: Path) -> Pixels:
    """A picture file as (H, W, 3) RGB."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise DataMissing(f"{path} is missing or no picture")
    return np.ascontiguousarray(pixels[:, :, ::-1]).astype(np.uint8, copy=False)


def fit(pixels: Pixels, side: int = SIDE) -> Pixels:
    """The whole picture as a square, its ratio given up."""
    height, width = pixels.shape[:2]
    if (height, width) == (side, side):
        return pixels
    shrinks = min(height, width) > side
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=how), np.uint8)


def grocery(data: Path, kinds: Sequence[str] = ("train", "reference")) -> Photos:
    """The grocery photos of the given kinds (train, reference, val) in the order of the labels."""
    folder = data / "grocery"
    try:
        with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["kind"] in kinds]
    except OSError as error:
        raise DataMissing(f"the grocery photos are not there: {error}") from error
    pixels = np.empty((len(rows), SIDE, SIDE, 3), np.uint8)
    for target, row in zip(pixels, rows, strict=True):
        target[:] = fit(read_rgb(folder / row["file"]))
    return Photos(
        pixels,
        np.array([int(row["class_id"]) for row in rows], np.int64),
        np.array([int(row["coarse_id"]) for row in rows], np.int64),
        np.array([row["kind"] == "reference" for row in rows]),
    )


def left_out(fine: Numbers, every: int = 4) -> NDArray[np.bool_]:
    """Which photos belong to a class that is kept from training: every `every`-th class from number 3."""
    mask: NDArray[np.bool_] = fine % every == every - 1
    return mask


def logos(data: Path) -> Pixels:
    """The shared logos, (200, 224, 224, 3) RGB on white: a held-out measurement, never for training."""
    folder = data / "logos"
    try:
        with (folder / "logos.csv").open(newline="", encoding="utf-8") as stream:
            files = [row["png"] for row in csv.DictReader(stream)]
    except OSError as error:
        raise DataMissing(f"the logos are not there: {error}") from error
    return np.stack([fit(read_rgb(folder / file)) for file in files])


def drawn(kind: str, identities: Sequence[int], side: int) -> Pixels:
    """Packs ("pack"), brands ("logo") or one-colour marks ("mark"), (N, side, side, 4) RGB and opacity.

    Each is stretched to the square, as a detector's box is before it is embedded.
    """
    pixels = np.empty((len(identities), side, side, 4), np.uint8)
    for target, identity in zip(pixels, identities, strict=True):
        target[:] = _fit_premultiplied(_design(kind, identity, side), side)
    return pixels


def _design(kind: str, identity: int, side: int) -> Pixels:
    """(H, W, 4) RGB and opacity. The renderer is loaded here, since it looks through the fonts."""
    from models.train import marks
    from models.train.render import logo
    from models.train.render.design import design
    from models.train.render.pack import body

    if kind == "mark":
        return marks.mark(identity)
    if kind == "logo":
        return logo(identity)
    product = design(identity)
    # Without its ground, which would tell the packs apart without a look at them.
    width, height = round(side / max(1, product.aspect)), round(side * min(1, product.aspect))
    return body(np.random.default_rng((identity, 7)), product, width, height).pixels


def _fit_premultiplied(rgba: Pixels, side: int) -> Pixels:
    """Resized without the colour of invisible pixels bleeding into the edge; a border is left around."""
    inner = round(side * 0.92)
    opacity = rgba[..., 3:].astype(np.float32) / 255
    premultiplied = np.concatenate([rgba[..., :3] * opacity, opacity * 255], axis=2)
    small = cv2.resize(premultiplied, (inner, inner), interpolation=cv2.INTER_AREA)
    share = np.maximum(small[..., 3:] / 255, 1e-3)
    framed = np.zeros((side, side, 4), np.uint8)
    start = (side - inner) // 2
    middle = framed[start : start + inner, start : start + inner]
    middle[..., :3] = np.clip(small[..., :3] / share, 0, 255)
    middle[..., 3] = small[..., 3]
    return framed
