"""What the vector index and the image index find against exact search, and how fast:  python -m bench recall

Embeddings are made (`bench.embeddings`): two geometries, because they disagree about which index is best.
Images are the scenes of `bench.scenes`: photos of known pictures among those of other pictures.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import cv2
import faiss
import numpy as np
from numpy.typing import NDArray

from bench import scenes
from bench.embeddings import GENERATORS
from index import exact
from index.choose import Plan
from index.shortlist import ImageIndex
from index.store import Store
from kernels import features

DIMENSION = 512
COUNTS = (50_000, 100_000)
QUERIES = 200
K = 10
IMAGES = 1_000
MANY_IMAGES = 10_000
SCENES = 60
VOTERS = 500
CONDITIONS = ("any rotation", "15 % of the frame", "blur 3 px", "mixed")


def median_ms(work: Callable[[int], object], repeats: int) -> float:
    """Median wall time of work(0), work(1), ... after one run that does not count."""
    work(0)
    times = []
    for i in range(repeats):
        started = time.perf_counter()
        work(i)
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


def measured(
    store: Store, queries: NDArray[np.float32], truth: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Recall@10, ms for one query, ms for 64 at once."""
    found = store.search(queries, K)[1]
    one = median_ms(lambda i: store.search(queries[i : i + 1], K), 50)
    return exact.recall(found, truth), one, median_ms(lambda i: store.search(queries[:64], K), 5)


