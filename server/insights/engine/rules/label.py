"""Labels: proposed when the product has neither them nor a more precise one (contract 4.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.insights import tags
from server.insights.engine.candidates import Candidate
from server.insights.engine.predictions import Prediction
from server.insights.engine.rules.rule import Rule, Situation, same_or_above

# Their words stand on packages next to the label that says both.
NEVER = frozenset({"en:eu-agriculture", "en:non-eu-agriculture"})
TEXT_PREDICTORS = frozenset({"regex", "flashtext"})

# The codes of the bodies that control organic farming in Europe are safe to be added without asking: a country,
# its word for organic, a number of two or three digits, in Spain a region.
CONTROLLED_IN = (
    "at be bg ch cy cz de dk ee es fi fr gb gr hr hu ie is it li lt lu lv mt nl no pl pt ro se si sk"
)
WORDS = "bio eco eko ekol oko org"
SAFE = re.compile(
    rf"en:({'|'.join(CONTROLLED_IN.split())})-({'|'.join(WORDS.split())})-[0-9]{{2,3}}(-[a-z]{{2,3}})?"
)


def is_safe(tag: str) -> bool:
    """Whether text that says so is enough to add the label."""
    return SAFE.fullmatch(tags.tag(tag)) is not None


def candidates(situation: Situation) -> Iterable[Candidate]:
    """The deepest of the labels that the product does not say in some way."""
    tree = situation.taxonomies.get("labels")
    had = {
        tree.canonical(tag) or tag
        for tag in (situation.product.tags("labels_tags") if situation.product else ())
    }
    said = had.union(*(tree.ancestors(tag) for tag in had))
    new = [
        (tag, prediction)
        for prediction in situation.of("label")
        if prediction.value_tag
        and (tag := tree.canonical(prediction.value_tag) or prediction.value_tag) not in said
        and tag not in NEVER
    ]
    deepest = set(tree.deepest(tag for tag, _ in new))
    for tag, prediction in new:
        if tag in deepest:
            yield Candidate.of(prediction, value_tag=tag, automatic_processing=_is_automatic(tag, prediction))


def _is_automatic(tag: str, prediction: Prediction) -> bool:
    refused = prediction.automatic_processing is False or prediction.is_from_name
    return prediction.predictor in TEXT_PREDICTORS and not refused and is_safe(tag)


RULE = Rule("label", frozenset({"label"}), candidates, same_or_above("labels"))
