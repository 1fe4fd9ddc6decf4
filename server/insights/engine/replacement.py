"""Which stored predictions go and which new ones stay when a batch of a product comes in (contract 4.3.2, 4.3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from server.insights.engine.predictions import NewPrediction, Prediction

# A network that judges the whole product: its predictions stand or fall together.
WHOLE = "category"


class Replacement(NamedTuple):
    """`kept` are stored ones that stay, `deleted` the others; `added` are places in the batch, in rising order."""

    kept: list[Prediction]
    deleted: list[Prediction]
    added: list[int]


def replaced(batch: Sequence[NewPrediction], stored: Iterable[Prediction]) -> Replacement:
    """What happens to one product's predictions of the batch's types.

    A batch with categories replaces all of them; on an image, a type's predictions of another version go.
    Duplicates of what stays, or of an earlier one in the batch, are not added.
    """
    kept: list[Prediction] = []
    deleted: list[Prediction] = []
    has_categories = any(new.type == WHOLE for new in batch)
    versions: dict[tuple[str, str], set[str | None]] = {}
    for new in batch:
        if new.source_image is not None:
            versions.setdefault((new.type, new.source_image), set()).add(new.predictor_version)
    for old in stored:
        if old.type == WHOLE and has_categories:
            deleted.append(old)
            continue
        coming = () if old.source_image is None else versions.get((old.type, old.source_image), ())
        (deleted if any(version != old.predictor_version for version in coming) else kept).append(old)
    said = {old.key for old in kept}
    added = []
    for place, new in enumerate(batch):
        if new.key not in said:
            said.add(new.key)
            added.append(place)
    return Replacement(kept, deleted, added)
