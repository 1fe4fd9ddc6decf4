from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from models import manifest
from models.stub import StubNetwork


@pytest.fixture
def stub() -> StubNetwork:
    spec = manifest.load().find("stub")
    assert spec is not None
    return StubNetwork(spec)


@pytest.fixture
def pictures() -> NDArray[np.float32]:
    """Eight pictures of low frequency noise, (8, 3, 32, 32) in -1..1."""
    coarse = np.random.default_rng(5).uniform(-1, 1, (8, 3, 4, 4))
    return np.kron(coarse, np.ones((8, 8))).astype(np.float32)


def test_vectors_have_unit_norm_and_the_dimension_of_the_manifest(
    stub: StubNetwork, pictures: NDArray[np.float32]
) -> None:
    vectors = stub.run(pictures)
    assert vectors.shape == (8, stub.spec.dimension) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_a_row_depends_on_its_picture_alone(stub: StubNetwork, pictures: NDArray[np.float32]) -> None:
    together = stub.run(pictures)
    for place, picture in enumerate(pictures):
        np.testing.assert_array_equal(stub.run(picture[None])[0], together[place])


def test_coefficients_are_the_cosine_transform(stub: StubNetwork, pictures: NDArray[np.float32]) -> None:
    position = (np.arange(32) + 0.5) * np.pi / 32
    expected = [
        np.sum(pictures[0, channel] * np.outer(np.cos(down * position), np.cos(across * position))) / 32**2
        for channel in range(3)
        for down in range(6)
        for across in range(6)
        if down + across < 6
    ]
    unit = np.append(expected, 0.05) / np.linalg.norm(np.append(expected, 0.05))
    np.testing.assert_allclose(stub.run(pictures[:1])[0], unit, atol=1e-5)


def test_a_slightly_changed_picture_stays_nearest_to_itself(
    stub: StubNetwork, pictures: NDArray[np.float32]
) -> None:
    noisy = pictures + np.random.default_rng(6).normal(0, 0.1, pictures.shape).astype(np.float32)
    nearest = np.argmax(stub.run(noisy) @ stub.run(pictures).T, axis=1)
    np.testing.assert_array_equal(nearest, np.arange(8))


def test_a_grey_picture_has_a_vector_too(stub: StubNetwork) -> None:
    assert np.isfinite(stub.run(np.zeros((1, 3, 32, 32), np.float32))).all()


def test_warming_runs_every_bucket(stub: StubNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(stub, "run", lambda batch: seen.append(len(batch)))
    stub.warm()
    assert tuple(seen) == stub.spec.batch_buckets


def test_a_manifest_entry_that_is_not_the_stub_is_refused(stub: StubNetwork) -> None:
    with pytest.raises(ValueError, match="64"):
        StubNetwork(msgspec.structs.replace(stub.spec, dimension=32))
