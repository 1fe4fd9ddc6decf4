"""Each loss against the formula written out in loops."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train.metric_loss import CosineClasses, coarse_loss, contrastive_loss  # noqa: E402


def unit_rows(count: int, dimension: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.nn.functional.normalize(torch.randn(count, dimension, generator=generator), dim=1)


def test_the_margin_lowers_the_cosine_of_the_target_alone() -> None:
    head = CosineClasses(5, 8, scale=16.0)
    unit, target = unit_rows(3), torch.tensor([4, 0, 2])
    difference = head(unit) - head(unit, target, 0.1)
    expected = torch.zeros(3, 5)
    expected[torch.arange(3), target] = 1.6
    torch.testing.assert_close(difference, expected)
    assert head(unit).abs().max() <= 16


def test_the_coarse_loss_is_that_of_summed_probabilities() -> None:
    logits = torch.tensor([[0.3, 1.0, -2.0, 0.5], [2.0, 0.0, 0.1, 0.2]])
    coarse_of_fine, coarse = torch.tensor([0, 1, 0, 2]), torch.tensor([0, 2])
    wanted = 0.0
    for row, group in zip(logits.softmax(dim=1).tolist(), coarse.tolist(), strict=True):
        of_group = [p for p, c in zip(row, coarse_of_fine.tolist(), strict=True) if c == group]
        wanted -= math.log(sum(of_group)) / 2
    assert coarse_loss(logits, coarse_of_fine, coarse).item() == pytest.approx(wanted, rel=1e-5)


def test_the_contrastive_loss_is_the_mean_over_partners() -> None:
    unit, label = unit_rows(5), [7, 3, 7, 7, 9]
    terms = []
    for row in range(5):
        partners = [other for other in range(5) if other != row and label[other] == label[row]]
        if not partners:
            continue
        similar = [math.exp(float(unit[row] @ unit[other]) / 0.1) for other in range(5)]
        whole = sum(similar) - similar[row]
        terms.append(-sum(math.log(similar[other] / whole) for other in partners) / len(partners))
    found = contrastive_loss(unit, torch.tensor(label), 0.1).item()
    assert found == pytest.approx(sum(terms) / len(terms), rel=1e-4)


def test_a_batch_without_any_pair_teaches_nothing() -> None:
    assert contrastive_loss(unit_rows(4), torch.arange(4), 0.1).item() == 0


def test_the_gradient_of_the_contrastive_loss_is_finite() -> None:
    rows = unit_rows(6).requires_grad_()
    contrastive_loss(rows, torch.tensor([0, 0, 1, 1, 2, 3]), 0.1).backward()
    assert torch.isfinite(rows.grad).all()
