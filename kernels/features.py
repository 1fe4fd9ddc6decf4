"""Local features of a picture: the hot path of recognition, from gray pixels to keypoints and descriptors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels import descriptors, keypoints, scale_space
from kernels.descriptors import DESCRIPTOR_BYTES, MOST_ANGLES


class Features(NamedTuple):
    """Local features, strongest first.

    keypoints: (N, 4) float32, x, y and sigma in pixels of the picture (pixel centres at whole numbers), angle
    in radians in [0, 2 pi) from +x towards +y (down).
    descriptors: (N, 128) uint8, RootSIFT times 512.
    """

    keypoints: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


def extract(gray: NDArray[np.uint8], limit: int = 600) -> Features:
    """Find and describe at most `limit` features of a gray picture (H, W) uint8 of any strides; a plain one
    has none.

    One thread, no lock held in the kernels; the scratch memory is about 12 times the picture in float32.
    """
    space = scale_space.octaves(gray)
    points = keypoints.strongest(keypoints.detect(space), space, limit)
    members = [np.flatnonzero(points.octave == index) for index in range(len(space))]
    angles = np.empty((len(points.x), MOST_ANGLES), dtype=np.float32)
    counts = np.empty(len(points.x), dtype=np.int64)
    for octave, chosen in zip(space, members, strict=True):
        part = points.take(chosen)
        angles[chosen], counts[chosen] = descriptors.orient(
            octave.layers, part.sigma, part.layer, part.x, part.y
        )

    # A point seen in several directions is several features: the limit is met here, strongest points first.
    source = np.repeat(np.arange(len(counts)), counts)[:limit]
    angle = angles[np.arange(MOST_ANGLES) < counts[:, None]][:limit]
    points = points.take(source)
    codes = np.empty((len(source), DESCRIPTOR_BYTES), dtype=np.uint8)
    rows = np.empty((len(source), 4), dtype=np.float32)
    rows[:, 3] = angle
    for index, octave in enumerate(space):
        chosen = np.flatnonzero(points.octave == index)
        part = points.take(chosen)
        codes[chosen] = descriptors.describe(
            octave.layers, part.sigma, part.layer, part.x, part.y, angle[chosen]
        )
        rows[chosen, :3] = np.stack([part.x, part.y, part.sigma], axis=1) * np.float32(octave.step_px)
    return Features(rows, codes)


def warm_up() -> None:
    """Compile the kernels of the whole path for the arrays the server uses."""
    gray = np.zeros((64, 64), dtype=np.uint8)
    gray[20:44, 24:40] = 255
    extract(gray)
