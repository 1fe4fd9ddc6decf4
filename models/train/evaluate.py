"""Measures an encoder by nearest neighbours:  python -m models.train evaluate FILE.onnx [--left-out N] [...]

Groceries (val photos against the gallery), the shared logos among crops of photos, drawn packs; every rate with
the 95 % interval of a bootstrap over its queries. Needs no PyTorch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.train import data, warp
from models.train.data import MEAN, SIDE, STD, Photos, Pixels

Vectors = NDArray[np.float32]
Embed = Callable[[Pixels], Vectors]

PARTS = ("groceries", "logos", "packs", "speed")
DISTRACTORS = 20_000
# Folders of photos that clutter and distractor crops are cut from.
CLUTTER = ("off-products", "shelf/images", "panorama", "grocery/train")
# Identities of the renderer that no training has seen: it counts from 0.
UNSEEN = 1_000_000


class Rate(NamedTuple):
    """A share of right answers, and the interval that 95 of 100 such samples of queries would give."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def rate(right: NDArray[np.bool_], rng: np.random.Generator, resamples: int = 2000) -> Rate:
    """The share of right answers (N,) with its bootstrap interval."""
    drawn = rng.integers(0, len(right), (resamples, len(right)))
    low, high = np.quantile(right[drawn].mean(axis=1), (0.025, 0.975))
    return Rate(float(right.mean()), float(low), float(high))


def nearest(queries: Vectors, gallery: Vectors) -> NDArray[np.int64]:
    """The row of the gallery with the greatest cosine to each query; all vectors of unit length."""
    found: NDArray[np.int64] = (queries @ gallery.T).argmax(axis=1)
    return found


def onnx_embedder(path: Path, *, threads: int = 1) -> Embed:
    """A written encoder as a function from (N, 224, 224, 3) RGB to (N, 512) unit vectors."""
    session = _session(path, threads)
    name = session.get_inputs()[0].name

    def embed(pixels: Pixels) -> Vectors:
        parts = [
            session.run(None, {name: normalised(pixels[start : start + 8])})[0]
            for start in range(0, len(pixels), 8)
        ]
        return np.concatenate(parts)

    return embed


def normalised(pixels: Pixels) -> Vectors:
    """(N, 224, 224, 3) RGB to the input of the encoder, (N, 3, 224, 224) in -2..2."""
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
    return (planes / np.float32(255) - np.float32(MEAN)) / np.float32(STD)


def groceries(embed: Embed, folder: Path, rng: np.random.Generator, every_out: int = 0) -> Iterator[str]:
    """Val photos against references and training photos; with `every_out`, the classes kept from training."""
    gallery, queries = data.grocery(folder), data.grocery(folder, ("val",))
    yield from _grocery_lines("all classes", embed, gallery, queries, rng)
    if every_out:
        new_gallery = gallery.where(data.left_out(gallery.fine, every_out))
        new_queries = queries.where(data.left_out(queries.fine, every_out))
        yield from _grocery_lines("left-out classes, val", embed, new_gallery, new_queries, rng)
        photos = new_gallery.where(~new_gallery.is_reference)
        vectors, references = embed(photos.pixels), new_gallery.where(new_gallery.is_reference)
        found = nearest(vectors, embed(references.pixels))
        yield _line("left-out classes, their train photos", "references", references, found, photos, rng)
        similar = vectors @ vectors.T
        np.fill_diagonal(similar, -1)
        found = similar.argmax(axis=1)
        yield _line(
            "left-out classes, their train photos", "the other train photos", photos, found, photos, rng
        )


def _grocery_lines(
    title: str, embed: Embed, gallery: Photos, queries: Photos, rng: np.random.Generator
) -> Iterator[str]:
    vectors, wanted = embed(gallery.pixels), embed(queries.pixels)
    yield _line(title, "references and train", gallery, nearest(wanted, vectors), queries, rng)
    references = gallery.where(gallery.is_reference)
    found = nearest(wanted, vectors[gallery.is_reference])
    yield _line(title, "references", references, found, queries, rng)


def _line(
    title: str,
    against: str,
    gallery: Photos,
    found: NDArray[np.int64],
    queries: Photos,
    rng: np.random.Generator,
) -> str:
    fine = rate(gallery.fine[found] == queries.fine, rng)
    coarse = rate(gallery.coarse[found] == queries.coarse, rng)
    return f"| {title} ({len(queries.fine)}) | {against} ({len(gallery.fine)}) | {fine} | {coarse} |"


def logos(embed: Embed, folder: Path, rng: np.random.Generator, distractors: int) -> Iterator[str]:
    """Each shared logo in five strong warps, looked for among all of them and crops of photos."""
    marks, clutter = data.logos(folder), clutter_photos(folder)
    queries = np.stack(
        [
            warp.logo_query(warp.cut_out(mark), clutter[rng.integers(len(clutter))], rng)
            for _ in range(5)
            for mark in marks
        ]
    )
    gallery = [embed(marks), *_crop_vectors(embed, clutter, distractors, rng)]
    yield _instance_line("shared logos", gallery, embed(queries), rng)


