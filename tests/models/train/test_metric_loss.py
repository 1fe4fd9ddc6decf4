"""Each loss against the formula written out in loops."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train.metric_loss import (  # noqa: E402
    Bank,
    CosineClasses,
    coarse_loss,
    contrastive_loss,
)


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


def test_the_bank_tells_a_view_from_every_design_it_has_seen_but_not_from_kin() -> None:
    bank = Bank(torch.tensor([-1, 5, 5, -1, -1]), 8)
    vectors = unit_rows(3)
    bank.keep(vectors, vectors, torch.tensor([0, 1, 2]))
    first, second = unit_rows(4)[:2], unit_rows(6)[:2]
    # Row 1 has a kin in row 2; rows 3 and 4 were never seen.
    negatives = {0: (1, 2), 1: (0,)}
    wanted = 0.0
    for row, others in negatives.items():
        for one, other in ((first, second), (second, first)):
            alike = math.exp(float(one[row] @ other[row]) / 0.1)
            against = sum(math.exp(float(one[row] @ vectors[number]) / 0.1) for number in others)
            wanted -= math.log(alike / (alike + against)) / 4
    assert bank.loss(first, second, torch.tensor([0, 1]), 0.1).item() == pytest.approx(wanted, rel=1e-4)


def test_an_empty_bank_teaches_nothing_yet() -> None:
    bank = Bank(torch.full((4,), -1), 8)
    rows = unit_rows(2).requires_grad_()
    loss = bank.loss(rows, unit_rows(3)[:2], torch.tensor([0, 3]), 0.1)
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(rows.grad).all()


def test_the_bank_remembers_the_mean_of_two_views() -> None:
    bank = Bank(torch.full((4,), -1), 8)
    first, second = unit_rows(1), unit_rows(2)[:1]
    bank.keep(first, second, torch.tensor([2]))
    assert bank.vectors.any(dim=1).tolist() == [False, False, True, False]
    torch.testing.assert_close(bank.vectors[2:3] @ first.T, bank.vectors[2:3] @ second.T)
