"""JSON bodies: which are refused, in which of the three ways."""

import msgspec
import pytest

from server import errors
from server.insights import bodies


class Wanted(msgspec.Struct):
    """What the tests ask for."""

    name: str
    data: dict[str, object] = {}


def refusal(body: bytes) -> tuple[str, str]:
    with pytest.raises(errors.BadRequest) as caught:
        bodies.decode(body, Wanted)
    return caught.value.code, caught.value.message


def test_a_good_body_is_read() -> None:
    assert bodies.decode(b'{"name": "x", "data": {"a": [1]}}', Wanted) == Wanted("x", {"a": [1]})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name": NaN}',
        b'{"name": 1} and more',
        b'{"name": 1, "data": ',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": "x", "data": {"a": ' + b"[" * 200_000,
        b"\xef\xbb\xbf\x00",
    ],
)
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    assert refusal(body)[0] == "Invalid JSON"


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"name": null}', b"3", b'{"name": "x", "data": []}'])
def test_json_of_another_shape_fails_validation_in_one_line(body: bytes) -> None:
    title, why = refusal(body)
    assert title == "Request data failed validation" and why and "\n" not in why


def test_null_characters_are_refused_wherever_they_are() -> None:
    for body in (b'{"name": "a\\u0000"}', b'{"name": "x", "data": {"\\u0000": [{"b": 1}]}}'):
        assert refusal(body) == ("Request data failed validation", "Null characters are not allowed")


def test_a_backslash_before_the_letters_is_no_null_character() -> None:
    assert bodies.decode(b'{"name": "\\\\u0000"}', Wanted).name == "\\u0000"