def rival(
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    truth: NDArray[np.int64],
    probes: int,
    factor: int,
) -> tuple[float, float, float, float]:
    """FAISS IVF with fast-scan codes, refined from float16: build s, recall@10, ms for one, ms for 64."""
    started = time.perf_counter()
    coded = faiss.index_factory(DIMENSION, "IVF512,PQ128x4fs", faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexRefine(coded, faiss.index_factory(DIMENSION, "SQfp16", faiss.METRIC_INNER_PRODUCT))
    index.train(rows[:40_000])
    index.add(rows)
    built_s = time.perf_counter() - started
    options = faiss.IndexRefineSearchParameters(
        k_factor=factor, base_index_params=faiss.SearchParametersIVF(nprobe=probes)
    )
    faiss.omp_set_num_threads(1)
    found = index.search(queries, K, params=options)[1]
    one = median_ms(lambda i: index.search(queries[i : i + 1], K, params=options), 50)
    many = median_ms(lambda i: index.search(queries[:64], K, params=options), 5)
    return built_s, exact.recall(found, truth), one, many


def embeddings() -> str:
    """The table of vector indexes."""
    lines = [
        "| embeddings | vectors | index | build s | recall@10 | one query ms | 64 queries ms | MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    cores = faiss.omp_get_max_threads()
    for generator in GENERATORS:
        for count in COUNTS:
            made = generator(count + QUERIES, DIMENSION, 1).astype(np.float16).astype(np.float32)
            rows, queries = made[:count], made[count:]
            truth = exact.search(queries, K, rows, np.arange(count))[1]
            plans = (Plan("exact"), Plan("graph", recall=0.9), Plan("graph", recall=0.98))
            for plan in plans:
                store = Store(DIMENSION, space="bench", plan=lambda _count, _dimension, plan=plan: plan)
                store.upsert(np.arange(count), rows)
                started = time.perf_counter()
                store.compact(threads=cores)
                built_s = time.perf_counter() - started
                part = store.parts()[0].segment
                name = "exact" if part.graph is None else f"HNSW32 SQ8, effort {part.effort}"
                size = part.vectors.nbytes + (0 if part.graph is None else count * (DIMENSION + 64 * 4 + 8))
                found, one, many = measured(store, queries, truth)
                lines.append(
                    f"| {generator.__name__} | {count:,} | {name} | {built_s:.1f} | {found:.3f} | {one:.2f} "
                    f"| {many:.1f} | {size / 1e6:.0f} |"
                )
            for probes, factor in ((64, 10), (256, 30)):
                faiss.omp_set_num_threads(cores)
                built_s, found, one, many = rival(rows, queries, truth, probes, factor)
                size = count * (64 + 2 * DIMENSION + 8)
                name = f"IVF512 PQ128x4fs, {probes} probes, refined {factor}x"
                lines.append(
                    f"| {generator.__name__} | {count:,} | {name} | {built_s:.1f} | {found:.3f} | {one:.2f} "
                    f"| {many:.1f} | {size / 1e6:.0f} |"
                )
            faiss.omp_set_num_threads(cores)
    return "\n".join(lines)


def gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness of a picture, long side at most 640."""
    scale = min(1.0, 640 / max(pixels.shape[:2]))
    small = (
        cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    )
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def exact_votes(
    rows: NDArray[np.uint8], owners: NDArray[np.int64], query: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """The vote of contract image-search 3.3 with every distance computed: (images,)."""
    numbers = query.astype(np.float32)
    near = np.full((len(query), 5), np.inf, dtype=np.float32)
    near_rows = np.zeros((len(query), 5), dtype=np.int64)
    for start in range(0, len(rows), 50_000):
        block = rows[start : start + 50_000].astype(np.float32)
        distances = np.einsum("nd,nd->n", block, block) - 2 * numbers @ block.T
        best = np.argpartition(distances, 4, axis=1)[:, :5]
        near = np.concatenate([near, np.take_along_axis(distances, best, axis=1)], axis=1)
        near_rows = np.concatenate([near_rows, best + start], axis=1)
        kept = np.argsort(near, axis=1, kind="stable")[:, :5]
        near, near_rows = np.take_along_axis(near, kept, 1), np.take_along_axis(near_rows, kept, 1)
    apart = np.sqrt(np.maximum(near + (numbers**2).sum(axis=1, keepdims=True), 0.0))
    weights = (apart[:, 4:] - apart[:, :4]).ravel()
    return np.bincount(owners[near_rows[:, :4].ravel()], weights, minlength=int(owners.max()) + 1)


def mirrored(descriptors: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Descriptors of the picture mirrored (turn 1), as a negative (2), both (3): permutations of the real."""
    cells = descriptors.reshape(-1, 4, 4, 8)
    if turn & 1:
        cells = cells[:, ::-1][..., (-np.arange(8)) % 8]
    if turn & 2:
        cells = cells[:, ::-1, ::-1]
    return np.ascontiguousarray(cells.reshape(-1, 128))


def described(count: int) -> tuple[list[scenes.Reference], list[NDArray[np.uint8]]]:
    """References that can be looked for, and the descriptors of all `count` images, theirs first."""
    known = scenes.references()
    found = [features.extract(gray(each.pixels)).descriptors for each in known]
    rich = [i for i, each in enumerate(found) if len(each) >= 150]
    known, found = [known[i] for i in rich], [found[i] for i in rich]
    for other in scenes.distractors(count - len(found)):
        found.append(features.extract(gray(other.pixels)).descriptors)
    return known, found


def photos(known: Sequence[scenes.Reference]) -> list[tuple[int, NDArray[np.uint8]]]:
    """Number of the reference and descriptors of each scene."""
    rng = np.random.default_rng(3)
    grounds = scenes.grounds()
    conditions = [each for each in scenes.CONDITIONS if each.name in CONDITIONS]
    made = []
    for i in range(SCENES):
        number = int(rng.integers(len(known)))
        ground = grounds[int(rng.integers(len(grounds)))]
        scene = scenes.scene(known[number].pixels, ground, conditions[i % len(conditions)], rng)
        made.append((number, features.extract(gray(scene.pixels), VOTERS).descriptors))
    return made


def images() -> str:
    """The table of the image index."""
    known, found = described(IMAGES)
    queries = photos(known)
    rows = np.concatenate(found)
    owners = np.repeat(np.arange(len(found)), [len(each) for each in found])
    wanted = [rank(exact_votes(rows, owners, query), number) for number, query in queries]
    lines = [
        "| images | descriptors | index | first | top 15 | top 50 | vote ms | add ms | compact ms |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| {len(found):,} | {len(rows):,} | exact voting | {hits(wanted)} | - | - | - |",
    ]
    index, number, more = ImageIndex(), 0, endless(found)
    for target in (IMAGES, MANY_IMAGES):
        add_s, compact_s = [], 0.0
        while number < target:
            descriptors = next(more)
            started = time.perf_counter()
            index.add(number, descriptors)
            added = time.perf_counter()
            if index.compact_due:
                index.compact()
            compact_s += time.perf_counter() - added
            add_s.append(added - started)
            number += 1
        ranks = [index.vote(query, target)[0].tolist().index(number) for number, query in queries]
        vote_ms = median_ms(lambda i: index.vote(queries[i][1], 15), len(queries))
        total = sum(len(index.descriptors(i)) for i in range(number))
        lines.append(
            f"| {number:,} | {total:,} | lists by cell | {hits(ranks)} | {vote_ms:.1f} "
            f"| {1e3 * statistics.mean(add_s):.1f} | {1e3 * compact_s / len(add_s):.1f} |"
        )
    return "\n".join(lines)


def endless(found: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """The descriptors of each image; then without end mirrored, as negatives, and with small changes."""
    yield from found
    for turn in itertools.count(1):
        rng = np.random.default_rng(turn)
        for descriptors in found:
            disturbed = mirrored(descriptors, turn).astype(np.float32)
            disturbed = np.maximum(disturbed + rng.normal(0, 4 * (turn // 4), descriptors.shape), 0.0)
            lengths = np.linalg.norm(disturbed, axis=1, keepdims=True)
            yield np.clip(np.rint(disturbed * (512 / lengths)), 0, 255).astype(np.uint8)


def rank(votes: NDArray[np.float64], number: int) -> int:
    """How many images have more votes."""
    return int((votes > votes[number]).sum())


def hits(ranks: Sequence[int]) -> str:
    """Shares of the scenes whose reference was first, among 15, among 50."""
    return " | ".join(f"{sum(each < top for each in ranks) / len(ranks):.3f}" for top in (1, 15, 50))


def run() -> str:
    """Markdown for RESULTS.md."""
    return f"""## Recall and speed of the indexes

Made embeddings of {DIMENSION} numbers, {QUERIES} queries that are not stored; searches on one thread, builds
on all cores. A graph chose its effort itself, to reach on a sample of its own the recall its plan asked for.

{embeddings()}

Images: {SCENES} scenes ({", ".join(CONDITIONS)}), {VOTERS} query descriptors, one thread; beyond
{IMAGES:,} images the same descriptors mirrored, as negatives, and with small changes. `compact ms` is the
background work for one added image.

{images()}
"""
