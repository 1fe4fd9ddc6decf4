"""Import and export as lines of JSON: streamed, any size, a bad line never stops the others."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from server import errors

logger = logging.getLogger(__name__)

MAX_ERRORS = 100
MAX_IDS = 1000
MAX_ERROR_TEXT = 300
# Decompressed bytes taken at once: what a thread parses between two looks at the event loop.
STEP_BYTES = 2**20
GZIP_MAGIC = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
# Lines of a group are looked for in as many batches, and a group longer than this many lines is cut.
WINDOW_BATCHES = 4
MAX_WINDOW_LINES = 10_000
# zlib's way to say "with a gzip header".
GZIP_WINDOW = 31


class Line(NamedTuple):
    """One object of the input, as the kind's `row`, and where it stood, counted from 1."""

    number: int
    value: Any


class Result(NamedTuple):
    """What became of a line: stored, or `skipped` as not needed, or `error` says why it failed."""

    error: str | None = None
    skipped: bool = False
    id: str | int | None = None


class Kind(NamedTuple):
    """One kind of rows, as its product plugs it in.

    `import_lines(lines, options)` stores a batch or raises, and gives one `Result` per line, in order; when it
    raises, the halves are tried, down to one line or group. `export_lines(options)` yields objects that import
    takes back. `delete(key)` does the work of the matching event. Options are the query parameters. `row` is
    what a line is read as; rows with the same `group(row)` change each other's meaning, so they share a batch:
    in files of up to four batches wherever they stand, in longer ones when they follow each other.
    """

    name: str
    import_lines: Callable[[Sequence[Line], Mapping[str, str]], Awaitable[Sequence[Result]]] | None = None
    export_lines: Callable[[Mapping[str, str]], AsyncIterator[Any]] | None = None
    delete: Callable[[str], Awaitable[None]] | None = None
    batch_lines: int = 500
    row: Any = dict[str, Any]
    group: Callable[[Any], object] | None = None


class LineError(msgspec.Struct, frozen=True):
    """A line that was not stored, and why."""

    line: int
    error: str


