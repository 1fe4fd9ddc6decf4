"""Whatever stands in predictions and products, working out insights never fails."""

from datetime import datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from server.insights.engine import recompute
from server.insights.engine.predictions import INSIGHT_TYPES, PREDICTION_TYPES, Prediction
from server.insights.engine.rules.rule import Situation
from server.insights.products.products import Product
from tests.server.insights.engine.rules.situations import BARCODE, Trees, image, prediction, product

KEYS = (
    "nutrients mentions nutrient_value count orientation rotation element shape material value value_tag unit lang "
    "languages original correction priority bounding_box bounding_box_absolute entities raw fat_100g serving_size "
    "fraction_known_ingredients ingredients_n source matcher_type id up left front_fr 1 imgid angle rev "
    "username is_annotation input_sets preparation per"
)
NAMES = st.sampled_from(KEYS.split())
WORDS = st.sampled_from(
    ["", "left", "fr", "en:soups", "3.5", "<0.1 g", "9 kJ", "1", "2", "traces", "\u00b2", "a" * 50]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
DATA = st.dictionaries(NAMES, VALUES, max_size=5)
PREDICTIONS = st.builds(
    lambda kind, **columns: prediction(kind, **columns),
    st.sampled_from(sorted(PREDICTION_TYPES)),
    data=DATA,
    value_tag=st.none() | WORDS,
    value=st.none() | WORDS,
    source_image=st.sampled_from([None, image(1), image(2), "/1/\u00b2.jpg", "x"]),
)
COLUMNS = (
    "images nutriments nutrition packagings categories_tags labels_tags brands_tags emb_codes quantity lang "
    "schema_version serving_size unique_scans_n countries_tags ingredients_text_fr"
)
FIELDS = st.sampled_from(COLUMNS.split())
PRODUCTS = st.none() | st.dictionaries(FIELDS, VALUES, max_size=5).map(
    lambda data: Product("off", BARCODE, data)
)
TREES = Trees(categories={"en:soups": {}}, packaging_shapes={"en:bottle": {}})


@given(st.lists(PREDICTIONS, max_size=5), PRODUCTS)
def test_nothing_that_is_stored_stops_the_engine(found: list[Prediction], of: Product | None) -> None:
    by_type: dict[str, list[Prediction]] = {}
    for one in found:
        by_type.setdefault(one.type, []).append(one)
    situation = Situation(BARCODE, of, by_type, TREES)
    for rule in recompute.RULES:
        walk = recompute.worked_out(rule, situation, [])
        for candidate in walk.created:
            row = recompute.columns_of(rule.type, candidate, situation, "off", datetime(2024, 1, 2), 600)
            assert msgspec.json.encode(row)
            assert row["value_tag"] is None or isinstance(row["value_tag"], str)
            assert row["bounding_box"] is None or len(row["bounding_box"]) == 4


def test_every_type_that_becomes_insights_has_one_rule() -> None:
    assert sorted(rule.type for rule in recompute.RULES) == sorted(INSIGHT_TYPES)
    assert len(INSIGHT_TYPES) == 14


def test_a_rule_is_for_batches_that_have_all_that_it_requires() -> None:
    assert [rule.type for rule in recompute.rules_of({"nutrient_mention", "store"})] == ["store"]
    both = recompute.rules_of({"nutrient_mention", "image_orientation"})
    assert [rule.type for rule in both] == ["nutrition_image", "image_orientation"]


def test_an_image_is_the_products_own_when_the_path_says_so() -> None:
    with_images = product(images={"1": {}, "front_fr": {"imgid": "1"}})
    paths = [None, image(1), image(2), "/1.jpg", "/325/039/017/2185/front_fr.jpg", "/325/039/017/9999/1.jpg"]
    assert [recompute.has_image(with_images, path) for path in paths] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_a_box_in_pixels_becomes_shares_and_is_cut_at_the_edges() -> None:
    sized = product(images={"1": {"sizes": {"full": {"w": 200, "h": 100}}}})
    boxes: list[Any] = [
        ({"bounding_box_absolute": [-10, 20, 50, 400]}, [0.0, 0.1, 0.5, 1.0]),
        ({"bounding_box": [10, 20, 50, 100]}, [0.1, 0.1, 0.5, 0.5]),
        ({"bounding_box": [0.1, 0.2, 0.3, 1]}, [0.1, 0.2, 0.3, 1.0]),
        ({"bounding_box": [1, 2]}, None),
        ({}, None),
    ]
    for data, box in boxes:
        found = prediction("store", data=data, value_tag="lidl")
        situation = Situation(BARCODE, sized, {"store": [found]}, TREES)
        (candidate,) = recompute.rules_of({"store"})[0].candidates(situation)
        row = recompute.columns_of("store", candidate, situation, "off", datetime(2024, 1, 2), 600)
        assert row["bounding_box"] == box
        assert "bounding_box_absolute" not in row["data"]
