"""The parameters of a request: query and form merged, parsed as tolerantly as known clients need (contract 1.0)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from server import errors
from server.insights import barcodes, countries, faults

T = TypeVar("T")

SERVER_TYPES = ("off", "obf", "opff", "opf", "off_pro")
TRUE = ("true", "True", "t", "yes", "y", "1", "on")
FALSE = ("false", "False", "f", "no", "n", "0", "off")
# A list of types or brands is cut there, silently.
MAX_ITEMS = 10
MAX_PARAMETERS = 2000
MAX_COUNT = 2000
# Beyond it no row exists, and the database's numbers end.
MAX_PAGE = 2**31 - 1
COMMA = re.compile(",|%2c", re.IGNORECASE)


class Parameters:
    """What the client asked for, by name; a repeated one is a list, and as a scalar its last value counts."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    @classmethod
    def of_query(cls, query: bytes, form: Iterable[tuple[str, str]] = ()) -> Parameters:
        """Those of a raw query string, then those of a form; `BadRequest` names the limit when there are too many."""
        try:
            pairs = parse_qsl(
                query.decode("utf-8", "replace"),
                keep_blank_values=True,
                max_num_fields=MAX_PARAMETERS,
                errors="replace",
            )
        except ValueError as fault:
            raise faults.bad_request(f"more than {MAX_PARAMETERS} parameters") from fault
        return cls([*pairs, *form])

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """The value, None where absent or empty; a null character is refused, for no stored text has one."""
        value = self._values.get(name, [""])[-1]
        if "\x00" in value:
            raise faults.invalid(name, "It must not contain null characters.")
        return value or None

    def required(self, name: str) -> str:
        """The value of a parameter that must be there."""
        value = self.text(name)
        if value is None:
            raise faults.missing(name)
        return value

    def texts(self, name: str, most: int | None = None) -> list[str] | None:
        """A list: repeated, or split at commas and at their escapes, or both; None where absent or empty."""
        found = [item for value in self._values.get(name, ()) for item in COMMA.split(value) if item]
        if any("\x00" in item for item in found):
            raise faults.invalid(name, "It must not contain null characters.")
        return found[:most] or None

    def boolean(self, name: str, *, empty: bool = True) -> bool | None:
        """True or false in many spellings, None where absent; `empty` is what a bare parameter means."""
        if name not in self._values:
            return None
        value = self._values[name][-1]
        if value == "":
            return empty
        if value in TRUE:
            return True
        if value in FALSE:
            return False
        raise faults.invalid(name, 'The value of the parameter must be "true" or "false".')

    def integer(self, name: str, default: T, *, low: int | None = None, high: int | None = None) -> int | T:
        """A whole number, the default where absent or empty."""
        value = self.text(name)
        if value is None:
            return default
        number = _integer(name, value)
        _within(name, number, low, high)
        return number

    def number(
        self, name: str, default: T, *, low: float | None = None, high: float | None = None
    ) -> float | T:
        """A finite number, the default where absent or empty."""
        value = self.text(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise faults.invalid(name, "The value must be a float.")
        _within(name, number, low, high)
        return number

    def uuid(self, name: str) -> UUID:
        """A UUID that must be there."""
        value = self.required(name)
        try:
            return UUID(value)
        except ValueError:
            raise faults.invalid(name, "The value must be a UUID string.") from None

    def json(self, name: str) -> Any:
        """The value of JSON text; None where absent or empty."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise faults.invalid(name, "It could not be parsed as JSON.") from None

    def one_of(
        self, name: str, known: Collection[str], refused: Callable[[str], errors.BadRequest]
    ) -> str | None:
        """One of the known words, None where absent; `refused(value)` is raised for any other."""
        value = self.text(name)
        if value is not None and value not in known:
            raise refused(value)
        return value

    def server_type(self) -> str:
        """The project a request is about, "off" where absent."""
        return (
            self.one_of(
                "server_type", SERVER_TYPES, lambda value: faults.titled(f"invalid `server_type`: {value}")
            )
            or "off"
        )

    def barcode(self) -> str | None:
        """The normalised barcode, None where absent."""
        value = self.text("barcode")
        return None if value is None else barcodes.normalised(value)

    def countries(self) -> list[str] | None:
        """Country tags of 2-letter codes; all unknown codes are named in the refusal."""
        codes = self.texts("countries")
        if codes is None:
            return None
        unknown = [code for code in codes if countries.tag(code) is None]
        if unknown:
            raise faults.bad_request(f"invalid `countries` value: {unknown}")
        return [tag for code in codes if (tag := countries.tag(code)) is not None]

    def campaigns(self) -> list[str] | None:
        """All campaigns that an insight must have; `campaign` is the older way to name one."""
        found = self.texts("campaigns")
        if found is None and (one := self.text("campaign")) is not None:
            return [one]
        return found

    def count(self, default: int = 25, *, high: int = MAX_COUNT) -> int:
        """How many rows a page has; more than `high` are cut."""
        return min(self.integer("count", default, low=1), high)

    def page(self) -> int:
        """Counted from 1; 0 means 1, which the published JavaScript client sends."""
        return max(1, min(self.integer("page", 1, low=0), MAX_PAGE))


def _integer(name: str, value: str) -> int:
    # Python's own parsing would take "1_000", and refuses beyond 4,300 digits with another error.
    if re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value):
        return int(value)
    raise faults.invalid(name, "The value must be an integer.")


def _within(name: str, number: float, low: float | None, high: float | None) -> None:
    if low is not None and number < low:
        raise faults.invalid(name, f"The value must be at least {low}")
    if high is not None and number > high:
        raise faults.invalid(name, f"The value may not exceed {high}")
