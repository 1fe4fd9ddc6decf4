from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from models import manifest
from models.installed import Installed
from models.manifest import Input
from models.network import Network, NetworkMissing, NetworkRejected, load
from models.stub import StubNetwork
from tests.models import tiny_onnx

CPU = ("cpu",)


def pictures(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((count, 3, tiny_onnx.SIZE, tiny_onnx.SIZE), np.float32)


def truth(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return batch.mean(axis=(2, 3)) @ tiny_onnx.MATRIX


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tiny_onnx.write(tmp_path / "tiny.onnx")


def test_a_batch_gives_the_rows_that_numpy_gives(file: Path) -> None:
    network = Network(tiny_onnx.spec(file), file, providers=CPU)
    for count in (1, 2, 4):
        np.testing.assert_allclose(network.run(pictures(count)), truth(pictures(count)), rtol=1e-5)


def test_all_outputs_come_in_the_order_of_the_graph(file: Path) -> None:
    network = Network(tiny_onnx.spec(file), file, providers=CPU)
    vector, colour = network.run_all(pictures(2))
    np.testing.assert_allclose(vector, truth(pictures(2)), rtol=1e-5)
    np.testing.assert_allclose(colour, pictures(2).mean(axis=(2, 3)), rtol=1e-5)


def test_the_provider_is_the_live_one_and_a_missing_gpu_makes_no_noise(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = Network(tiny_onnx.spec(file), file, providers=("cuda", "cpu"))
    np.testing.assert_allclose(network.run(pictures(1)), truth(pictures(1)), rtol=1e-3)
    assert network.provider in ("CPUExecutionProvider", "CUDAExecutionProvider")
    assert capfd.readouterr() == ("", "")


def test_the_order_of_providers_is_obeyed(file: Path) -> None:
    network = Network(tiny_onnx.spec(file), file, providers=("cpu", "cuda"))
    assert network.provider == "CPUExecutionProvider"


def test_a_required_gpu_that_is_not_used_is_an_error(file: Path) -> None:
    with pytest.raises(NetworkRejected, match="GPU is required"):
        Network(tiny_onnx.spec(file), file, providers=CPU, require_gpu=True)


def test_without_cpu_among_the_providers_a_gpu_is_required(file: Path) -> None:
    if Network(tiny_onnx.spec(file), file).provider != "CPUExecutionProvider":
        pytest.skip("this machine has a GPU")
    with pytest.raises(NetworkRejected, match="GPU is required"):
        Network(tiny_onnx.spec(file), file, providers=("cuda",))


@pytest.mark.parametrize(
    ("graph", "entry", "complaint"),
    [
        ({"size": 9}, {}, r"\(N, 3, 8, 8\)"),
        ({"batch": 4}, {}, r"takes \(4, 3, 8, 8\)"),
        ({"declared": ("N", "D", 1)}, {}, "output is"),
        ({}, {"dimension": 5}, "manifest says"),
        ({}, {"task": "classify", "labels": ("a", "b")}, r"\(any, 2\)"),
        ({}, {"task": "detect", "labels": ("a",)}, r"\(any, 5, any\)"),
        ({}, {"input": Input(size=8, geometry="stretch", dtype="uint8")}, "takes float32"),
        ({}, {"task": "text", "input": None}, "takes no pictures"),
        ({"element": TensorProto.FLOAT16}, {}, "could not be loaded"),
    ],
)
def test_a_graph_that_contradicts_the_manifest_is_refused(
    tmp_path: Path, graph: dict[str, Any], entry: dict[str, Any], complaint: str
) -> None:
    path = tiny_onnx.write(tmp_path / "tiny.onnx", **graph)
    with pytest.raises(NetworkRejected, match=complaint):
        Network(tiny_onnx.spec(path, **entry), path, providers=CPU)


def test_a_graph_of_a_fixed_batch_fits_one_bucket_of_that_size(tmp_path: Path) -> None:
    path = tiny_onnx.write(tmp_path / "tiny.onnx", batch=4, declared=(4, 4))
    network = Network(tiny_onnx.spec(path, batch_buckets=(4,)), path, providers=CPU)
    network.warm()
    np.testing.assert_allclose(network.run(pictures(4)), truth(pictures(4)), rtol=1e-5)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "garbage.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(NetworkRejected, match="could not be loaded"):
        Network(tiny_onnx.spec(path), path)


def test_a_batch_that_is_no_bucket_is_refused(file: Path) -> None:
    network = Network(tiny_onnx.spec(file), file, providers=CPU)
    with pytest.raises(ValueError, match="batch of 3"):
        network.run(pictures(3))


def test_warming_reaches_every_bucket_and_its_failure_is_raised(tmp_path: Path) -> None:
    # The reshape fits one picture only, which nothing but running it can tell.
    path = tiny_onnx.write(tmp_path / "tiny.onnx", reshape=(1, 4))
    with pytest.raises(Exception, match="Reshape"):
        Network(tiny_onnx.spec(path), path, providers=CPU).warm()
    Network(tiny_onnx.spec(path, batch_buckets=(1,)), path, providers=CPU).warm()


def test_warming_checks_what_really_comes_out(tmp_path: Path) -> None:
    path = tiny_onnx.write(tmp_path / "tiny.onnx", declared=("N", "D"), keep=2)
    with pytest.raises(NetworkRejected, match=r"output is \(1, 2\)"):
        Network(tiny_onnx.spec(path), path, providers=CPU).warm()


@pytest.mark.parametrize(
    ("entry", "lanes", "exclusive"),
    [
        ({}, 6, False),
        ({"concurrency": 3}, 3, False),
        ({"threads": "cores"}, 2, True),
        ({"threads": 2, "concurrency": 1}, 1, True),
    ],
)
def test_lanes_follow_the_manifest_and_threaded_runs_are_exclusive(
    file: Path, entry: dict[str, Any], lanes: int, exclusive: bool
) -> None:
    network = Network(tiny_onnx.spec(file, **entry), file, providers=CPU, cores=6)
    assert (network.lanes, network.exclusive) == (lanes, exclusive)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_may_run_one_network_at_the_same_time(file: Path, threads: int) -> None:
    network = Network(tiny_onnx.spec(file, threads=threads), file, providers=CPU)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: network.run(pictures(2, seed)), range(40)))
    for seed, rows in enumerate(found):
        np.testing.assert_allclose(rows, truth(pictures(2, seed)), rtol=1e-5)


def test_loading_checks_the_hash(file: Path, tmp_path: Path) -> None:
    spec = tiny_onnx.spec(file)
    assert isinstance(load(spec, Installed(tmp_path), providers=CPU), Network)
    with pytest.raises(NetworkRejected, match="pinned is " + "0" * 64):
        load(msgspec.structs.replace(spec, sha256="0" * 64), Installed(tmp_path), providers=CPU)


def test_a_network_that_is_not_here_says_how_to_get_it(tmp_path: Path) -> None:
    spec = manifest.load().find("clip-vit-b-32")
    assert spec is not None
    with pytest.raises(NetworkMissing, match="models pull clip-vit-b-32"):
        load(spec, Installed(tmp_path))


def test_the_stub_needs_no_file(tmp_path: Path) -> None:
    spec = manifest.load().find("stub")
    assert spec is not None
    assert isinstance(load(spec, Installed(tmp_path)), StubNetwork)


class OnGpu(Network):
    """A network that believes it is on a GPU."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.is_on_gpu = True


def test_on_a_gpu_the_network_is_given_bytes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.network.Network", OnGpu)
    plain = tiny_onnx.spec(file)
    installed = Installed(tmp_path / "data")
    wants_bytes = tiny_onnx.spec(
        file, input=Input(size=tiny_onnx.SIZE, geometry="stretch", bytes_on_gpu=True)
    )
    for spec, dtype in ((plain, "float32"), (wants_bytes, "uint8")):
        loaded = load(spec, installed, providers=CPU)
        assert loaded.spec.input is not None and loaded.spec.input.dtype == dtype
    monkeypatch.setattr("models.network.Network", Network)
    on_cpu = load(wants_bytes, installed, providers=CPU)
    assert on_cpu.spec.input is not None and on_cpu.spec.input.dtype == "float32"


def test_without_the_onnx_package_a_gpu_gets_floats_and_the_log_says_why(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("models.network.Network", OnGpu)
    monkeypatch.setitem(sys.modules, "onnx", None)
    spec = tiny_onnx.spec(file, input=Input(size=tiny_onnx.SIZE, geometry="stretch", bytes_on_gpu=True))
    loaded = load(spec, Installed(tmp_path / "data"), providers=CPU)
    assert loaded.spec.input is not None and loaded.spec.input.dtype == "float32"
    (record,) = caplog.records
    assert "onnx" in record.__dict__["reason"]