def packs(
    embed: Embed, folder: Path, rng: np.random.Generator, distractors: int, count: int = 300
) -> Iterator[str]:
    """Unseen packs and logos of the renderer, two strong warps each, among all of them and crops of photos."""
    clutter = clutter_photos(folder)
    crops = _crop_vectors(embed, clutter, distractors, rng)
    for kind, title in (("pack", "drawn packs"), ("logo", "drawn logos"), ("mark", "drawn marks")):
        drawn = data.drawn(kind, range(UNSEEN, UNSEEN + count), SIDE)
        queries = []
        for _ in range(2):
            for design in drawn:
                behind = clutter[rng.integers(len(clutter))]
                if kind == "pack":
                    queries.append(warp.pack_query(design, behind, rng))
                else:
                    queries.append(warp.logo_query(design, behind, rng))
        yield _instance_line(title, [embed(warp.on_white(drawn)), *crops], embed(np.stack(queries)), rng)


def _instance_line(title: str, gallery: Sequence[Vectors], queries: Vectors, rng: np.random.Generator) -> str:
    count = len(gallery[0])
    wanted = np.arange(len(queries)) % count
    alone = rate(nearest(queries, gallery[0]) == wanted, rng)
    everything = np.concatenate(gallery)
    among = rate(nearest(queries, everything) == wanted, rng)
    return f"| {title} ({len(queries)} queries) | {count} / with {len(everything) - count} crops | {alone} | {among} |"


def clutter_photos(folder: Path) -> list[Pixels]:
    """Photos to stand behind designs and to cut distractors from, their longer side at most 1,000."""
    paths = [path for name in CLUTTER for path in sorted((folder / name).rglob("*.jpg"))]
    if not paths:
        raise data.DataMissing(f"{folder} has none of {CLUTTER}")
    # Few hundred are enough, and each folder keeps its share of them.
    grocery_photos = [path for path in paths if path.parent.name == "train"][::10]
    others = [path for path in paths if path.parent.name != "train"]
    photos = []
    for path in others + grocery_photos:
        pixels = data.read_rgb(path)
        step = max(1, max(pixels.shape) // 1000)
        photos.append(np.ascontiguousarray(pixels[::step, ::step]))
    return photos


def _crop_vectors(
    embed: Embed, photos: Sequence[Pixels], count: int, rng: np.random.Generator
) -> list[Vectors]:
    vectors, batch = [], np.empty((500, SIDE, SIDE, 3), np.uint8)
    for start in range(0, count, len(batch)):
        wanted = min(len(batch), count - start)
        for target in batch[:wanted]:
            photo = photos[int(rng.integers(len(photos)))]
            height, width = photo.shape[:2]
            tall, wide = (int(rng.uniform(0.12, 0.6) * side) for side in (height, width))
            top, left = int(rng.integers(0, height - tall)), int(rng.integers(0, width - wide))
            target[:] = data.fit(np.ascontiguousarray(photo[top : top + tall, left : left + wide]))
        vectors.append(embed(batch[:wanted]))
    return vectors


def speed(path: Path, *, runs: int = 200) -> Iterator[str]:
    """Milliseconds of the processor per picture, median and tenths, on one thread at batch 1 and 8."""
    session = _session(path, 1)
    name = session.get_inputs()[0].name
    for batch in (1, 8):
        pixels = np.random.default_rng(1).normal(0, 1, (batch, 3, SIDE, SIDE)).astype(np.float32)
        times = []
        for _ in range(runs // batch + 5):
            # Of this thread: what other processes took is not counted.
            start = time.thread_time()
            session.run(None, {name: pixels})
            times.append((time.thread_time() - start) * 1000 / batch)
        low, middle, high = np.quantile(times[5:], (0.1, 0.5, 0.9))
        yield f"| {path.name}, batch {batch} | 1 thread | {middle:.2f} ms | {low:.2f}-{high:.2f} |"


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(argv: Sequence[str]) -> int:
    """Prints one table line per measurement; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.train evaluate", description=__doc__)
    parser.add_argument(
        "network", type=Path, nargs="?", help="an exported encoder; without one, the baseline"
    )
    parser.add_argument("--data", type=Path, default=data.DATA)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--left-out", type=int, default=0, metavar="N", help="what was given to the training")
    parser.add_argument("--distractors", type=int, default=DISTRACTORS)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(argv)
    if options.network is None:
        from models.train.baseline import HandMade

        embed: Embed = HandMade(data.grocery(options.data).pixels, np.random.default_rng(1)).vectors
    else:
        embed = onnx_embedder(options.network, threads=options.threads)
    for part in options.parts:
        rng = np.random.default_rng(5)
        lines: Iterator[str] = iter(())
        if part == "groceries":
            lines = groceries(embed, options.data, rng, options.left_out)
        elif part == "logos":
            lines = logos(embed, options.data, rng, options.distractors)
        elif part == "packs":
            lines = packs(embed, options.data, rng, options.distractors)
        elif options.network is not None:
            lines = speed(options.network)
        for line in lines:
            print(line, flush=True)
    return 0
