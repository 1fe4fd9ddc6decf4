"""The edge of the package: what callers hand in is checked and brought into one shape here, then trusted."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNIT_NORM_TOLERANCE = 0.01
"""How far from 1 a norm may be: float16 rounding stays below 0.001, a forgotten normalisation far above."""


def unit_rows(values: ArrayLike, dimension: int, *, name: str = "vectors") -> NDArray[np.float32]:
    """Rows of unit-norm numbers as a contiguous (N, dimension) float32 array; one vector counts as one row.

    Raises:
        ValueError: Wrong dimension, not numbers, a number that is not finite, or a norm that is not 1.
    """
    given = np.asarray(values)
    if given.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be numbers, not {given.dtype}")
    rows = np.ascontiguousarray(np.atleast_2d(given), dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"{name} must be (N, {dimension}), not {given.shape}")
    # One pass: a norm over anything that is not finite is not finite either.
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    if not np.isfinite(norms).all():
        raise ValueError(f"{name} must be finite: row {int(np.argmin(np.isfinite(norms)))} is not")
    wrong = np.abs(norms - 1.0) > UNIT_NORM_TOLERANCE
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"{name} must have unit norm: row {row} has {norms[row]:.4f}")
    return rows


def id_array(values: ArrayLike, *, name: str = "ids") -> NDArray[np.int64]:
    """Ids as a contiguous (N,) int64 array, none negative (-1 means "no result" in an answer).

    Raises:
        ValueError: Not whole numbers, more than one axis, or a negative id.
    """
    given = np.asarray(values)
    if given.size == 0:
        return np.empty(0, dtype=np.int64)
    if given.dtype.kind not in "iu" or given.ndim > 1:
        raise ValueError(f"{name} must be a list of whole numbers, not {given.dtype} {given.shape}")
    if given.dtype == np.uint64 and given.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must fit 63 bits")
    ids = np.ascontiguousarray(np.atleast_1d(given), dtype=np.int64)
    if ids.min() < 0:
        raise ValueError(f"{name} must not be negative, got {int(ids.min())}")
    return ids


def descriptor_rows(values: ArrayLike, dimension: int) -> NDArray[np.uint8]:
    """Local descriptors as a contiguous (N, dimension) uint8 array; no row at all is allowed.

    Raises:
        ValueError: Another type than uint8 (rounding here would hide a wrong scale) or another shape.
    """
    rows = np.asarray(values)
    if rows.dtype != np.uint8:
        raise ValueError(f"descriptors must be uint8, not {rows.dtype}")
    if rows.size == 0:
        return np.empty((0, dimension), dtype=np.uint8)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"descriptors must be (N, {dimension}), not {rows.shape}")
    return np.ascontiguousarray(rows)
