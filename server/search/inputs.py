"""What a management request carries: a body in the wanted type, fields checked one by one (section 4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from litestar import Request

from server import errors, forms
from server.deadline import Deadline
from server.search import references
from server.search.listing import invalid

REQUIRED = "This field is required."
MAX_NAME = 255
MAX_URL = 2048
# Custom data and content, each, in bytes of UTF-8.
MAX_DATA_BYTES = 2**20
MAX_TAGS = 1000
FALSE = ("false", "0", "no", "off", "")
# Both of them with every character escaped, and the other fields.
MAX_JSON_BYTES = 13 * 2**20

ANYTHING = msgspec.json.Decoder(Any)


class Body:
    """The body of one request, read once when it is first asked for."""

    def __init__(self, request: Request[Any, Any, Any], *, max_form_bytes: int, deadline: Deadline) -> None:
        self._request = request
        self._max_form_bytes = max_form_bytes
        self.deadline = deadline
        self.content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        self._form: forms.Form | None = None
        self._values: dict[str, Any] | None = None

    @property
    def is_multipart(self) -> bool:
        """Whether a file may be in it."""
        return self.content_type == "multipart/form-data"

    async def form(self) -> forms.Form:
        """The fields of a multipart body; WRONG_CONTENT_TYPE for any other."""
        if not self.is_multipart:
            raise wrong_type("multipart/form-data", self.content_type)
        return await self._read_form()

    async def json(self) -> dict[str, Any]:
        """The members of a JSON object; WRONG_CONTENT_TYPE or INVALID_JSON."""
        if self.content_type != "application/json":
            raise wrong_type("application/json", self.content_type)
        if self._values is None:
            data = await forms.read_body(self._request, MAX_JSON_BYTES, self.deadline)
            try:
                values = forms.decode_json(data, ANYTHING)
            except errors.BadRequest:
                raise errors.BadRequest("The body is not valid JSON.", code="INVALID_JSON") from None
            if not isinstance(values, dict):
                raise errors.BadRequest("The body must be a JSON object.", code="INVALID_JSON")
            self._values = values
        return self._values

    async def api_key(self) -> str | None:
        """The key among the fields, if there is one; a body that cannot be read has none."""
        try:
            if self.content_type == "application/json":
                value = (await self.json()).get("api_key")
                return value if isinstance(value, str) else None
            if self.is_multipart or self.content_type == "application/x-www-form-urlencoded":
                return (await self._read_form()).text("api_key")
        except errors.BadRequest:
            return None
        return None

    async def _read_form(self) -> forms.Form:
        if self._form is None:
            try:
                self._form = await forms.read_form(self._request, self._max_form_bytes, self.deadline)
            except errors.BodyTooLarge as fault:
                # Only a picture makes a form this large, and clients know this code.
                message = "Image is too large"
                raise errors.BadRequest(message, code="IMAGE_TOO_LARGE", details=fault.details) from fault
        return self._form


class Fields:
    """Fields taken one by one; what is wrong is collected and raised together by `check`.

    A null is an absent field unless the caller asks for nulls.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._problems: dict[str, list[str]] = {}

    @classmethod
    def of_form(cls, form: forms.Form, *, without: Collection[str] = ()) -> Fields:
        """The parts of a form as text, except those that are files."""
        return cls({name: part.text for name, part in form.fields.items() if name not in without})

    def has(self, name: str) -> bool:
        """Whether the field is there, also as null."""
        return name in self._values

    def blame(self, name: str, problem: str) -> None:
        """Note what is wrong with a field."""
        self._problems.setdefault(name, []).append(problem)

    def check(self) -> None:
        """VALIDATION_ERROR with everything noted so far."""
        if self._problems:
            raise invalid(self._problems)

    def text(self, name: str, *, longest: int = MAX_NAME) -> str | None:
        """A string; None when absent."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.blame(name, "A string is required.")
        elif len(value) > longest:
            self.blame(name, f"Ensure this value has at most {longest} characters (it has {len(value)}).")
        elif "\x00" in value:
            self.blame(name, "Null characters are not allowed.")
        else:
            return value
        return None

    def name(self, *, required: bool, longest: int = MAX_NAME) -> str | None:
        """The name: not empty, and there when it is required."""
        value = self._values.get("name")
        if (value is None and required) or (isinstance(value, str) and not value.strip()):
            self.blame("name", REQUIRED)
            return None
        return self.text("name", longest=longest)

    def flag(self, name: str) -> bool | None:
        """A boolean, also as text or 0 and 1; None when absent."""
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str | int):
            text = str(value).strip().lower()
            if text in forms.TRUE:
                return True
            if text in FALSE:
                return False
        self.blame(name, "Either true or false is required.")
        return None

    def reference(self, name: str, *, required: bool) -> str | None:
        """The id in a reference to the resource of the same name."""
        value = self._values.get(name)
        if value is None or value == "":
            if required:
                self.blame(name, REQUIRED)
            return None
        try:
            return references.parse(value, name)
        except references.InvalidReference as fault:
            self.blame(name, f"{fault}.")
            return None

    def unchanged(self, name: str, current: str) -> None:
        """Blame a field that may be repeated in an update but not changed."""
        given = self.reference(name, required=False)
        if given is not None and given != current:
            self.blame(name, "This field cannot be changed.")

    def tags(self) -> list[str] | None:
        """The ids in a list of tag references, each once; null clears, None when absent."""
        if not self.has("tags"):
            return None
        value = self._values["tags"]
        if value is None or value == "":
            return []
        if not isinstance(value, list) or len(value) > MAX_TAGS:
            self.blame("tags", f"A list of at most {MAX_TAGS} references to tags is required.")
            return None
        found: list[str] = []
        for tag in value:
            try:
                found.append(references.parse(tag, "tag"))
            except references.InvalidReference as fault:
                self.blame("tags", f"{fault}.")
        return list(dict.fromkeys(found))

    def custom(self) -> bytes | None:
        """Any string as UTF-8; None when absent, null or empty."""
        value = self._values.get("custom")
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.blame("custom", "A string is required.")
            return None
        return self._measured("custom", value.encode())

    def content(self) -> str | None:
        """JSON text of a JSON value, or of a string that holds JSON; None when absent, null or empty."""
        value = self._values.get("content")
        if isinstance(value, str):
            try:
                value = ANYTHING.decode(value.strip())
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                # A plain string is a JSON value too.
                value = value or None
        if value is None:
            return None
        data = self._measured("content", msgspec.json.encode(value))
        return None if data is None else data.decode()

    def _measured(self, name: str, data: bytes) -> bytes | None:
        if len(data) > MAX_DATA_BYTES:
            self.blame(name, f"Ensure this value has at most {MAX_DATA_BYTES} bytes (it has {len(data)}).")
            return None
        return data


def wrong_type(expected: str, got: str) -> errors.BadRequest:
    """WRONG_CONTENT_TYPE naming both types."""
    # The client's own text, cut so that the answer stays small.
    return errors.BadRequest(
        f"Expected {expected} content but got {got[:100] or 'none'}.", code="WRONG_CONTENT_TYPE"
    )
