from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train.backbone import DIMENSION, Shipped, Slim, folded  # noqa: E402


def lived_in(drop: float = 0.0) -> Slim:
    """A network whose batch statistics are no longer those it began with."""
    torch.manual_seed(1)
    body = Slim(drop)
    for _ in range(3):
        body(torch.randn(4, 3, 64, 64) * 1.5 + 0.2)
    return body.eval()


def test_it_is_as_slim_as_it_says() -> None:
    count = sum(value.numel() for value in Slim().parameters())
    assert 2.8e6 < count < 3.0e6


def test_folding_changes_nothing_and_leaves_no_normalisation() -> None:
    body = lived_in()
    pixels = torch.randn(2, 3, 96, 96)
    flat = folded(body)
    with torch.no_grad():
        torch.testing.assert_close(flat(pixels), body(pixels), rtol=1e-3, atol=1e-4)
    names = {type(module).__name__ for module in flat.modules()}
    assert not any("BatchNorm" in name for name in names)
    assert any("BatchNorm" in type(module).__name__ for module in body.modules())


def test_the_shipped_network_answers_unit_vectors_for_any_batch() -> None:
    network = Shipped(folded(lived_in()), side=64)
    with torch.no_grad():
        vectors = network(torch.randn(3, 3, 224, 224))
        alone = network(torch.zeros(1, 3, 224, 224))
    assert vectors.shape == (3, DIMENSION) and alone.shape == (1, DIMENSION)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


def test_branches_are_left_out_while_training_only() -> None:
    body, pixels = lived_in(drop=0.9), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(body(pixels), body(pixels))
        body.train()
        assert (body.blocks(body.stem(pixels)) - body.blocks(body.stem(pixels))).abs().max() > 0
