"""Selected images that lie on their side or head (contract 4.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from server.insights import barcodes
from server.insights.engine.candidates import Candidate, Fact
from server.insights.engine.rules.rule import Rule, Situation, mapping, number, rotation_in

# Degrees clockwise that put a text upright again.
ROTATIONS = {"left": 90, "down": 180, "right": 270}
MIN_SHARE = 0.95
MIN_AUTOMATIC_WORDS = 10


def candidates(situation: Situation) -> Iterable[Candidate]:
    """One for each selected image that was cut from the picture and is turned otherwise."""
    product = situation.product
    if product is None:
        return
    for prediction in situation.of("image_orientation"):
        orientation = prediction.data.get("orientation")
        if not isinstance(orientation, str) or orientation not in ROTATIONS:
            continue
        words = {word: number(count) for word, count in mapping(prediction.data.get("count")).items()}
        total = sum(words.values())
        share = words.get(orientation, 0) / total if total > 0 else 0.0
        if share < MIN_SHARE:
            continue
        rotation = rotation_in(prediction.data)
        rotation = ROTATIONS[orientation] if rotation is None else rotation
        for image in product.selected_images:
            if image.image_id != barcodes.image_id_of(prediction.source_image) or image.angle == rotation:
                continue
            yield Candidate.of(
                prediction,
                value_tag=orientation,
                data={
                    **prediction.data,
                    "rotation": rotation,
                    "image_key": image.key,
                    "image_rev": image.revision,
                },
                confidence=share,
                automatic_processing=words[orientation] >= MIN_AUTOMATIC_WORDS,
            )


def conflicts(situation: Situation) -> Callable[[Candidate, Fact], bool]:
    """The same selected image from the same picture."""
    return lambda candidate, reference: (
        candidate.source_image == reference.source_image
        and candidate.data.get("image_key") == reference.data.get("image_key")
    )


RULE = Rule("image_orientation", frozenset({"image_orientation"}), candidates, conflicts)
