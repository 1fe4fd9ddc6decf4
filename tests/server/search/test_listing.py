"""The rules of list requests, without a database."""

import pytest

from server import errors
from server.search import listing
from server.search.listing import Listing


def parse(*query: tuple[str, str], resource: str = "item", filters: listing.Filters | None = None) -> Listing:
    return listing.parse(query, resource, listing.ITEM if filters is None else filters)


def test_the_defaults_are_the_first_twenty_in_order_of_creation() -> None:
    page = parse(("api_key", "k"))
    assert (page.limit, page.offset, page.order) == (20, 0, "created")
    assert set(page.values) == {None}
    assert page.headers() == {}


@pytest.mark.parametrize(("sent", "used"), [("1", 1), ("1000", 1000), ("0", 1000), ("1001", 1000), ("", 20)])
def test_no_limit_and_too_much_of_it_mean_a_thousand(sent: str, used: int) -> None:
    assert parse(("limit", sent)).limit == used


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("sent", ["-1", "abc", "1.5", "٣", "9" * 5000])
def test_a_limit_or_offset_that_is_no_whole_number_is_named(name: str, sent: str) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        parse((name, sent))
    assert caught.value.code == "VALIDATION_ERROR"
    assert caught.value.details is not None and list(caught.value.details) == [name]


def test_an_offset_beyond_every_row_is_an_empty_page_not_a_fault() -> None:
    assert parse(("offset", "9" * 30)).offset < 2**63


def test_filters_stand_in_the_order_of_the_query_parameters() -> None:
    page = parse(("trackable", "Yes"), ("name", "a"), ("custom__contains", "é"))
    assert dict(zip(listing.ITEM, page.values, strict=True)) == {
        **dict.fromkeys(listing.ITEM),
        "name": "a",
        "trackable": True,
        "custom__contains": "é".encode(),
    }


def test_the_last_of_a_repeated_parameter_counts() -> None:
    assert parse(("limit", "3"), ("limit", "5")).limit == 5


def test_a_published_misspelling_is_an_alias() -> None:
    page = parse(("name_contains", "oil"), ("collection__name_contains", "wine"))
    values = dict(zip(listing.ITEM, page.values, strict=True))
    assert (values["name__contains"], values["collection__name__contains"]) == ("oil", "wine")
    assert page.ignored == ()


def test_an_unknown_filter_is_ignored_with_a_warning() -> None:
    page = parse(("colour", "red"), ("na\r\nme", "x"))
    assert page.ignored == ("colour", "na\r\nme")
    warning = page.headers()["Warning"]
    assert warning.startswith("299 - ") and "colour" in warning and "\n" not in warning and warning.isascii()


def test_the_key_and_the_format_are_no_filters() -> None:
    assert parse(("api_key", "k"), ("format", "json")).ignored == ()


def test_a_uuid_filter_that_is_none_matches_nothing() -> None:
    page = listing.parse([("collection__uuid", "'; DROP")], "token", listing.TOKEN)
    assert page.values[0] == "0" * 32


def test_a_quality_that_is_no_number_is_named() -> None:
    with pytest.raises(errors.BadRequest) as caught:
        parse(("quality__lt", "good"), resource="image", filters=listing.IMAGE)
    assert caught.value.details is not None and "quality__lt" in caught.value.details


@pytest.mark.parametrize(
    ("resource", "sent", "used"),
    [
        ("item", "name", "name"),
        ("item", "-name", "-name"),
        ("item", "-created", "-created"),
        ("item", "-uuid", "-uuid"),
        ("image", "-quality", "-quality"),
        ("token", "token", "uuid"),
    ],
)
def test_the_order_may_be_turned_round(resource: str, sent: str, used: str) -> None:
    page = parse(("order_by", sent), resource=resource)
    assert page.order == used and page.ignored == ()


@pytest.mark.parametrize(("resource", "sent"), [("item", "quality"), ("item", "price"), ("token", "name")])
def test_an_order_that_does_not_exist_is_ignored_with_a_warning(resource: str, sent: str) -> None:
    page = parse(("order_by", sent), resource=resource)
    assert page.order == "created" and page.ignored == ("order_by",)


def test_meta_links_keep_the_filters_and_drop_the_key() -> None:
    page = parse(("api_key", "secret"), ("limit", "2"), ("offset", "2"), ("name", "a b&c"))
    meta = page.meta(5)
    assert (meta.limit, meta.offset, meta.total_count) == (2, 2, 5)
    assert meta.next == "/api/v0/item/?name=a+b%26c&limit=2&offset=4"
    assert meta.previous == "/api/v0/item/?name=a+b%26c&limit=2&offset=0"


@pytest.mark.parametrize(("offset", "total"), [(0, 0), (0, 2), (2, 4), (7, 3)])
def test_there_is_no_next_after_the_last_page(offset: int, total: int) -> None:
    meta = parse(("limit", "2"), ("offset", str(offset))).meta(total)
    assert meta.next is None
    assert (meta.previous is None) == (offset == 0)
