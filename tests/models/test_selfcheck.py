"""What `models verify` finds: figures of a sane network, and every way in which one is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from models import manifest
from models.network import Network
from models.selfcheck import check, compare, fingerprint, picture
from models.stub import StubNetwork
from tests.models import tiny_onnx


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.selfcheck.MEASURE_S", 0.0)


class Odd(StubNetwork):
    """The stub with answers of the test's own."""

    def __init__(self, answer: Any) -> None:
        stub = manifest.load().find("stub")
        assert stub is not None
        super().__init__(stub)
        self._answer = answer
        self._count = 0

    def warm(self) -> None:
        pass

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self._count += 1
        rows: NDArray[np.float32] = self._answer(super().run(batch), self._count)
        return rows


def test_a_sane_network_has_figures_and_no_faults(tmp_path: Path) -> None:
    path = tiny_onnx.write(tmp_path / "tiny.onnx")
    report = check(Network(tiny_onnx.spec(path), path, providers=("cpu",)))
    assert report.faults == () and report.provider == "CPUExecutionProvider"
    assert report.batch == 4 and report.per_second > 0
    assert check(Odd(lambda rows, _: rows)).faults == ()


def noise(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return (rows + np.random.default_rng(count).random(rows.shape)).astype(np.float32)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda rows, _: np.full_like(rows, np.nan), "no finite number"),
        (noise, "the second time"),
        (lambda rows, _: rows[:, :5], "the output is"),
        (lambda rows, _: rows * np.float32(1 + (len(rows) > 1)), "in a batch of 8"),
    ],
)
def test_a_fault_is_named(answer: Any, complaint: str) -> None:
    assert any(complaint in fault for fault in check(Odd(answer)).faults)


def test_the_fingerprint_tells_another_network(tmp_path: Path) -> None:
    path = tiny_onnx.write(tmp_path / "tiny.onnx")
    network = Network(tiny_onnx.spec(path), path, providers=("cpu",))
    answer = network.run(np.repeat((picture(8) / np.float32(255))[None], 1, axis=0).astype(np.float32))[0]
    mark = fingerprint(network.spec, answer)
    assert len(mark) == 4 and np.linalg.norm(mark) == pytest.approx(1, abs=1e-3)
    same = msgspec.structs.replace(network.spec, fingerprint=mark)
    assert check(Network(same, path, providers=("cpu",))).faults == ()
    other = msgspec.structs.replace(network.spec, fingerprint=(*mark[:-1], mark[-1] + 0.1))
    (fault,) = check(Network(other, path, providers=("cpu",))).faults
    assert "fingerprint" in fault


def test_the_fingerprint_of_a_detector_is_the_mean_of_each_row() -> None:
    spec = manifest.load().find("nutriscore")
    assert spec is not None
    output = np.arange(9 * 10, dtype=np.float32).reshape(9, 10)
    mark = fingerprint(spec, output)
    assert mark == tuple(output.mean(axis=1).tolist())
    pinned = msgspec.structs.replace(spec, fingerprint=mark)
    assert compare(pinned, output * np.float32(1.01)) == []
    assert compare(pinned, output * np.float32(1.2)) != []


def test_the_picture_is_the_same_for_ever_and_has_everything() -> None:
    small, large = picture(32), picture(224)
    assert small.shape == (3, 32, 32) and small.dtype == np.uint8
    assert int(large.astype(np.int64).sum()) == 18_690_792
    assert len(np.unique(large)) > 200
