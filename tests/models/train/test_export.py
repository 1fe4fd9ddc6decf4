from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train import export  # noqa: E402
from models.train.backbone import Shipped, Slim, folded  # noqa: E402

SIDE = 64


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, np.ndarray, np.ndarray]:
    """The float32 and the int8 file, an input and what PyTorch says to it."""
    torch.manual_seed(3)
    network = Shipped(folded(Slim()), SIDE).eval()
    batch = np.random.default_rng(1).normal(0, 1, (4, 3, 224, 224)).astype(np.float32)
    folder = tmp_path_factory.mktemp("export")
    float32, int8 = folder / "float32.onnx", folder / "int8.onnx"
    example = torch.from_numpy(batch)
    export.write_onnx(network, example, float32, inputs=("pixels",), outputs=("embedding",))
    export.quantise(float32, int8, [batch], keep_float=export.stem(float32))
    with torch.no_grad():
        return float32, int8, batch, network(example).numpy()


def test_the_written_network_says_what_pytorch_says(
    written: tuple[Path, Path, np.ndarray, np.ndarray],
) -> None:
    float32, _, batch, expected = written
    difference = export.compare(expected, float32, batch)
    assert difference.largest < 1e-4
    # The batch is free, also at one.
    assert export.compare(expected[:1], float32, batch[:1]).largest < 1e-4


def test_integers_keep_the_direction_and_a_third_of_the_bytes(
    written: tuple[Path, Path, np.ndarray, np.ndarray],
) -> None:
    float32, int8, batch, expected = written
    assert export.compare(expected, int8, batch).least_cosine > 0.98
    assert int8.stat().st_size < 0.36 * float32.stat().st_size < 4.5e6


def test_the_first_convolution_stays_float(written: tuple[Path, Path, np.ndarray, np.ndarray]) -> None:
    float32, int8, _, _ = written
    first, relu = export.stem(float32)
    nodes = {node.name: node for node in onnx.load(int8).graph.node}
    by_output = {output: node for node in nodes.values() for output in node.output}
    assert by_output[nodes[relu].input[0]].name == first
    assert nodes[first].input[1] not in by_output  # its weights are not unpacked from integers


def test_no_path_of_this_machine_is_in_the_file(written: tuple[Path, Path, np.ndarray, np.ndarray]) -> None:
    for path in written[:2]:
        data = path.read_bytes()
        assert b"site-packages" not in data and b"models/train" not in data
        assert onnx.load(path).graph.input[0].name == "pixels"
