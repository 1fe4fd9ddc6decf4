"""Fields of a request, one by one."""

from typing import Any

import pytest

from server import errors
from server.search.inputs import MAX_DATA_BYTES, Fields

UUID = "b01c52771bd54b5d8e05cd626db99504"


def problems(fields: Fields) -> dict[str, Any]:
    with pytest.raises(errors.BadRequest) as caught:
        fields.check()
    assert caught.value.code == "VALIDATION_ERROR" and caught.value.details is not None
    return caught.value.details


def test_everything_that_is_wrong_is_told_together() -> None:
    fields = Fields({"url": 1, "trackable": [], "tags": {}, "custom": 2, "collection": "x"})
    fields.name(required=True)
    fields.text("url")
    fields.flag("trackable")
    fields.tags()
    fields.custom()
    fields.reference("collection", required=True)
    assert set(problems(fields)) == {"name", "url", "trackable", "tags", "custom", "collection"}


def test_nothing_wrong_is_nothing_told() -> None:
    fields = Fields({})
    assert fields.text("url") is fields.flag("trackable") is fields.tags() is fields.custom() is None
    assert fields.content() is fields.reference("collection", required=False) is None
    fields.check()


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        *[(value, True) for value in (True, 1, "1", "true", "TRUE", " yes ", "on")],
        *[(value, False) for value in (False, 0, "0", "false", "No", "off", "")],
        (None, None),
    ],
)
def test_booleans_may_be_text_or_numbers(sent: object, read: bool | None) -> None:
    fields = Fields({"offline": sent})
    assert fields.flag("offline") is read
    fields.check()


@pytest.mark.parametrize("sent", ["maybe", 2, 1.0, [], {}])
def test_anything_else_is_no_boolean(sent: object) -> None:
    fields = Fields({"offline": sent})
    assert fields.flag("offline") is None
    assert list(problems(fields)) == ["offline"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"b": 1, "a": None}, '{"b":1,"a":null}'),
        ('{"b": 1}', '{"b":1}'),
        ("[1, 2]", "[1,2]"),
        (0, "0"),
        (False, "false"),
        ([], "[]"),
        ("words", '"words"'),
        ('"words"', '"words"'),
        ("null", None),
        ("", None),
        (" ", '" "'),
        (None, None),
    ],
)
def test_content_is_a_json_value_or_text_that_holds_one(sent: object, stored: str | None) -> None:
    fields = Fields({"content": sent})
    assert fields.content() == stored
    fields.check()


def test_data_is_measured_in_bytes() -> None:
    fields = Fields({"custom": "é" * (MAX_DATA_BYTES // 2)})
    assert len(fields.custom() or b"") == MAX_DATA_BYTES
    fields.check()
    too_long = Fields({"custom": "é" * (MAX_DATA_BYTES // 2) + "x"})
    assert too_long.custom() is None
    assert str(MAX_DATA_BYTES) in problems(too_long)["custom"][0]


def test_a_field_that_may_not_change_may_be_repeated() -> None:
    fields = Fields({"collection": f"/api/v0/collection/{UUID}/"})
    fields.unchanged("collection", UUID)
    fields.unchanged("item", UUID)
    fields.check()
    fields.unchanged("collection", "0" * 32)
    assert problems(fields) == {"collection": ["This field cannot be changed."]}


def test_each_tag_counts_once_in_the_order_given() -> None:
    tags = [UUID, "0" * 32, f"/api/v0/tag/{UUID}/"]
    assert Fields({"tags": tags}).tags() == [UUID, "0" * 32]
    assert Fields({"tags": None}).tags() == []
    assert Fields({}).tags() is None
