"""Which predictions go and which come when a batch is imported."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.insights.engine.predictions import NewPrediction, Prediction
from server.insights.engine.replacement import replaced

BARCODE = "3250390172185"


def new(**columns: Any) -> NewPrediction:
    defaults = {"barcode": BARCODE, "type": "label", "source_image": "/1.jpg", "predictor_version": "1"}
    return NewPrediction(**(defaults | columns))


def stored(number: int, of: NewPrediction) -> Prediction:
    return Prediction(
        number,
        of.barcode,
        of.type,
        of.data,
        of.value_tag,
        of.value,
        of.source_image,
        of.automatic_processing,
        of.predictor,
        of.predictor_version,
        of.confidence,
    )


PREDICTIONS = st.builds(
    new,
    type=st.sampled_from(["label", "category", "brand"]),
    source_image=st.sampled_from([None, "/1.jpg", "/2.jpg"]),
    predictor_version=st.sampled_from([None, "1", "2"]),
    value_tag=st.sampled_from(["a", "b"]),
    predictor=st.sampled_from([None, "regex"]),
    automatic_processing=st.sampled_from([None, False]),
)


def test_another_version_on_the_same_image_is_replaced() -> None:
    old = [
        stored(1, new(value_tag="a", predictor_version="1")),
        stored(2, new(value_tag="a", predictor_version=None)),
        stored(3, new(value_tag="b", predictor_version="2")),
        stored(4, new(value_tag="a", source_image="/2.jpg")),
        stored(5, new(value_tag="a", source_image=None)),
        stored(6, new(value_tag="a", type="brand")),
    ]
    result = replaced([new(value_tag="a", predictor_version="2")], old)
    assert [one.id for one in result.deleted] == [1, 2]
    assert [one.id for one in result.kept] == [3, 4, 5, 6]
    assert result.added == [0]


def test_no_version_is_a_version_too() -> None:
    result = replaced(
        [new(predictor_version=None)], [stored(1, new()), stored(2, new(predictor_version=None))]
    )
    assert [one.id for one in result.deleted] == [1]
    assert result.added == []


def test_one_without_an_image_replaces_nothing() -> None:
    old = [stored(1, new(source_image=None, value_tag="a"))]
    result = replaced([new(source_image=None, value_tag="b", predictor_version="2")], old)
    assert (result.deleted, result.added) == ([], [0])


def test_categories_replace_all_categories_of_the_product() -> None:
    old = [
        stored(1, new(type="category", value_tag="a", source_image=None)),
        stored(2, new(type="category", value_tag="b", source_image="/2.jpg")),
        stored(3, new(value_tag="a")),
    ]
    result = replaced([new(type="category", value_tag="a", source_image=None)], old)
    assert [one.id for one in result.deleted] == [1, 2]
    assert result.added == [0]


def test_two_are_the_same_by_seven_columns_and_nothing_else() -> None:
    one = new(value_tag="a", value="x", predictor="regex", automatic_processing=True)
    same = new(
        value_tag="a", value="x", predictor="regex", automatic_processing=True, data={"a": 1}, confidence=0.1
    )
    others = [
        new(value_tag="b", value="x", predictor="regex", automatic_processing=True),
        new(value_tag="a", value="y", predictor="regex", automatic_processing=True),
        new(value_tag="a", value="x", predictor=None, automatic_processing=True),
        new(value_tag="a", value="x", predictor="regex", automatic_processing=None),
        new(value_tag="a", value="x", predictor="regex", automatic_processing=True, source_image="/2.jpg"),
        new(value_tag="a", value="x", predictor="regex", automatic_processing=True, type="brand"),
    ]
    assert replaced([same, *others], [stored(1, one)]).added == [1, 2, 3, 4, 5, 6]
    assert replaced([one, same], []).added == [0]


@given(st.lists(PREDICTIONS, max_size=8), st.lists(PREDICTIONS, max_size=8))
def test_the_result_is_that_of_the_rules_taken_one_by_one(
    batch: list[NewPrediction], before: list[NewPrediction]
) -> None:
    rows = [stored(number, one) for number, one in enumerate(before)]
    left = rows
    for one in batch:
        if one.type == "category":
            left = [row for row in left if row.type != "category"]
        elif one.source_image is not None:
            left = [
                row
                for row in left
                if (row.type, row.source_image) != (one.type, one.source_image)
                or row.predictor_version == one.predictor_version
            ]
    keys = [row.key for row in left]
    added = []
    for place, one in enumerate(batch):
        if one.key not in keys:
            keys.append(one.key)
            added.append(place)
    result = replaced(batch, rows)
    assert result.kept == left
    assert result.added == added
    assert sorted(row.id for row in result.deleted + result.kept) == list(range(len(rows)))


@given(st.lists(PREDICTIONS.filter(lambda one: one.type != "category"), max_size=8))
def test_the_same_batch_again_changes_nothing_when_it_has_one_version_per_image(
    batch: list[NewPrediction],
) -> None:
    for one in batch:
        one.predictor_version = "1"
    rows = [stored(place, batch[place]) for place in replaced(batch, []).added]
    again = replaced(batch, rows)
    assert (again.kept, again.deleted, again.added) == (rows, [], [])
