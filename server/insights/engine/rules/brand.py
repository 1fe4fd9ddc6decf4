"""Brands, for a product without one; names that are common words are not believed (contract 4.5)."""

from __future__ import annotations

from collections.abc import Iterable

from server.insights import tags
from server.insights.engine.candidates import Candidate
from server.insights.engine.predictions import Prediction
from server.insights.engine.rules.rule import Rule, Situation, same_tag

# Their words are looked for in all text of a package.
READ_IN_TEXT = frozenset({"taxonomy", "curated-list"})
# What names a sort of food, a claim or a package names no brand.
WORD_TAXONOMIES = ("categories", "labels", "packaging_shapes", "packaging_materials")
# Words of packages that some brand is called by.
_WORDS = """
100-natural active alpine amour ancient apple arctic aroma artisan atlantic baby balance bakery basic basics
bella best better bio bistro bonus boutique bravo breakfast brut budget butcher cafe casa celebration champion
chef choice citron classic classics club coast comfort complete cool country craft cream creation crunch daily
day delicious delight deluxe diamond diet dream duo eco economy elite energy enjoy essential essentials
excellence exotic expert express extra family farm favorite fine first fit fitness food force forest forme free
fresh fruit fun garden gold golden good gourmand gourmet grand green happy harmony harvest health healthy heart
heritage home honey ideal island italia jardin joy junior king kitchen kids lady legend leger life light line
lion local love luxe magic maison market master maxi max mega mer mini mix modern moment montagne mountain multi
natural naturel nature new nice nobel noble nordic nature-s nova ocean office oh olive one only optimal orient
original oro pacific paradise parfait party passion perfect petit phare planet plaisir plus popular power
premier premium prestige primavera prince princess pro product pure quality queen quick rapid real red regal
rich roma rose royal saison saveur saveurs select selected selection sensation silver simple simply smart
snack soft sol soleil special spirit sport spring star style summer sun sunny super supreme sweet taste tasty
terra terre top tradition traditional triumph tropical twist ultra union unique universal value vera vie vital
vitality viva vivo weight white winter wonder world xtra young your zen zero
"""
FALSE_FRIENDS = frozenset(_WORDS.split())


def candidates(situation: Situation) -> Iterable[Candidate]:
    """Every brand that the product may have."""
    product = situation.product
    if product is not None and (product.tags("brands_tags") or product.text("brands")):
        return
    for prediction in situation.of("brand"):
        if prediction.value_tag and _is_believed(situation, prediction, prediction.value_tag):
            yield Candidate.of(prediction)


def is_read_in_text(prediction: Prediction) -> bool:
    """Whether the barcode must speak for it too."""
    return prediction.predictor in READ_IN_TEXT


def is_common_word(situation: Situation, tag: str) -> bool:
    """Whether a text with this word need not mean the brand."""
    word = tag.partition(":")[2] if tags.is_tag(tag) else tag
    if word in FALSE_FRIENDS:
        return True
    return any(situation.taxonomies.get(name).canonical(word) is not None for name in WORD_TAXONOMIES)


def _is_believed(situation: Situation, prediction: Prediction, tag: str) -> bool:
    if not is_read_in_text(prediction):
        return True
    return tag not in situation.foreign_brands and not is_common_word(situation, tag)


RULE = Rule("brand", frozenset({"brand"}), candidates, same_tag)
