"""The rules of labels, categories, codes, weights, dates, shops and brands, row by row."""

from typing import Any

import pytest

from server.insights.engine.candidates import Candidate
from server.insights.engine.rules import (
    brand,
    category,
    expiration_date,
    label,
    packager_code,
    product_weight,
    store,
)
from tests.server.insights.engine.rules.situations import (
    Trees,
    image,
    prediction,
    product,
    proposed,
    situation,
)

LABELS = Trees(
    labels={
        "en:organic": {"name": {"en": "Organic", "fr": "Bio"}},
        "en:eu-organic": {"name": {"en": "EU Organic"}, "parents": ["en:organic"]},
        "en:fr-bio-01": {"name": {"en": "FR-BIO-01"}, "parents": ["en:eu-organic"]},
        "en:dk-øko-050": {"name": {"en": "DK-ØKO-050"}, "parents": ["en:eu-organic"]},
        "en:vegan": {"name": {"en": "Vegan"}},
    }
)
FOOD = Trees(
    categories={
        "en:dairies": {"name": {"en": "Dairies"}},
        "en:yogurts": {
            "name": {"en": "Yogurts", "fr": "Yaourts"},
            "parents": ["en:dairies"],
            "props": {"agribalyse_food_code": "19590"},
        },
        "en:soups": {"name": {"en": "Soups"}},
    }
)


def tags(candidates: list[Candidate]) -> list[str | None]:
    return [candidate.value_tag for candidate in candidates]


# packager_code


def test_a_code_that_the_product_has_in_another_spelling_is_not_proposed() -> None:
    codes = [prediction("packager_code", value=value) for value in ("FR 12.345.678 EC", "EMB 1", None)]
    had = product(emb_codes="fr12345678-ce, EMB 2")
    assert [one.value for one in proposed(packager_code.RULE, situation(*codes, of=had))] == ["EMB 1"]
    assert len(proposed(packager_code.RULE, situation(*codes))) == 2


@pytest.mark.parametrize("automatic", [True, False, None])
def test_a_code_is_automatic_as_predicted(automatic: bool | None) -> None:
    code = prediction("packager_code", value="EMB 1", automatic_processing=automatic)
    (candidate,) = proposed(packager_code.RULE, situation(code))
    assert candidate.automatic_processing is bool(automatic)


# label


def test_a_label_that_the_product_says_already_is_not_proposed() -> None:
    found = [
        prediction("label", value_tag=tag) for tag in ("en:organic", "fr:bio", "en:eu-organic", "en:vegan")
    ]
    had = product(labels_tags=["en:eu-organic"])
    assert tags(proposed(label.RULE, situation(*found, of=had, trees=LABELS))) == ["en:vegan"]


def test_only_the_deepest_labels_are_proposed_and_by_their_ids() -> None:
    found = [prediction("label", value_tag=tag) for tag in ("en:organic", "en:EU organic", "xx:unknown")]
    candidates = proposed(label.RULE, situation(*found, of=product(), trees=LABELS))
    assert tags(candidates) == ["en:eu-organic", "xx:unknown"]


def test_the_words_of_european_agriculture_are_never_a_label() -> None:
    found = [prediction("label", value_tag=tag) for tag in ("en:eu-agriculture", "en:non-eu-agriculture")]
    assert proposed(label.RULE, situation(*found)) == []


@pytest.mark.parametrize(
    ("columns", "is_automatic"),
    [
        ({"value_tag": "en:fr-bio-01"}, True),
        ({"value_tag": "en:fr-bio-01", "predictor": "flashtext"}, True),
        ({"value_tag": "en:dk-oko-050"}, True),
        ({"value_tag": "en:es-eco-001-an"}, True),
        ({"value_tag": "en:fr-bio-01", "predictor": "universal-logo-detector"}, False),
        ({"value_tag": "en:fr-bio-01", "predictor": None, "automatic_processing": True}, False),
        ({"value_tag": "en:fr-bio-01", "automatic_processing": False}, False),
        ({"value_tag": "en:fr-bio-01", "data": {"source": "product_name"}}, False),
        ({"value_tag": "en:vegan", "automatic_processing": True}, False),
        ({"value_tag": "en:cn-bio-140"}, False),
    ],
)
def test_a_label_is_automatic_only_where_text_has_the_code_of_a_european_control_body(
    columns: dict[str, Any], is_automatic: bool
) -> None:
    (candidate,) = proposed(label.RULE, situation(prediction("label", **columns), trees=LABELS))
    assert candidate.automatic_processing is is_automatic


def test_a_label_conflicts_with_the_same_and_with_one_below_it() -> None:
    conflicts = label.RULE.conflicts(situation(trees=LABELS))
    organic, european = Candidate(value_tag="en:organic"), Candidate(value_tag="en:eu-organic")
    assert conflicts(organic, organic)
    assert conflicts(organic, european)
    assert not conflicts(european, organic)


# category


def test_categories_unknown_or_said_already_are_not_proposed_and_only_the_deepest_stay() -> None:
    found = [
        prediction("category", value_tag=tag)
        for tag in ("en:dairies", "fr:Yaourts", "en:nothing", "en:soups", None)
    ]
    with_soups = product(categories_tags=["en:soups"])
    assert tags(proposed(category.RULE, situation(*found, of=with_soups, trees=FOOD))) == ["en:yogurts"]
    with_yogurts = product(categories_tags=["en:yogurts"])
    assert tags(proposed(category.RULE, situation(*found, of=with_yogurts, trees=FOOD))) == ["en:soups"]


