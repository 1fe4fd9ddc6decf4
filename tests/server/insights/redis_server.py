"""A stand-in for Redis over a real socket: streams, and the few commands that a listener sends (RESP 2)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

Entry: TypeAlias = tuple[str, dict[str, str]]


class RedisServer:
    """`add` puts a message into a stream; `drop` cuts every connection."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self._streams: dict[str, list[Entry]] = {}
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def add(self, stream: str, **fields: str) -> None:
        """One more message, told to who waits."""
        entries = self._streams.setdefault(stream, [])
        entries.append((f"{1000 + len(entries)}-0", fields))
        self._changed.set()

    def drop(self) -> None:
        """As a restart would."""
        for writer in self._writers:
            writer.close()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.connections += 1
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                words = []
                for _ in range(int(line[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2].decode())
                writer.write(await self._answer(words))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, words: Sequence[str]) -> bytes:
        match words[0].upper():
            case "XREVRANGE":
                entries = self._streams.get(words[1], [])[-1:]
                return encoded([shown(entry) for entry in entries])
            case "XREAD":
                return await self._read(words)
            case "CLIENT" | "SELECT" | "PING":
                return b"+OK\r\n"
        return f"-ERR unknown command {words[0]}\r\n".encode()

    async def _read(self, words: Sequence[str]) -> bytes:
        upper = [word.upper() for word in words]
        block_s = int(words[upper.index("BLOCK") + 1]) / 1000
        most = int(words[upper.index("COUNT") + 1])
        rest = words[upper.index("STREAMS") + 1 :]
        wanted = dict(zip(rest[: len(rest) // 2], rest[len(rest) // 2 :], strict=True))
        try:
            async with asyncio.timeout(block_s):
                while True:
                    self._changed.clear()
                    found = [
                        [name, [shown(entry) for entry in entries[:most]]]
                        for name, place in wanted.items()
                        if (entries := self._after(name, place))
                    ]
                    if found:
                        return encoded(found)
                    await self._changed.wait()
        except TimeoutError:
            return b"*-1\r\n"

    def _after(self, name: str, place: str) -> list[Entry]:
        def order(identity: str) -> tuple[int, int]:
            first, _, second = identity.partition("-")
            return int(first), int(second or 0)

        return [entry for entry in self._streams.get(name, []) if order(entry[0]) > order(place)]


def shown(entry: Entry) -> list[Any]:
    """A message as the protocol has it: its id, then names and values in turn."""
    return [entry[0], [word for pair in entry[1].items() for word in pair]]


def encoded(value: Any) -> bytes:
    """Lists and texts in RESP 2."""
    if isinstance(value, list):
        return f"*{len(value)}\r\n".encode() + b"".join(encoded(item) for item in value)
    data = value.encode()
    return f"${len(data)}\r\n".encode() + data + b"\r\n"


@asynccontextmanager
async def serve() -> AsyncIterator[RedisServer]:
    """The server on a free port."""
    fake = RedisServer()
    server = await asyncio.start_server(fake.handle, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        fake.drop()