class Report(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer of an import; `errors` holds the first hundred, the counts hold all."""

    kind: str
    read: int
    imported: int
    skipped: int
    errors: list[LineError]
    ids: list[str | int] | None = None


class Lines:
    """Cuts a stream of bytes, gzip or plain, into lines; memory stays below a line and a step."""

    def __init__(self, max_line_bytes: int, row: Any) -> None:
        self._max_line_bytes = max_line_bytes
        self._decode = msgspec.json.Decoder(row).decode
        self._inflate: Any = None
        self._head: bytes | None = b""
        self._rest = bytearray()
        self._too_long = False
        self._broken = False
        self._number = 0

    def feed(self, data: bytes) -> Iterator[list[Line | LineError]]:
        """Lines that became complete, in portions of about a step."""
        if self._head is not None:
            self._head += data
            if len(self._head) < len(UTF8_MARK):
                return
            data, self._head = self._head, None
            if data.startswith(GZIP_MAGIC):
                self._inflate = zlib.decompressobj(GZIP_WINDOW)
            else:
                data = data.removeprefix(UTF8_MARK)
        for step in self._steps(data):
            yield self._split(step)

    def end(self) -> list[Line | LineError]:
        """What is left when the stream has ended."""
        done: list[Line | LineError] = []
        if self._head:
            self._rest += self._head
        if self._inflate is not None and not self._inflate.eof and not self._broken:
            done.append(LineError(self._number + 1, "The gzip data ends early"))
        elif self._rest or self._too_long:
            done += self._take(bytes(self._rest))
        return done

    def _steps(self, data: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            for start in range(0, len(data), STEP_BYTES):
                yield data[start : start + STEP_BYTES]
            return
        while data and not self._broken:
            try:
                step = self._inflate.decompress(data, STEP_BYTES)
            except zlib.error:
                self._broken = True
                yield b""
                return
            data = self._inflate.unconsumed_tail
            if self._inflate.eof:
                # Files glued together are one gzip stream; padding after the last one is not.
                data = self._inflate.unused_data.lstrip(b"\0")
                if data:
                    self._inflate = zlib.decompressobj(GZIP_WINDOW)
            yield step

    def _split(self, step: bytes) -> list[Line | LineError]:
        done: list[Line | LineError] = []
        start = 0
        while (newline := step.find(b"\n", start)) >= 0:
            self._keep(step[start:newline])
            done += self._take(bytes(self._rest))
            self._rest.clear()
            self._too_long = False
            start = newline + 1
        self._keep(step[start:])
        if self._broken:
            done.append(LineError(self._number + 1, "The gzip data is damaged"))
        return done

    def _keep(self, piece: bytes) -> None:
        if self._too_long or len(self._rest) + len(piece) > self._max_line_bytes:
            self._too_long = True
            self._rest.clear()
        else:
            self._rest += piece

    def _take(self, line: bytes) -> list[Line | LineError]:
        self._number += 1
        if self._too_long:
            return [LineError(self._number, f"The line is over the limit of {self._max_line_bytes} bytes")]
        if not line.strip():
            return []
        try:
            return [Line(self._number, self._decode(line))]
        except msgspec.ValidationError as fault:
            return [LineError(self._number, str(fault)[:MAX_ERROR_TEXT])]
        except errors.BadRequest as fault:
            return [LineError(self._number, fault.message[:MAX_ERROR_TEXT])]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
            return [LineError(self._number, f"Not a JSON object: {fault}"[:MAX_ERROR_TEXT])]


async def import_stream(
    kind: Kind, data: AsyncIterator[bytes], options: Mapping[str, str], *, max_line_bytes: int
) -> Report:
    """Store every good line of a stream and report the others; `BadRequest` when not one line can be read."""
    report = Report(kind=kind.name, read=0, imported=0, skipped=0, errors=[])
    ids: list[tuple[int, str | int | None]] = []
    lines = Lines(max_line_bytes, kind.row)
    waiting: list[Line] = []
    # One batch is stored while the next is read.
    storing: asyncio.Task[None] | None = None

    async def take(found: Iterable[Line | LineError]) -> None:
        for line in found:
            report.read += 1
            if isinstance(line, LineError):
                _fail(report, line)
                continue
            if _is_cut_before(kind, waiting, line):
                await flush()
            waiting.append(line)

    async def flush() -> None:
        nonlocal storing
        window = list(waiting)
        waiting.clear()
        if storing is not None:
            await storing
        storing = asyncio.create_task(store(window)) if window else None

    async def store(window: list[Line]) -> None:
        for batch in _batches(kind, window):
            _count(report, ids, batch, await _store(kind, batch, options))

    try:
        async for chunk in data:
            portions = lines.feed(chunk)
            while (found := await asyncio.to_thread(next, portions, None)) is not None:
                await take(found)
        await take(await asyncio.to_thread(lines.end))
        await flush()
        # Nothing waits any more: this only sees the last batch stored.
        await flush()
    finally:
        if storing is not None:
            storing.cancel()
            await asyncio.gather(storing, return_exceptions=True)
    report.errors.sort(key=lambda error: error.line)
    if 0 < len(ids) <= MAX_IDS and all(identity is not None for _, identity in ids):
        report.ids = [identity for _, identity in sorted(ids) if identity is not None]
    return report


async def export_stream(kind: Kind, options: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The rows of a kind as lines, in pieces of about 64 kB."""
    if kind.export_lines is None:
        raise errors.NotFound(f"{kind.name} cannot be exported")
    encoder = msgspec.json.Encoder()
    piece = bytearray()
    async for row in kind.export_lines(options):
        piece += encoder.encode(row)
        piece += b"\n"
        if len(piece) >= 2**16:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def find(kinds: Mapping[str, Kind], name: str) -> Kind:
    """The kind of that name; `NotFound` tells which there are."""
    kind = kinds.get(name)
    if kind is None:
        known = ", ".join(sorted(kinds)) or "none"
        raise errors.NotFound(f"Unknown kind {name[:100]!r}; known kinds: {known}")
    return kind


def _is_cut_before(kind: Kind, waiting: Sequence[Line], line: Line) -> bool:
    """Whether what waits is stored without this line."""
    if kind.group is None:
        return len(waiting) >= kind.batch_lines
    if len(waiting) < WINDOW_BATCHES * kind.batch_lines:
        return False
    return len(waiting) >= MAX_WINDOW_LINES or kind.group(waiting[-1].value) != kind.group(line.value)


def _batches(kind: Kind, window: Sequence[Line]) -> Iterator[list[Line]]:
    """The lines in portions of about `batch_lines`, each group whole, in the order of their first lines."""
    if kind.group is None:
        yield list(window)
        return
    groups: dict[object, list[Line]] = {}
    for line in window:
        groups.setdefault(kind.group(line.value), []).append(line)
    batch: list[Line] = []
    for group in groups.values():
        if batch and len(batch) + len(group) > kind.batch_lines:
            yield batch
            batch = []
        batch.extend(group)
    if batch:
        yield batch


async def _store(kind: Kind, batch: Sequence[Line], options: Mapping[str, str]) -> Sequence[Result]:
    """The batch at once, or its halves when it raises, so that the fault of a row or group stays its own."""
    if kind.import_lines is None:
        raise errors.NotFound(f"{kind.name} cannot be imported")
    try:
        return await kind.import_lines(batch, options)
    except (errors.StorageFull, errors.NotReady):
        # Not the fault of a line, and the next ones would fare no better.
        raise
    except Exception as fault:
        middle = _middle(kind, batch)
        if middle is None:
            return [Result(error=_told(fault, kind, batch[0]))] * len(batch)
    first, second = batch[:middle], batch[middle:]
    return [*await _store(kind, first, options), *await _store(kind, second, options)]


def _middle(kind: Kind, batch: Sequence[Line]) -> int | None:
    """Where to halve a batch without cutting a group; None where there is but one."""
    if kind.group is None:
        return len(batch) // 2 or None
    keys = [kind.group(line.value) for line in batch]
    borders = [place for place in range(1, len(batch)) if keys[place] != keys[place - 1]]
    return min(borders, key=lambda place: abs(2 * place - len(batch)), default=None)


def _told(fault: Exception, kind: Kind, line: Line) -> str:
    """What a caller may know of it; the log gets the rest."""
    if isinstance(fault, errors.AisleError):
        return fault.message
    logger.error("import of a line failed", exc_info=fault, extra={"kind": kind.name, "line": line.number})
    return "Internal error, see the server's log"


def _count(
    report: Report,
    ids: list[tuple[int, str | int | None]],
    batch: Sequence[Line],
    results: Sequence[Result],
) -> None:
    for line, result in zip(batch, results, strict=True):
        if result.error is not None:
            _fail(report, LineError(line.number, result.error[:MAX_ERROR_TEXT]))
        elif result.skipped:
            report.skipped += 1
        else:
            report.imported += 1
            if len(ids) <= MAX_IDS:
                ids.append((line.number, result.id))


def _fail(report: Report, error: LineError) -> None:
    if len(report.errors) < MAX_ERRORS:
        report.errors.append(error)
