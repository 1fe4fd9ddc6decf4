"""Pictures of nothing but the barcode, where one was selected to show something (contract 4.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from server.insights import barcodes
from server.insights.engine.candidates import Candidate, Fact
from server.insights.engine.rules.rule import Rule, Situation


def candidates(situation: Situation) -> Iterable[Candidate]:
    """Those that are selected for some field."""
    product = situation.product
    selected = {image.image_id for image in (product.selected_images if product is not None else ())}
    for prediction in situation.of("is_upc_image"):
        if barcodes.image_id_of(prediction.source_image) in selected:
            yield Candidate.of(prediction, automatic_processing=False)


def conflicts(situation: Situation) -> Callable[[Candidate, Fact], bool]:
    """The same image."""
    return lambda candidate, reference: candidate.source_image == reference.source_image


RULE = Rule("is_upc_image", frozenset({"is_upc_image"}), candidates, conflicts)
