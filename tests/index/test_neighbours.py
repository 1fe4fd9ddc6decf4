"""Each loop of the image index against its numpy twin."""

import numpy as np
import pytest
from numpy.typing import NDArray

from index import codebook, neighbours
from index.neighbours import FAR, FOUND
from tests.index.pictures import Features

Pair = tuple[NDArray[np.int32], NDArray[np.int64]]


@pytest.fixture(scope="module")
def descriptors() -> NDArray[np.uint8]:
    rows = Features(1).image(900)
    rows[450:460] = rows[0]  # ties
    return rows


def nothing_found(count: int) -> Pair:
    return np.full((count, FOUND), FAR, dtype=np.int32), np.full((count, FOUND), -1, dtype=np.int64)


def five_nearest(
    queries: NDArray[np.uint8], descriptors: NDArray[np.uint8], base: int, wanted: NDArray[np.bool_]
) -> Pair:
    """The twin: every distance in full, then sorted; `wanted` (Q, N) says which pairs count."""
    steps = queries[:, None].astype(np.int32) - descriptors[None].astype(np.int32)
    all_distances = (steps**2).sum(axis=2)
    distances, rows = nothing_found(len(queries))
    for i, row in enumerate(all_distances):
        order = [j for j in np.argsort(row, kind="stable") if wanted[i, j]][:FOUND]
        distances[i, : len(order)] = row[order]
        rows[i, : len(order)] = np.array(order, dtype=np.int64) + base
    return distances, rows


def packed(is_open: NDArray[np.bool_], base: int) -> NDArray[np.uint8]:
    return np.packbits(np.concatenate([np.zeros(base, np.bool_), is_open]), bitorder="little")


def test_scanning_cells_finds_the_nearest_open_rows_of_those_cells(descriptors: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(0)
    cells, base = rng.integers(0, 6, len(descriptors)), 128
    is_open = rng.random(len(descriptors)) < 0.8
    queries = np.concatenate([descriptors[::60], Features(2).image(5)])
    probes = np.stack([rng.permutation(6)[:2] for _ in queries])
    probes[-1] = 6  # an empty cell
    distances, rows = nothing_found(len(queries))
    neighbours.scan_cells(
        queries,
        probes,
        np.argsort(probes.ravel(), kind="stable"),
        np.searchsorted(np.sort(cells), np.arange(8)).astype(np.int32),
        np.argsort(cells, kind="stable").astype(np.int32),
        descriptors,
        base,
        packed(is_open, base),
        distances,
        rows,
    )
    wanted = (probes[:, :, None] == cells).any(axis=1) & is_open
    truth = five_nearest(queries, descriptors, base, wanted)
    assert np.array_equal(distances, truth[0]) and np.array_equal(rows, truth[1])
    assert (rows[-1] == -1).all()


def test_refining_keeps_the_truly_nearest_candidates_of_the_block(descriptors: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(0)
    queries = np.concatenate([descriptors[::60], Features(2).image(5)])
    candidates = rng.integers(-1, 3000, (len(queries), 40))
    candidates[:, 0] = 1024
    candidates[candidates >= 1024 + len(descriptors)] = -1  # the block is not full
    distances, rows = nothing_found(len(queries))
    neighbours.refine(queries, candidates, 1, 10, descriptors, distances, rows)
    wanted = (candidates[:, :, None] == np.arange(1024, 1024 + len(descriptors))).any(axis=1)
    truth = five_nearest(queries, descriptors, 1024, wanted)
    # The rest may hold a candidate twice, if it was named twice; a real search names each once.
    assert np.array_equal(distances[:, 0], truth[0][:, 0]) and np.array_equal(rows[:, 0], truth[1][:, 0])


def test_open_rows_sets_the_bits_of_the_chosen_images_only() -> None:
    first = np.array([0, 3, 19, 64, 200])
    counts = np.array([3, 16, 45, 100, 56])
    chosen = np.array([True, False, True, True, False])
    bits = np.zeros(32, dtype=np.uint8)
    neighbours.open_rows(first, counts, chosen, bits)
    truth = np.zeros(256, dtype=np.bool_)
    for start, count in zip(first[chosen], counts[chosen], strict=True):
        truth[start : start + count] = True
    assert np.array_equal(np.unpackbits(bits, bitorder="little").astype(np.bool_), truth)


def test_the_tree_finds_the_nearest_cells(descriptors: NDArray[np.uint8]) -> None:
    division = codebook.shipped()
    queries = descriptors.astype(np.float32)
    distances = division.cell_norms - 2 * queries @ division.cells.T
    truth = np.argsort(distances, axis=1)[:, :8]
    found = np.empty((len(queries), 8), dtype=np.int64)
    parents = len(division.parent_norms)
    scores = queries @ division.parents
    neighbours.nearest_cells(
        queries, scores, division.parent_norms, division.cells, division.cell_norms, parents, found
    )
    # Sums are reordered, so two cells equally far may change places.
    assert (found == truth).mean() > 0.999
    narrow = division.nearest(descriptors, 8)
    assert (narrow[:, 0] == truth[:, 0]).mean() > 0.85
    assert all(len(set(line)) == 8 for line in narrow.tolist())


def test_the_shipped_codebook_is_a_tree_whose_codes_resemble_the_descriptors(
    descriptors: NDArray[np.uint8],
) -> None:
    division = codebook.shipped()
    assert len(division.cells) % len(division.parent_norms) == 0
    decoded = division.quantizer.decode(division.codes(descriptors))
    error = np.linalg.norm(decoded - descriptors, axis=1).mean()
    spread = np.linalg.norm(descriptors - descriptors.mean(axis=0), axis=1).mean()
    assert error < 0.75 * spread
