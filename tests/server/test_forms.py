"""Bodies and forms: capped while they arrive, parsed as tolerantly as old clients need."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import errors, forms
from server.deadline import Deadline
from server.disconnect import ClientGone
from server.forms import Part
from server.vision.schema import URLS
from tests.server.asgi_request import request_of

LIMIT = 10_000


def multipart(boundary: str, *parts: tuple[str, bytes]) -> bytes:
    """Parts as (header lines, data)."""
    out = b""
    for head, data in parts:
        out += b"--" + boundary.encode() + b"\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n"
    return out + b"--" + boundary.encode() + b"--\r\n"


def field(name: str) -> str:
    return f'Content-Disposition: form-data; name="{name}"'


async def read(body: bytes, boundary: str = "x", pieces: int = 1, **options: Any) -> forms.Form:
    step = max(1, len(body) // pieces)
    chunks = [body[start : start + step] for start in range(0, len(body), step)]
    kind = f"multipart/form-data; boundary={boundary}"
    return await forms.read_form(request_of(*chunks, content_type=kind), LIMIT, **options)


@pytest.mark.parametrize(
    "boundary", ["x", "*****", '"a b:c"', "----WebKitFormBoundary7MA4YWxk", "'()+_,-./:=?"]
)
async def test_any_legal_boundary_will_do(boundary: str) -> None:
    body = multipart(boundary.strip('"'), (field("token"), b"abc"))
    quoted = boundary if boundary.startswith('"') or boundary[0] not in "'" else f'"{boundary}"'
    assert (await read(body, quoted)).text("token") == "abc"


async def test_a_part_needs_neither_file_name_nor_type(monkeypatch: pytest.MonkeyPatch) -> None:
    form = await read(multipart("x", (field("image"), b"\xff\xd8\x00\r\n--")))
    assert form.fields["image"] == Part(b"\xff\xd8\x00\r\n--", None, None)


async def test_claimed_name_and_type_are_kept() -> None:
    head = 'Content-Disposition: form-data; name="image"; filename="C:\\\\a.jpg"\r\nContent-Type: image/jpg'
    form = await read(multipart("x", (head, b"1")))
    assert form.fields["image"].content_type == "image/jpg"
    assert form.fields["image"].filename == "a.jpg"


async def test_of_a_repeated_field_the_last_one_counts() -> None:
    form = await read(multipart("x", (field("a"), b"1"), (field("b"), b"2"), (field("a"), b"3")))
    assert form.text("a") == "3"
    assert [part.data for part in form.all("a")] == [b"1", b"3"]
    assert form.all("missing") == []


async def test_an_alias_is_found_by_the_first_name_present() -> None:
    form = await read(multipart("x", (field("embedCustom"), b"Yes"), (field("bbox"), b"0")))
    assert form.boolean("embed_custom", "embedCustom")
    assert not form.boolean("bboxes", "bbox")
    assert not form.boolean("missing")
    assert form.text("missing") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=200)), max_size=8), st.integers(1, 400))
async def test_parts_survive_any_cut_into_pieces(parts: list[tuple[str, bytes]], pieces: int) -> None:
    boundary = "b0undary-that-is-in-no-part-Q9"
    body = multipart(boundary, *((field(name), data) for name, data in parts))
    form = await read(body, boundary, pieces)
    for name in "abc":
        assert [part.data for part in form.all(name)] == [data for key, data in parts if key == name]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nnever ends',
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x',
        b"--x\r\nno colon\r\n\r\n1\r\n--x--\r\n",
        b"--x\r\n\r\nno headers\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n--x--\r\n',
    ],
)
async def test_malformed_multipart_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(errors.BadRequest):
        await read(body)


async def test_multipart_without_a_boundary_is_a_bad_request() -> None:
    with pytest.raises(errors.BadRequest):
        await forms.read_form(request_of(b"x", content_type="multipart/form-data"), LIMIT)


async def test_more_parts_than_allowed_are_refused_by_the_limit_s_name() -> None:
    body = multipart("x", *((field(str(number)), b"") for number in range(5)))
    assert len((await read(body, max_parts=5)).fields) == 5
    with pytest.raises(errors.BodyTooLarge, match="4 parts"):
        await read(body, max_parts=4)


async def test_a_part_with_endless_headers_is_refused() -> None:
    with pytest.raises(errors.BodyTooLarge):
        await read(b"--x\r\nA: " + b"a" * 9000 + b"\r\n\r\n1\r\n--x--\r\n")


async def test_urlencoded_fields_are_read() -> None:
    request = request_of(b"token=abc&a=1&a=%C3%A4+b&empty=", content_type="application/x-www-form-urlencoded")
    form = await forms.read_form(request, LIMIT)
    assert (form.text("token"), form.text("a"), form.text("empty")) == ("abc", "ä b", "")
    assert form.content_type == "application/x-www-form-urlencoded"


async def test_too_many_urlencoded_fields_are_refused() -> None:
    request = request_of(b"&".join([b"a=1"] * 300), content_type="application/x-www-form-urlencoded")
    with pytest.raises(errors.BodyTooLarge, match="256"):
        await forms.read_form(request, LIMIT)


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain"])
async def test_another_type_has_no_fields(content_type: str) -> None:
    form = await forms.read_form(request_of(b"{}", content_type=content_type), LIMIT)
    assert form.fields == {} and form.content_type == content_type


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    request = request_of(b"", length=11)
    with pytest.raises(errors.BodyTooLarge, match="limit of 10 bytes"):
        await forms.read_body(request, 10)


async def test_the_limit_holds_while_reading() -> None:
    assert await forms.read_body(request_of(b"12345", b"67890"), 10) == b"1234567890"
    with pytest.raises(errors.BodyTooLarge):
        await forms.read_body(request_of(b"12345", b"67890", b"1"), 10)


async def test_a_client_that_leaves_in_the_middle_is_gone() -> None:
    with pytest.raises(ClientGone):
        await forms.read_body(request_of(b"1", ends=False), 10)


async def test_a_client_that_is_too_slow_is_late() -> None:
    with pytest.raises(errors.DeadlineExceeded):
        await forms.read_body(request_of(b"1"), 10, Deadline.after(-1))


async def test_a_long_urlencoded_body_is_read_as_a_short_one() -> None:
    long = b"a=%41" + b"x" * forms.LONG_BODY_BYTES + b"&b=2"
    kind = "application/x-www-form-urlencoded"
    form = await forms.read_form(request_of(long, content_type=kind), 2 * len(long))
    assert form.text("b") == "2" and (form.text("a") or "").startswith("Ax")
    with pytest.raises(errors.BodyTooLarge, match="1 fields"):
        await forms.read_form(request_of(long, content_type=kind), 2 * len(long), max_parts=1)


async def test_text_is_cut_where_a_limit_is_given_and_pictures_are_not() -> None:
    form = await read(multipart("x", (field("tags"), b"abcdef")), max_text_bytes=3)
    assert form.text("tags") == "abc" and form.fields["tags"].data == b"abcdef"


@pytest.mark.parametrize("body", [b"{", b'{"urls": ["\xff"]}', b"[" * 100_000, b'{"urls": [1]}', b'"\\ud800'])
def test_json_that_cannot_be_read_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(errors.BadRequest, match="Malformed JSON body"):
        forms.decode_json(body, URLS)
