"""JSON bodies, refused in this API's three ways: another type, no JSON, not what is asked for (contract 1.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from server import errors, forms
from server.insights import faults
from server.middleware import deadline_of

if TYPE_CHECKING:
    from litestar import Request

T = TypeVar("T")

MAX_BODY_BYTES = 10 * 2**20
# PostgreSQL's text holds every character but this one, and JSON can spell it only so.
ESCAPED_NULL = b"\\u0000"


async def read(request: Request[Any, Any, Any], kind: type[T], max_bytes: int = MAX_BODY_BYTES) -> T:
    """The body as that type, a struct or a dict.

    Raises `UnsupportedMediaType` for a form or another type (none at all counts as JSON), and `BadRequest`
    "Invalid JSON" or "Request data failed validation" with one line that says why. No text in it has a null
    character.
    """
    if not is_json(request):
        raise errors.UnsupportedMediaType("The body must be application/json")
    return decode(await forms.read_body(request, max_bytes, deadline_of(request)), kind)


def is_json(request: Request[Any, Any, Any]) -> bool:
    """Whether the body claims to be JSON; one that claims nothing does."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return not kind or kind == "application/json" or kind.endswith("+json")


def decode(body: bytes, kind: type[T]) -> T:
    """The same for a body that is already read."""
    try:
        found = msgspec.json.decode(body, type=kind)
        if ESCAPED_NULL in body:
            _refuse_nulls(body)
        return found
    except msgspec.ValidationError as fault:
        # What stops early at a wrong type has not seen whether the rest is JSON at all.
        _parse(body)
        raise faults.bad_body(str(fault)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise faults.bad_json() from None


def _parse(body: bytes) -> None:
    try:
        msgspec.json.decode(body)
    except msgspec.ValidationError:
        return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise faults.bad_json() from None


def _refuse_nulls(body: bytes) -> None:
    """An escaped backslash before u0000 looks like one in the bytes, so the texts themselves are looked at."""
    if has_null_character(msgspec.json.decode(body)):
        raise faults.bad_body("Null characters are not allowed")


def has_null_character(value: object) -> bool:
    """Whether any text in a value of JSON has one, names included."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and "\x00" in item:
            return True
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
    return False