@pytest.mark.parametrize(
    ("tag", "data", "campaign"),
    [
        ("en:yogurts", {}, ("agribalyse-category", "missing-category")),
        ("en:soups", {}, ("missing-category",)),
        ("en:yogurts", {"categories_tags": ["en:soups"]}, ("agribalyse-category",)),
        ("en:soups", {"categories_tags": ["en:dairies"]}, ()),
    ],
)
def test_a_category_belongs_to_campaigns_and_is_never_automatic(
    tag: str, data: dict[str, Any], campaign: tuple[str, ...]
) -> None:
    found = prediction("category", value_tag=tag, automatic_processing=True)
    (candidate,) = proposed(category.RULE, situation(found, of=product(**data), trees=FOOD))
    assert (candidate.campaign, candidate.automatic_processing) == (campaign, False)


def test_of_an_unknown_product_nobody_says_that_its_category_is_missing() -> None:
    (candidate,) = proposed(
        category.RULE, situation(prediction("category", value_tag="en:soups"), trees=FOOD)
    )
    assert candidate.campaign == ()


# product_weight


def weight(value: str, matcher: str = "with_mention", **columns: Any) -> Any:
    data = {"matcher_type": matcher} | columns.pop("data", {})
    return prediction("product_weight", value=value, data=data, **({"automatic_processing": True} | columns))


def test_a_product_with_a_quantity_gets_no_weight() -> None:
    assert proposed(product_weight.RULE, situation(weight("500 g"), of=product(quantity="1 kg"))) == []


@pytest.mark.parametrize(
    ("weights", "is_automatic"),
    [
        ([weight("500 g")], True),
        ([weight("500 g"), weight("500 g", source_image=image(2))], True),
        ([weight("500 g"), weight("400 g")], False),
        ([weight("500 g"), weight("400 g", "no_mention")], True),
        ([weight("500 g", automatic_processing=False)], False),
        ([weight("500 g", data={"source": "product_name"})], False),
    ],
)
def test_only_the_best_weight_is_proposed_and_automatic_where_nothing_speaks_against_it(
    weights: list[Any], is_automatic: bool
) -> None:
    (candidate,) = proposed(product_weight.RULE, situation(*weights, of=product()))
    assert (candidate.value, candidate.automatic_processing) == ("500 g", is_automatic)


# expiration_date


def dates(*values: str) -> list[Any]:
    return [prediction("expiration_date", value=value) for value in values]


@pytest.mark.parametrize(
    ("values", "latest", "is_automatic"),
    [
        (("2026-05-01",), "2026-05-01", True),
        (("2026-05-01", "2026-05-01"), "2026-05-01", True),
        (("2026-05-01", "2027-01-02"), "2027-01-02", False),
        (("soon", "2026-05-01"), "2026-05-01", True),
    ],
)
def test_the_latest_date_is_proposed_and_automatic_where_all_agree(
    values: tuple[str, ...], latest: str, is_automatic: bool
) -> None:
    (candidate,) = proposed(expiration_date.RULE, situation(*dates(*values), of=product()))
    assert (candidate.value, candidate.automatic_processing) == (latest, is_automatic)


def test_a_product_with_a_date_gets_no_other() -> None:
    dated = product(expiration_date="2026-01-01")
    assert proposed(expiration_date.RULE, situation(*dates("2026-05-01"), of=dated)) == []
    assert proposed(expiration_date.RULE, situation(*dates("soon"), of=product())) == []


# store


def test_a_shop_is_always_automatic_even_where_the_product_has_one() -> None:
    found = prediction("store", value="Lidl", value_tag="lidl")
    (candidate,) = proposed(store.RULE, situation(found, of=product(stores_tags=["lidl"])))
    assert candidate.automatic_processing is True


# brand


def test_a_product_with_a_brand_gets_no_other() -> None:
    found = prediction("brand", value_tag="lidl", predictor="curated-list")
    assert proposed(brand.RULE, situation(found, of=product(brands_tags=["aldi"]))) == []
    assert proposed(brand.RULE, situation(found, of=product(brands="Aldi"))) == []
    assert tags(proposed(brand.RULE, situation(found, of=product()))) == ["lidl"]


@pytest.mark.parametrize(
    ("predictor", "is_judged"),
    [("taxonomy", True), ("curated-list", True), ("universal-logo-detector", False), (None, False)],
)
def test_a_brand_that_was_read_in_text_must_be_no_common_word_and_have_such_barcodes(
    predictor: str | None, is_judged: bool
) -> None:
    found = [
        prediction("brand", value_tag=tag, predictor=predictor) for tag in ("xx:premium", "en:soups", "lidl")
    ]
    foreign = situation(*found, of=product(), trees=FOOD, foreign_brands=frozenset({"lidl"}))
    assert tags(proposed(brand.RULE, foreign)) == ([] if is_judged else ["xx:premium", "en:soups", "lidl"])


def test_a_brand_is_automatic_as_predicted() -> None:
    found = prediction("brand", value_tag="lidl", automatic_processing=True)
    (candidate,) = proposed(brand.RULE, situation(found))
    assert candidate.automatic_processing is True
