"""What has to be settled about the machine before numeric libraries load."""

from __future__ import annotations

import os
import platform
from collections.abc import MutableMapping
from pathlib import Path

# OpenBLAS guesses its kernels from the CPU's model, and guesses low on new ones: matrix products then run at
# half the speed or less. The instruction sets say it better.
AVX512 = frozenset({"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"})
AVX2 = frozenset({"avx2", "fma"})
SETTLED = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "NUMBA_CACHE_DIR")
SOURCE = Path(__file__).parent.parent / "kernels"


def prepare(environ: MutableMapping[str, str], data_dir: Path) -> dict[str, str]:
    """Set what the operator left open, and return what now holds."""
    core = blas_core(cpu_flags())
    if core is not None:
        environ.setdefault("OPENBLAS_CORETYPE", core)
    # Requests use the cores already; on small matrices and pictures threads only wait for one another.
    environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    if not is_writable(SOURCE):
        # Compiled kernels are kept beside their source where that is possible.
        environ.setdefault("NUMBA_CACHE_DIR", str(data_dir / "numba"))
    return {name: environ.get(name, "default") for name in SETTLED}


def blas_core(flags: frozenset[str]) -> str | None:
    """The OpenBLAS kernels for these instruction sets; None leaves the choice to the library."""
    if flags >= AVX512:
        return "SkylakeX"
    return "Haswell" if flags >= AVX2 else None


def cpu_flags() -> frozenset[str]:
    """The instruction sets of an x86-64 machine under Linux, empty elsewhere."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return frozenset()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return next(
        (frozenset(line.split(":")[1].split()) for line in lines if line.startswith("flags")), frozenset()
    )


def is_writable(folder: Path) -> bool:
    """Whether compiled kernels can be written below a source folder."""
    cache = folder / "__pycache__"
    return os.access(cache if cache.is_dir() else folder, os.W_OK | os.X_OK)
