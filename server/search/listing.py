"""List requests: limit, offset, order and filters of a page, and the `meta` of its answer (section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlencode

import msgspec

from server import errors
from server.forms import TRUE
from server.search import references, schema

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000
MAX_OFFSET = 2**62
# Understood everywhere: the key, and what clients of the original send without meaning a filter.
RESERVED = {"api_key", "limit", "offset", "order_by", "format"}


def text(value: str) -> str:
    """A string that the database can compare: no stored name holds a null character."""
    return value.replace("\x00", "\ufffd")


def uuid(value: str) -> str:
    """The id in any accepted form; what is none matches nothing."""
    try:
        return references.identifier(value.strip("/").rsplit("/", 1)[-1], "item")
    except references.InvalidReference:
        return "0" * 32


def flag(value: str) -> bool:
    """True for true/1/yes/on in any case."""
    return value.strip().lower() in TRUE


Parse = Callable[[str], object]
Filters = dict[str, Parse]

# The order of the keys is the order of the parameters in the queries of the same name.
COLLECTION: Filters = {"name": text, "name__contains": text}
ITEM: Filters = {
    "name": text,
    "name__contains": text,
    "collection__uuid": uuid,
    "collection__name": text,
    "collection__name__contains": text,
    "tags__name": text,
    "tags__uuid": uuid,
    "trackable": flag,
    "active": flag,
    "url": text,
    "custom__contains": str.encode,
}
IMAGE: Filters = {
    "name": text,
    "name__contains": text,
    "item__uuid": uuid,
    "item__name": text,
    "item__name__contains": text,
    "item__collection__uuid": uuid,
    "item__collection__name": text,
    "item__collection__name__contains": text,
    "status": text,
    "quality__lt": float,
    "quality__gte": float,
}
TOKEN: Filters = {"collection__uuid": uuid, "collection__name": text, "collection__name__contains": text}
TAG: Filters = {"name": text, "name__contains": text, "collection__uuid": uuid}

ORDERS = ("name", "uuid", "created", "quality", "status")


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One page of one resource; `values` holds a value or None per filter, in the order of the filters."""

    resource: str
    limit: int
    offset: int
    order: str
    values: tuple[object, ...]
    # What the client sent and `next` must keep: everything but the key and the position.
    kept: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]

    def meta(self, total: int) -> schema.Meta:
        """The block that tells the client where it is; `next` and `previous` are paths or None."""
        after = self.offset + self.limit
        return schema.Meta(
            limit=self.limit,
            next=self._at(after) if after < total else None,
            offset=self.offset,
            previous=self._at(max(self.offset - self.limit, 0)) if self.offset > 0 else None,
            total_count=total,
        )

    def headers(self) -> dict[str, str]:
        """A `Warning` naming the filters that were not understood, if any."""
        if not self.ignored:
            return {}
        names = ", ".join(name.encode("ascii", "backslashreplace").decode() for name in self.ignored)
        printable = "".join(c if c.isprintable() and c not in '"\\' else "?" for c in names)
        return {"Warning": f'299 - "Unknown filter ignored: {printable[:200]}"'}

    def _at(self, offset: int) -> str:
        query = urlencode([*self.kept, ("limit", self.limit), ("offset", offset)])
        return f"/api/v0/{self.resource}/?{query}"


def parse(query: Iterable[tuple[str, str]], resource: str, filters: Filters) -> Listing:
    """Read the query string; a repeated parameter counts with its last value.

    Errors: VALIDATION_ERROR for a limit, an offset or a number that is none. Unknown filters are ignored and
    named.
    """
    given = {_unaliased(name): value for name, value in query}
    problems: dict[str, list[str]] = {}
    limit = _whole(given, "limit", DEFAULT_LIMIT, problems)
    offset = _whole(given, "offset", 0, problems)
    values: list[object] = []
    for name, read in filters.items():
        try:
            values.append(read(given[name]) if name in given else None)
        except ValueError:
            problems[name] = ["A valid number is required."]
    if problems:
        raise invalid(problems)
    order, known = _order(given.get("order_by", ""), resource)
    ignored = [name for name in given if name not in filters and name not in RESERVED]
    return Listing(
        resource=resource,
        limit=limit if 0 < limit <= MAX_LIMIT else MAX_LIMIT,
        offset=min(offset, MAX_OFFSET),
        order=order,
        values=tuple(values),
        kept=tuple((name, value) for name, value in given.items() if name in filters or name == "order_by"),
        ignored=tuple(ignored if known else [*ignored, "order_by"]),
    )


def invalid(problems: dict[str, list[str]]) -> errors.BadRequest:
    """VALIDATION_ERROR with the texts per field that clients show."""
    return errors.BadRequest(
        "Some of the provided fields couldn't be validated. See the 'details' key for more information.",
        code="VALIDATION_ERROR",
        details=dict(problems),
    )


def _unaliased(name: str) -> str:
    """`name_contains` is a misspelling that published clients send."""
    if name.endswith("_contains") and not name.endswith("__contains"):
        return name.removesuffix("_contains") + "__contains"
    return name


def _whole(given: dict[str, str], name: str, default: int, problems: dict[str, list[str]]) -> int:
    value = given.get(name, "").strip()
    if not value:
        return default
    # More digits than any offset has would be slow to convert.
    if not (value.isascii() and value.isdigit() and len(value) <= 30):
        problems[name] = ["A whole number that is not negative is required."]
        return default
    return int(value)


def _order(value: str, resource: str) -> tuple[str, bool]:
    """The order, and whether the wish for it was understood."""
    column = value.strip().removeprefix("-")
    allowed: Sequence[str] = ORDERS if resource == "image" else ORDERS[:3]
    aliases = {"": "created", "creation_date": "created", "id": "uuid", "token": "uuid"}
    column = aliases.get(column, column)
    if column not in allowed or (resource == "token" and column == "name"):
        return "created", False
    return ("-" if value.strip().startswith("-") else "") + column, True
