"""Names as products carry them, written from the names of their categories: brands, typos, order, languages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.product_features import words
from models.train.taxonomy import Taxonomy, read_entries

# Said of anything on a shelf, and no part of a category's name; ours, not taken from products.
_PRAISE = (
    "original classic premium extra finest select quality new traditional family party maxi xxl gourmet "
    "homestyle delicious tasty real great value everyday our best authentic artisan originale classique "
    "qualité nouveau recette tradition gourmand saveur maison le la les bon grand plaisir sélection "
    "authentique artisanal lot offre familial format avec aux du klassisch echt beste gute auslese "
    "traditionell neu art vom aus mit der die das packung clásico tradicional selecto calidad nuevo "
    "sabor receta auténtico de con del los las formato ahorro classico tradizionale casa qualità nuovo "
    "ricetta gusto autentico scelta fatto in confezione di della lekker klassiek"
)
_SYLLABLES = (
    "ba be bo bra ca co da de di do el fa fi fru ga go gra ha jo ka ki la le li lo lu ma mi mo na ne no "
    "o pa pe pi po ra re ri ro sa se si so ta te ti to tra va ve vi vo za zen"
)
# In nearly every list of ingredients, whatever the product is.
_COMMON_INGREDIENTS = (
    "sugar salt water flour oil flavouring acid colour emulsifier lecithin starch syrup glucose dextrose "
    "vegetable vitamin spice natural yeast powder extract preservative antioxidant citric e330 e322 e471 "
    "sunflower wheat"
)
_FOOD_ROOTS = (
    "en:plant-based-foods",
    "en:meats",
    "en:seafood",
    "en:dairies",
    "en:farming-products",
    "en:sweeteners",
    "en:cocoa-and-its-products",
)
_VOWEL_PLURALS = {"i": "o", "e": "a", "o": "i", "a": "e"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class ProductNames:
    """Draws product names and ingredient lists; everything random comes from the generator given."""

    def __init__(self, taxonomy: Taxonomy, folder: Path, surfaces: Sequence[tuple[str, int]]) -> None:
        """`surfaces` are the (text, category) that may be drawn from; held-out ones must not be among them."""
        self._by_category: dict[int, list[str]] = {}
        for text, category in surfaces:
            self._by_category.setdefault(category, []).append(text)
        known = {" ".join(words(text)) for text, _ in surfaces}
        self._praise = _PRAISE.split()
        self._syllables = _SYLLABLES.split()
        self._common = _COMMON_INGREDIENTS.split()
        self._brands = _names(folder, ("brands", "stores"), known)
        self._remarks = _names(folder, ("labels", "packaging_materials", "packaging_shapes"), known)
        self._countries = _names(folder, ("countries",), known)
        self._ingredients = _ingredients(taxonomy)
        self._vocabulary = sorted({word for group in self._ingredients.values() for word in group})

    def product(self, rng: np.random.Generator, text: str, category: int) -> str:
        """One way a product of this category, called `text` there, may be named."""
        name = text.split()
        if rng.random() < 0.5:
            name = [_other_number(rng, word) if rng.random() < 0.5 else word for word in name]
        if len(name) > 1 and rng.random() < 0.2:
            name = self._reordered(rng, name)
        if len(name) > 2 and rng.random() < 0.03:
            del name[int(rng.integers(len(name)))]
        if rng.random() < 0.2:
            place = int(rng.integers(len(name)))
            name[place] = typo(rng, name[place])
        if rng.random() < 0.15:
            name += ["-", *_pick(rng, self._by_category[category]).split()]
        if rng.random() < 0.5:
            name = [*self._brand(rng).split(), *name]
        while rng.random() < 0.45:
            name.insert(int(rng.integers(len(name) + 1)), _pick(rng, self._praise))
        if rng.random() < 0.1:
            name += _pick(rng, self._remarks).split()
        if rng.random() < 0.15:
            name.append(str(rng.integers(1, 1000)))
        return " ".join(name)

    def nothing(self, rng: np.random.Generator) -> str:
        """Words that say nothing of the category: a brand, a label, praise, noise."""
        name: list[str] = []
        while not name or rng.random() < 0.5:
            draw = rng.random()
            if draw < 0.5:
                name += self._brand(rng).split()
            elif draw < 0.75:
                name.append(_pick(rng, self._praise))
            elif draw < 0.85:
                name += _pick(rng, self._remarks).split()
            elif draw < 0.9:
                name += _pick(rng, self._countries).split()
            else:
                name.append(str(rng.integers(1, 10_000)))
        return " ".join(name)

    def ingredients(self, rng: np.random.Generator, category: int) -> tuple[str, ...]:
        """Ingredient tags that fit the category's English name, among others that every product may have."""
        fitting = self._ingredients.get(category, ())
        chosen = [word for word in fitting if rng.random() < 0.7]
        chosen += [_pick(rng, self._common) for _ in range(int(rng.integers(1, 8)))]
        chosen += [_pick(rng, self._vocabulary) for _ in range(int(rng.integers(0, 4)))]
        rng.shuffle(chosen)
        return tuple(f"en:{word}" for word in chosen)

    def _brand(self, rng: np.random.Generator) -> str:
        if rng.random() < 0.5:
            return _pick(rng, self._brands)
        return "".join(_pick(rng, self._syllables) for _ in range(int(rng.integers(2, 4))))

    def _reordered(self, rng: np.random.Generator, name: list[str]) -> list[str]:
        if rng.random() < 0.5:
            cut = int(rng.integers(1, len(name)))
            return name[cut:] + name[:cut]
        return [name[place] for place in rng.permutation(len(name))]


