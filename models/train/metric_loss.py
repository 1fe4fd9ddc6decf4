"""Losses on unit vectors: cosine softmax with a margin, a coarse term on top of it, and a contrastive term."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class CosineClasses(nn.Module):
    """One direction per class; answers the scaled cosines of vectors with all of them."""

    def __init__(self, classes: int, dimension: int, scale: float) -> None:
        super().__init__()
        self.directions = nn.Parameter(functional.normalize(torch.randn(classes, dimension), dim=1))
        self.scale = scale

    def forward(self, unit: Tensor, target: Tensor | None = None, margin: float = 0.0) -> Tensor:
        """unit: (B, D) to (B, classes); the cosine of the target class is lowered by the margin."""
        cosines = unit @ functional.normalize(self.directions, dim=1).T
        if target is not None and margin:
            cosines = cosines.scatter_add(1, target[:, None], cosines.new_full((len(unit), 1), -margin))
        return cosines * self.scale


def coarse_loss(logits: Tensor, coarse_of_fine: Tensor, coarse: Tensor) -> Tensor:
    """Cross-entropy of the coarse classes, whose probabilities are the sums of their fine ones.

    logits: (B, F), coarse_of_fine: (F,), coarse: (B,).
    """
    probabilities = logits.softmax(dim=1)
    count = int(coarse_of_fine.max()) + 1
    summed = probabilities.new_zeros(len(logits), count).index_add(1, coarse_of_fine, probabilities)
    return functional.nll_loss(summed.clamp_min(1e-6).log(), coarse)


def contrastive_loss(unit: Tensor, label: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss of a batch; rows that have no partner of their label are only negatives."""
    similar = unit @ unit.T / temperature
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    log_share = similar - similar.masked_fill(itself, -torch.inf).logsumexp(dim=1, keepdim=True)
    partner = (label[:, None] == label[None, :]) & ~itself
    partners = partner.sum(dim=1)
    has_partner = partners > 0
    if not bool(has_partner.any()):
        return unit.new_zeros(())
    sums = log_share.masked_fill(~partner, 0).sum(dim=1)
    return -(sums[has_partner] / partners[has_partner]).mean()
