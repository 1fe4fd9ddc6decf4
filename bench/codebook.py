"""Makes index/codebook.npz, the cells and codes of the image index, from pictures it draws itself:

    python -m bench.codebook

Drawn pictures (text, shapes, lines over natural-looking noise, blurred, sheared, compressed) instead of
photos: nobody else's pictures are inside the file, and anybody can make it again (not to the byte: k-means
adds up in the order of its threads). Every saved index must be built anew after the codebook has changed.
"""

from __future__ import annotations

import sys
import time

import cv2
import faiss
import numpy as np
from numpy.typing import NDArray

from index import codebook
from kernels import features

PICTURES = 1000
SIDE = 512
PARENTS = 512
CHILDREN = 16
ITERATIONS = 10
SEED = 11
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    cv2.FONT_ITALIC,
)
LETTERS = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%&.-")


def noise(rng: np.random.Generator, falloff: float) -> NDArray[np.float32]:
    """Noise whose spectrum falls with frequency as photos' do: (SIDE, SIDE) float32, mean 0, deviation 1."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    frequency[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.standard_normal((SIDE, SIDE))) / frequency**falloff
    field = np.fft.ifft2(spectrum).real
    return ((field - field.mean()) / field.std()).astype(np.float32)


def with_text(picture: NDArray[np.float32], rng: np.random.Generator, shade: float) -> NDArray[np.float32]:
    """A word of random letters, font, size and direction written on the picture."""
    layer = np.zeros((SIDE, SIDE), np.uint8)
    word = "".join(rng.choice(LETTERS, rng.integers(2, 14)))
    corner = (int(rng.integers(-100, SIDE - 100)), int(rng.integers(0, SIDE)))
    size, width = float(rng.uniform(0.4, 4)), int(rng.integers(1, 6))
    cv2.putText(layer, word, corner, int(rng.choice(FONTS)), size, 255, width, cv2.LINE_AA)
    angle = float(rng.choice([0, 90, rng.uniform(0, 360)]))
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), angle, 1)
    cover = cv2.warpAffine(layer, turn, (SIDE, SIDE)).astype(np.float32) / 255
    return picture * (1 - cover) + shade * cover


def draw(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """One more shape, line or word on the picture."""
    shade = float(rng.uniform(0, 255))
    x, y, a, b = (int(value) for value in rng.integers(0, SIDE, 4))
    width = int(rng.choice([-1, 1, 2, 4, 8]))
    match rng.integers(5):
        case 0:
            cv2.circle(picture, (x, y), 4 + a // 7, shade, width, cv2.LINE_AA)
        case 1:
            corners = np.array([x, y]) + rng.normal(0, rng.uniform(10, 90), (rng.integers(3, 7), 2))
            cv2.fillPoly(picture, [corners.astype(np.int32)], shade, cv2.LINE_AA)
        case 2:
            angle = float(rng.uniform(0, 180))
            cv2.ellipse(picture, (x, y), (3 + a // 6, 3 + b // 6), angle, 0, 360, shade, width, cv2.LINE_AA)
        case 3:
            cv2.line(picture, (x, y), (a, b), shade, abs(width) + 1, cv2.LINE_AA)
        case _:
            picture = with_text(picture, rng, shade)
    return picture


def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A drawn picture, photographed badly: (SIDE, SIDE) uint8 gray."""
    drawn = np.float32(128) + noise(rng, rng.uniform(0.6, 1.6)) * np.float32(rng.uniform(5, 40))
    for _ in range(rng.integers(4, 30)):
        drawn = draw(drawn, rng)
    if rng.random() < 0.5:
        drawn = drawn + noise(rng, 0.8) * np.float32(rng.uniform(1, 10))
    blur = float(rng.choice([0, 0.7, 1.2, 2]))
    if blur:
        drawn = cv2.GaussianBlur(drawn, (0, 0), blur)
    shear = rng.uniform(-0.5, 0.5)
    matrix = np.array([[1, shear, -shear * SIDE / 2], [rng.uniform(-0.3, 0.3), 1, 0]])
    drawn = cv2.warpAffine(drawn, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    grainy = drawn + rng.normal(0, rng.uniform(1, 5), drawn.shape)
    _, coded = cv2.imencode(
        ".jpg",
        np.clip(grainy, 0, 255).astype(np.uint8),
        [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))],
    )
    decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return decoded.astype(np.uint8)


def means(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Centres of k-means: (count, 128) float32."""
    clustering = faiss.Kmeans(
        rows.shape[1], count, niter=ITERATIONS, seed=SEED, min_points_per_centroid=1, verbose=False
    )
    clustering.train(rows)
    return np.asarray(clustering.centroids)


def train(rows: NDArray[np.uint8]) -> codebook.Codebook:
    """A tree of cells and the codes inside them, from many descriptors (N, 128)."""
    numbers = rows.astype(np.float32)
    parents = np.rint(means(numbers, PARENTS))
    flat = faiss.IndexFlatL2(numbers.shape[1])
    flat.add(parents)
    nearest = flat.search(numbers, 1)[1][:, 0]
    cells = np.concatenate([means(numbers[nearest == i], CHILDREN) for i in range(PARENTS)])
    quantizer = faiss.ProductQuantizer(numbers.shape[1], codebook.CODE_BYTES * 2, 4)
    quantizer.train(numbers[:: max(1, len(numbers) // 100_000)])
    return codebook.Codebook.of(
        parents.astype(np.uint8),
        np.rint(cells).astype(np.uint8),
        faiss.vector_to_array(quantizer.centroids).reshape(-1, 16, 4),
    )


def main() -> None:
    """Draw, describe, train, save."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(SEED)
    started = time.perf_counter()
    rows = np.concatenate([features.extract(picture(rng), 600).descriptors for _ in range(PICTURES)])
    print(
        f"{len(rows)} descriptors of {PICTURES} pictures, {time.perf_counter() - started:.0f} s",
        file=sys.stderr,
    )
    train(rows).save(codebook.SHIPPED)
    print(f"{codebook.SHIPPED} written, {time.perf_counter() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
