"""Names of networks and scores of what they saw."""

from typing import Any

import pytest

from server.insights import detections


@pytest.mark.parametrize(
    ("name", "stored", "kind"),
    [
        ("nutrition-table", "nutrition_table", "object_detection"),
        ("nutrition_table", "nutrition_table", "object_detection"),
        ("upc_opencv", "upc-opencv", "upc_image"),
        ("ingredient-detection", "ingredient_detection", "ner"),
        ("my-own", "my-own", "object_detection"),
    ],
)
def test_a_known_network_has_one_name_and_a_type(name: str, stored: str, kind: str) -> None:
    assert (detections.stored_name(name), detections.type_of(name)) == (stored, kind)


@pytest.mark.parametrize(
    ("data", "best"),
    [
        ({"objects": [{"score": 0.25}, {"score": 1}, {"score": "2"}, "x", {}]}, 1.0),
        ({"objects": []}, None),
        ({"objects": {"score": 1}}, None),
        ({}, None),
    ],
)
def test_only_numbers_of_objects_are_scores(data: dict[str, Any], best: float | None) -> None:
    assert detections.best_score(data) == best
