"""Which categories a product belongs to, from its name, its ingredients and its nutrients."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models import product_features
from models.installed import Installed, file_sha256
from models.manifest import NetworkSpec
from models.network import NetworkMissing, NetworkRejected

# Per 100 g, in the order of the network's input.
NUTRIENTS = (
    "fat",
    "saturated_fat",
    "carbohydrates",
    "sugars",
    "fiber",
    "proteins",
    "salt",
    "energy_kcal",
    "fruits_vegetables_nuts",
)
MISSING = -1.0
OUT_OF_RANGE = -2.0


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a product; a nutrient per 100 g (`nutrient` makes it), MISSING or OUT_OF_RANGE.

    `image_embeddings` is in the contract for networks that look at photos; the shipped one does not.
    """

    product_name: str = ""
    ingredients_tags: tuple[str, ...] = ()
    ingredients_ocr_tags: tuple[str, ...] = ()
    fat: float = MISSING
    saturated_fat: float = MISSING
    carbohydrates: float = MISSING
    sugars: float = MISSING
    fiber: float = MISSING
    proteins: float = MISSING
    salt: float = MISSING
    energy_kcal: float = MISSING
    fruits_vegetables_nuts: float = MISSING
    image_embeddings: tuple[tuple[float, ...], ...] = ()


class Category(msgspec.Struct, frozen=True):
    """A category tag and the probability, from 0 to 1, that the product belongs to it."""

    tag: str
    score: float


class Scores(NamedTuple):
    """Per tag of the network: (C,) the product belongs to it, (C,) and to none of its children."""

    belonging: NDArray[np.float32]
    deepest: NDArray[np.float32]


def nutrient(name: str, per_100g: float | None) -> float:
    """The input for one of NUTRIENTS: the value, MISSING, or OUT_OF_RANGE when no food can have it."""
    if per_100g is None or math.isnan(per_100g):
        return MISSING
    limit = 3800.0 if name == "energy_kcal" else 101.0
    return per_100g if 0.0 <= per_100g < limit else OUT_OF_RANGE


def load(spec: NetworkSpec, installed: Installed) -> CategoryNetwork:
    """The category network of a manifest entry; raises NetworkMissing or NetworkRejected."""
    path = installed.path(spec)
    if path is None:
        raise NetworkMissing(f"{spec.name} is not installed: python -m server models pull {spec.name}")
    expected = installed.expected_sha256(spec)
    found = file_sha256(path)
    if found != expected:
        raise NetworkRejected(f"{spec.name}: {path} has sha256 {found}, pinned is {expected}")
    return CategoryNetwork(spec.name, path)


class CategoryNetwork:
    """One ONNX Runtime session on one thread, safe to run from several; `tags` are its C categories."""

    def __init__(self, name: str, path: Path) -> None:
        """Loads and checks the file; raises NetworkRejected."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has a class per kind of fault, none public
            raise NetworkRejected(f"{name}: {path} could not be loaded: {error}") from error
        about = self._session.get_modelmeta().custom_metadata_map
        if about.get("features") != product_features.VERSION:
            raise NetworkRejected(
                f"{name}: made for features {about.get('features')}, not {product_features.VERSION}"
            )
        self.tags: tuple[str, ...] = tuple(about["tags"].split("\n"))
        self._parents: list[tuple[int, ...]] = [
            tuple(int(parent) for parent in line.split()) for line in about["parents"].split("\n")
        ]

    def predict(self, product: Product) -> Scores:
        """Scores of every tag; all 0 for a product without a name, which is no ground for a guess.

        A tag's score is at least that of each of its descendants.
        """
        ids, weights = product_features.features(
            product.product_name,
            itertools.chain(product.ingredients_tags, product.ingredients_ocr_tags),
        )
        if not len(ids):
            nothing = np.zeros(len(self.tags), np.float32)
            return Scores(nothing, nothing)
        nutrients = np.array([getattr(product, name) for name in NUTRIENTS], np.float32)
        inputs = {"features": ids, "weights": weights, "nutrients": nutrients}
        return Scores(*self._session.run(["output_0", "deepest"], inputs))

    def categories(
        self, product: Product, threshold: float = 0.5, *, deepest_only: bool = False
    ) -> list[Category]:
        """The tags of at least this score, highest first; `deepest_only` drops ancestors of other answers."""
        scores = self.predict(product).belonging
        found = [int(tag) for tag in np.flatnonzero(scores >= threshold) if scores[tag] > 0.0]
        if deepest_only:
            # Whatever is above the threshold has its parents there too, so parents are all that can go.
            above = {parent for tag in found for parent in self._parents[tag]}
            found = [tag for tag in found if tag not in above]
        found.sort(key=lambda tag: (-scores[tag], self.tags[tag]))
        return [Category(self.tags[tag], float(scores[tag])) for tag in found]
