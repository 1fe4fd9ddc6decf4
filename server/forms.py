"""Request bodies: read with a cap while they arrive, and forms parsed as tolerantly as old clients need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from server import errors
from server.disconnect import ClientGone

if TYPE_CHECKING:
    from litestar import Request

    from server.deadline import Deadline

T = TypeVar("T")

MAX_PARTS = 256
MAX_HEADER_BYTES = 8192
MAX_HEADERS = 16
# A urlencoded body beyond this is taken apart in a thread: a picture in it costs tens of milliseconds.
LONG_BODY_BYTES = 2**16
TRUE = ("true", "1", "yes", "on")


class Part(NamedTuple):
    """One field of a form; file name and type are what the client claimed, if anything."""

    data: bytes
    filename: str | None = None
    content_type: str | None = None

    @property
    def text(self) -> str:
        """The data as UTF-8, bad bytes replaced."""
        return self.data.decode("utf-8", "replace")


class Form:
    """The fields of a form in the order they came; of a repeated field the last one counts.

    Of a field read as text only the first `max_text_bytes` count, where that is given.
    """

    def __init__(self, content_type: str = "", *, max_text_bytes: int | None = None) -> None:
        self.content_type = content_type
        self._max_text_bytes = max_text_bytes
        self.fields: dict[str, Part] = {}
        self._all: dict[str, list[Part]] = {}

    def add(self, name: str, part: Part) -> None:
        """Append a field."""
        self.fields[name] = part
        self._all.setdefault(name, []).append(part)

    def all(self, name: str) -> list[Part]:
        """Every value of a repeated field."""
        return self._all.get(name, [])

    def get(self, *names: str) -> Part | None:
        """The first of these names (a field and its aliases) that is there."""
        return next((self.fields[name] for name in names if name in self.fields), None)

    def text(self, *names: str) -> str | None:
        """The same as text, or None."""
        part = self.get(*names)
        return None if part is None else part._replace(data=part.data[: self._max_text_bytes]).text

    def boolean(self, *names: str) -> bool:
        """true, 1, yes, on in any case are true; everything else, and nothing, is false."""
        return (self.text(*names) or "").strip().lower() in TRUE


async def chunks(
    request: Request[Any, Any, Any], max_bytes: int | None, deadline: Deadline | None = None
) -> AsyncIterator[bytes]:
    """The body as it arrives, never more than `max_bytes`.

    `BodyTooLarge` as soon as the length is declared or reached, `DeadlineExceeded` when the client is too
    slow, `ClientGone` when it leaves in the middle.
    """
    declared = request.headers.get("content-length", "")
    if max_bytes is not None and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    received = 0
    more = True
    while more:
        if deadline is not None:
            deadline.check()
        try:
            async with asyncio.timeout(None if deadline is None else deadline.remaining_s()):
                message: Any = await request.receive()
        except TimeoutError as late:
            raise errors.DeadlineExceeded("The body did not arrive in time") from late
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        received += len(chunk)
        if max_bytes is not None and received > max_bytes:
            raise _too_large(max_bytes)
        if chunk:
            yield chunk


async def read_body(
    request: Request[Any, Any, Any], max_bytes: int, deadline: Deadline | None = None
) -> bytes:
    """The whole body; errors as in `chunks`."""
    return b"".join([chunk async for chunk in chunks(request, max_bytes, deadline)])


async def read_form(
    request: Request[Any, Any, Any],
    max_bytes: int,
    deadline: Deadline | None = None,
    *,
    max_parts: int = MAX_PARTS,
    max_text_bytes: int | None = None,
) -> Form:
    """The fields of a multipart or urlencoded body; a form without fields for any other type.

    Parts need neither a file name nor a type, any legal boundary will do. Malformed multipart is
    `BadRequest`, more than `max_parts` fields or `max_bytes` bytes `BodyTooLarge`.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    form = Form(kind, max_text_bytes=max_text_bytes)
    if kind == "multipart/form-data":
        await _read_multipart(request, form, options.get("boundary", ""), max_bytes, deadline, max_parts)
        return form
    body = await read_body(request, max_bytes, deadline)
    if kind == "application/x-www-form-urlencoded":
        short = len(body) <= LONG_BODY_BYTES
        pairs = _pairs(body, max_parts) if short else await asyncio.to_thread(_pairs, body, max_parts)
        for name, value in pairs:
            form.add(name, Part(value))
    return form


def decode_json(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """A JSON body; `BadRequest` when it is malformed, no UTF-8, nested too deeply, or of another type."""
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        raise errors.BadRequest(f"Malformed JSON body: {fault}") from fault


def _pairs(body: bytes, max_parts: int) -> list[tuple[str, bytes]]:
    """Names and values of a urlencoded body."""
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=max_parts)
    except ValueError as fault:
        raise errors.BodyTooLarge(f"More than {max_parts} fields") from fault
    return [(name, value.encode()) for name, value in pairs]


async def _read_multipart(
    request: Request[Any, Any, Any],
    form: Form,
    boundary: str,
    max_bytes: int,
    deadline: Deadline | None,
    max_parts: int,
) -> None:
    segment: MultipartSegment | None = None
    pieces: list[bytes] = []
    try:
        parser = PushMultipartParser(
            boundary,
            max_header_size=MAX_HEADER_BYTES,
            max_header_count=MAX_HEADERS,
            max_segment_count=max_parts,
        )
        async for chunk in chunks(request, max_bytes, deadline):
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    segment, pieces = event, []
                elif event is not None:
                    pieces.append(bytes(event))
                elif segment is not None:
                    part = Part(b"".join(pieces), segment.filename, segment.content_type)
                    form.add(segment.name or "", part)
        parser.close()
    except ParserLimitReached as fault:
        raise errors.BodyTooLarge(
            f"At most {max_parts} parts with {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes each are read"
        ) from fault
    except MultipartError as fault:
        raise errors.BadRequest(f"Malformed multipart body: {fault.args[0]}") from fault


def _too_large(max_bytes: int) -> errors.BodyTooLarge:
    return errors.BodyTooLarge(
        f"Request body is over the limit of {max_bytes} bytes", details={"limit": max_bytes}
    )
