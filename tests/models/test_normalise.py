from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.manifest import Input
from models.network import Network
from models.normalise import prepend
from tests.models import tiny_onnx

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def test_a_network_that_normalises_itself_gives_what_the_other_gives_for_normalised_pixels(
    tmp_path: Path,
) -> None:
    plain = tiny_onnx.write(tmp_path / "plain.onnx")
    own = tmp_path / "own.onnx"
    prepend(plain, own, mean=MEAN, std=STD)
    takes_bytes = Input(size=tiny_onnx.SIZE, geometry="stretch", mean=MEAN, std=STD, dtype="uint8")
    network = Network(tiny_onnx.spec(own, input=takes_bytes), own, providers=("cpu",))
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, tiny_onnx.SIZE, tiny_onnx.SIZE), dtype=np.uint8)
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    reference = Network(tiny_onnx.spec(plain), plain, providers=("cpu",))
    expected = reference.run((pixels / np.float32(255) - mean) / std)
    np.testing.assert_allclose(network.run(pixels), expected, rtol=1e-4, atol=1e-4)


def test_a_network_that_takes_bytes_already_is_refused(tmp_path: Path) -> None:
    plain = tiny_onnx.write(tmp_path / "plain.onnx")
    prepend(plain, tmp_path / "own.onnx", mean=MEAN, std=STD)
    with pytest.raises(ValueError, match="float32"):
        prepend(tmp_path / "own.onnx", tmp_path / "twice.onnx", mean=MEAN, std=STD)
