"""What is settled about the machine before numeric libraries load."""

from pathlib import Path

import pytest

from server import machine
from server.machine import AVX2, AVX512, blas_core


def test_the_widest_instruction_set_decides() -> None:
    assert blas_core(AVX512 | AVX2) == "SkylakeX"
    assert blas_core(AVX2 | {"sse2"}) == "Haswell"
    assert blas_core(frozenset({"sse2"})) is None
    assert blas_core(AVX512 - {"avx512vl"}) is None


def test_what_the_operator_set_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: AVX512)
    monkeypatch.setattr(machine, "is_writable", lambda _: False)
    chosen = dict.fromkeys(machine.SETTLED, "mine")
    environ = dict(chosen)
    assert machine.prepare(environ, tmp_path) == environ == chosen


def test_what_was_left_open_is_settled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: AVX512)
    monkeypatch.setattr(machine, "is_writable", lambda _: True)
    environ: dict[str, str] = {}
    machine.prepare(environ, tmp_path)
    assert environ == {
        "OPENBLAS_CORETYPE": "SkylakeX",
        "OPENBLAS_NUM_THREADS": "1",
        "OPENCV_FOR_THREADS_NUM": "1",
    }


def test_compiled_kernels_go_to_the_data_folder_when_the_source_is_read_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "cpu_flags", frozenset)
    monkeypatch.setattr(machine, "is_writable", lambda _: False)
    environ: dict[str, str] = {}
    settled = machine.prepare(environ, tmp_path)
    assert settled["NUMBA_CACHE_DIR"] == environ["NUMBA_CACHE_DIR"] == str(tmp_path / "numba")
    assert settled["OPENBLAS_CORETYPE"] == "default" and "OPENBLAS_CORETYPE" not in environ
