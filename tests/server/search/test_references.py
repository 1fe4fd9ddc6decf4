"""Every form of a reference that published clients send."""

import pytest

from server.search import references
from server.search.references import InvalidReference

ITEM = "b01c52771bd54b5d8e05cd626db99504"


@pytest.mark.parametrize(
    "form",
    [
        f"/api/v0/item/{ITEM}/",
        f"/api/v0/item/{ITEM}",
        f"/v0/item/{ITEM}/",
        f"api/v0/item/{ITEM}/",
        f"http://host:8000/api/v0/item/{ITEM}/",
        f"https://host/api/v0/item/{ITEM}?api_key=x",
        ITEM,
        ITEM.upper(),
        "b01c5277-1bd5-4b5d-8e05-cd626db99504",
        f"{ITEM}/",
        f" {ITEM}\n",
    ],
)
def test_every_accepted_form_names_the_same_object(form: str) -> None:
    assert references.parse(form, "item") == ITEM


@pytest.mark.parametrize(
    "form",
    [
        "",
        "/",
        None,
        7,
        [ITEM],
        {"uuid": ITEM},
        ITEM[:-1],
        f"{ITEM}0",
        "x" * 32,
        f"/api/v0/collection/{ITEM}/",
        f"/api/v0/item/{ITEM}/images/",
        "http://[/item/",
    ],
)
def test_anything_else_is_refused(form: object) -> None:
    with pytest.raises(InvalidReference):
        references.parse(form, "item")


def test_a_token_is_its_own_id() -> None:
    assert references.parse("/api/v0/token/AFE34DBE14890FAC/", "token") == "afe34dbe14890fac"
    with pytest.raises(InvalidReference):
        references.parse(f"/api/v0/token/{ITEM}/", "token")


def test_an_answer_always_ends_in_a_slash_and_can_be_split_by_clients() -> None:
    uri = references.uri("item", ITEM)
    assert uri == f"/api/v0/item/{ITEM}/"
    assert uri.split("/")[-2] == ITEM
