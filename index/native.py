"""FAISS, and how many OpenMP threads it may take."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss as typed_faiss

# The stubs in the wheel describe the C++ calls, not the numpy calls of the Python wrapper.
faiss: Any = typed_faiss


@contextmanager
def openmp(count: int) -> Iterator[None]:
    """Run FAISS on `count` OpenMP threads inside the block, then as before.

    `omp_set_num_threads` holds for the calling thread alone: a new thread starts with the number of cores (or
    OMP_NUM_THREADS) whatever another one has set. It also limits the OpenBLAS inside FAISS, an OpenMP build;
    numpy's own OpenBLAS is another library and obeys OPENBLAS_NUM_THREADS only.
    """
    before = faiss.omp_get_max_threads()
    if before == count:
        yield
        return
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
