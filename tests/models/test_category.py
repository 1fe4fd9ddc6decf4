"""The category network as it serves: its input, its answers, the file it refuses."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from models import category, manifest, product_features
from models.category import MISSING, NUTRIENTS, OUT_OF_RANGE, CategoryNetwork, Product
from models.installed import Installed
from models.manifest import Shipped
from models.network import NetworkMissing, NetworkRejected

FILE = Path(manifest.__file__).parent / "weights" / "aisle-category.onnx"
REAL_NAMES = Path(__file__).parent / "real_product_names.csv"


@pytest.fixture(scope="module")
def network() -> CategoryNetwork:
    return CategoryNetwork("aisle-category", FILE)


def tags(network: CategoryNetwork, name: str, **more: object) -> set[str]:
    return {one.tag for one in network.categories(Product(product_name=name, **more))}  # type: ignore[arg-type]


def test_words_are_plain_and_quantities_go() -> None:
    assert product_features.words("Pâté de CŒUR d'Érable: 2 x 250 g") == [
        "pate",
        "de",
        "coeur",
        "d",
        "erable",
    ]
    assert product_features.words("Weißbier 0,5 l 33cl 5% 1.5 L") == ["weissbier", "5"]
    assert product_features.words("烤鸡 ガム 닭고기") == ["烤鸡", "ガム", "닭고기"]
    assert product_features.words(" -- 500 g!") == []


def test_features_are_the_same_on_every_machine() -> None:
    ids, weights = product_features.features("roasted chicken", ["en:salt"])
    assert len(ids) == len(weights)
    assert ids.dtype == np.int64 and weights.dtype == np.float32
    # Words, pieces, pair, ingredient: changing any of them needs a new VERSION and new weights.
    assert len(ids) == 2 + 18 + 18 + 1 + 1
    assert int(ids.sum()) == 1233695
    assert int(ids.min()) >= 0 and int(ids.max()) < product_features.BUCKETS


def test_word_order_does_not_change_a_pair_and_ingredients_weigh_little() -> None:
    one, _ = product_features.features("green tea", [])
    other, _ = product_features.features("tea green", [])
    assert sorted(one) == sorted(other)
    few, weights = product_features.features("tea", [f"en:plant-{number}" for number in range(200)])
    assert float((weights[-50:] ** 2).sum()) < 1.0
    assert len(few) < 100


def test_hostile_names_are_cut() -> None:
    ids, _ = product_features.features("a" * 10_000_000, [])
    assert len(ids) < 200
    ids, _ = product_features.features("word " * 1_000_000 + "\ud800\x00", [])
    assert len(ids) < 1000


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("fat", 12.5, 12.5),
        ("fat", None, MISSING),
        ("fat", math.nan, MISSING),
        ("fat", -0.1, OUT_OF_RANGE),
        ("salt", 101.0, OUT_OF_RANGE),
        ("energy_kcal", 900.0, 900.0),
        ("energy_kcal", 3800.0, OUT_OF_RANGE),
    ],
)
def test_a_nutrient_is_itself_missing_or_out_of_range(
    name: str, value: float | None, expected: float
) -> None:
    assert category.nutrient(name, value) == expected


def test_every_nutrient_is_a_field_of_the_product() -> None:
    assert all(getattr(Product(), name) == MISSING for name in NUTRIENTS)


@pytest.mark.parametrize("name", ["", "   ", "--", "500 g", "6 x 33 cl"])
def test_a_product_without_a_name_gets_nothing(network: CategoryNetwork, name: str) -> None:
    product = Product(product_name=name, ingredients_tags=("en:chicken",), proteins=25.0)
    assert network.categories(product, threshold=0.0) == []
    assert not network.predict(product).belonging.any()


@pytest.mark.parametrize("name", ["roasted chicken", "Poulet rôti 1,2 kg", "烤鸡"])
def test_roasted_chicken_is_a_chicken(network: CategoryNetwork, name: str) -> None:
    found = network.categories(Product(product_name=name))
    assert {"en:meats", "en:poultries", "en:chickens"} <= {one.tag for one in found}
    assert "en:chickens" not in {
        one.tag for one in network.categories(Product(product_name=name), deepest_only=True)
    }


def test_a_parent_is_never_less_likely_than_its_child(network: CategoryNetwork) -> None:
    scores = network.predict(Product(product_name="fromage de chèvre frais")).belonging
    assert len(scores) == len(network.tags) == len(set(network.tags))
    assert float(scores.min()) >= 0.0 and float(scores.max()) <= 1.0
    place = {tag: number for number, tag in enumerate(network.tags)}
    assert scores[place["en:goat-cheeses"]] <= scores[place["en:cheeses"]] + 1e-6
    assert scores[place["en:cheeses"]] <= scores[place["en:dairies"]] + 1e-6


def test_answers_fall_and_the_deepest_are_no_ancestors_of_others(network: CategoryNetwork) -> None:
    product = Product(product_name="Strawberry jam")
    all_found = network.categories(product, threshold=0.3)
    scores = [one.score for one in all_found]
    assert scores == sorted(scores, reverse=True) and min(scores) >= 0.3
    deepest = network.categories(product, threshold=0.3, deepest_only=True)
    assert deepest and set(deepest) < set(all_found)
    assert "en:spreads" not in {one.tag for one in deepest}


def test_nutrients_rule_out_what_cannot_be(network: CategoryNetwork) -> None:
    name = "mineral water"
    place = network.tags.index("en:waters")
    plain = network.predict(Product(product_name=name)).belonging[place]
    fat = network.predict(Product(product_name=name, fat=80.0, energy_kcal=700.0)).belonging[place]
    thin = network.predict(Product(product_name=name, fat=0.0, energy_kcal=12.0)).belonging[place]
    unknown = network.predict(Product(product_name=name, fat=OUT_OF_RANGE)).belonging[place]
    # Two rules broken, each about e^3 in the odds; more water than fat in the name, so it may stay likely.
    assert math.log(plain / (1 - plain)) - math.log(fat / (1 - fat)) > 4.0
    assert thin >= plain - 1e-6
    assert unknown == pytest.approx(plain)


def test_image_embeddings_are_accepted_and_not_looked_at(network: CategoryNetwork) -> None:
    with_image = Product(product_name="camembert", image_embeddings=((0.1,) * 512,))
    without = Product(product_name="camembert")
    np.testing.assert_array_equal(network.predict(with_image).belonging, network.predict(without).belonging)


def test_real_product_names_mostly_get_their_category(network: CategoryNetwork) -> None:
    with REAL_NAMES.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    right = sum(row["expected"] in tags(network, row["product_name"]) for row in rows)
    assert right >= 0.75 * len(rows), f"{right} of {len(rows)}"


def test_the_manifest_entry_loads(network: CategoryNetwork, tmp_path: Path) -> None:
    spec = manifest.load().find("aisle-category")
    assert spec is not None
    loaded = category.load(spec, Installed(tmp_path))
    assert loaded.tags == network.tags


def test_a_missing_a_changed_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    spec = manifest.NetworkSpec(
        name="broken",
        version="1",
        task="text",
        licence="Apache-2.0",
        source=Shipped(path=str(path)),
        sha256="0" * 64,
    )
    with pytest.raises(NetworkMissing, match="broken is not installed"):
        category.load(spec, Installed(tmp_path))
    path.write_bytes(b"no network")
    with pytest.raises(NetworkRejected, match="sha256"):
        category.load(spec, Installed(tmp_path))
    with pytest.raises(NetworkRejected, match="could not be loaded"):
        CategoryNetwork("broken", path)
