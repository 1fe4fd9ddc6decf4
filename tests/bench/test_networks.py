from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import networks
from models import manifest
from models.installed import Installed
from models.network import Network, load


@pytest.mark.parametrize("uint8_input", [False, True])
def test_the_random_network_serves_from_a_manifest_of_its_own(tmp_path: Path, uint8_input: bool) -> None:
    known = manifest.load(networks.write_manifest(tmp_path, uint8_input=uint8_input))
    spec = Installed(tmp_path).choose(known, "embed")
    assert spec is not None and spec.name == "mobilenet-random"
    network = load(spec, Installed(tmp_path), providers=("cpu",))
    network.warm()
    dtype = np.uint8 if uint8_input else np.float32
    rows = network.run(np.full((1, 3, 224, 224), 1, dtype))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-4)


def test_both_kinds_of_input_describe_a_picture_alike(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (1, 3, 224, 224), dtype=np.uint8)
    mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (networks.MEAN, networks.STD))
    batches = {True: pixels, False: (pixels / np.float32(255) - mean) / std}
    rows = []
    for uint8_input, batch in batches.items():
        path = tmp_path / f"{uint8_input}.onnx"
        networks.mobilenet(path, seed=3, uint8_input=uint8_input)
        spec = networks.spec(path, uint8_input=uint8_input)
        rows.append(Network(spec, path, providers=("cpu",)).run(batch)[0])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-3)