def typo(rng: np.random.Generator, word: str) -> str:
    """The word with one letter lost, doubled, changed, or two swapped; short words stay."""
    if len(word) < 4:
        return word
    place = int(rng.integers(1, len(word) - 1))
    kind = rng.integers(4)
    if kind == 0:
        return word[:place] + word[place + 1 :]
    if kind == 1:
        return word[:place] + word[place] + word[place:]
    if kind == 2:
        return word[:place] + _pick(rng, _LETTERS) + word[place + 1 :]
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _other_number(rng: np.random.Generator, word: str) -> str:
    """Singular for plural and back, as the ends of English, French, Spanish, German and Italian words go."""
    if len(word) < 4:
        return word
    if word[-1] in "sx":
        return word[:-2] if word.endswith("es") and rng.random() < 0.3 else word[:-1]
    if word[-1] in _VOWEL_PLURALS and rng.random() < 0.3:
        return word[:-1] + _VOWEL_PLURALS[word[-1]]
    return word + _pick(rng, ("s", "s", "es", "n", "en", "e"))


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _names(folder: Path, files: Sequence[str], known: set[str]) -> list[str]:
    """All names in these taxonomy files but those that name a category too."""
    found = {
        name
        for file in files
        for entry in read_entries(folder / f"{file}.json").values()
        for name in entry.name.values()
    }
    return sorted(name for name in found if " ".join(words(name)) not in known)


def _ingredients(taxonomy: Taxonomy) -> dict[int, tuple[str, ...]]:
    """Category to the foods in its own and its ancestors' English names, each a single word."""
    english = {
        surface.category: [_singular(word) for word in words(surface.text)]
        for surface in taxonomy.surfaces
        if surface.language == "en" and not surface.is_synonym
    }
    lineage: dict[int, list[int]] = {}
    for category, ancestor in taxonomy.closure.tolist():
        lineage.setdefault(category, []).append(ancestor)
    roots = {taxonomy.tags.index(tag) for tag in _FOOD_ROOTS if tag in taxonomy.tags}
    foods = {
        name[0]
        for category, name in english.items()
        if len(name) == 1 and roots.intersection(lineage[category])
    }
    return {
        category: tuple(sorted({word for one in line for word in english.get(one, ()) if word in foods}))
        for category, line in lineage.items()
    }


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("oes"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and len(word) > 3 else word
