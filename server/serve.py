"""One worker: the application and its HTTP server in one event loop, with a drain at the end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import stat
import sys
import time
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, NoReturn

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from server import logs
from server.exit_codes import CANNOT_START, TRY_AGAIN
from server.settings import Settings

if TYPE_CHECKING:
    from server.app import Application

logger = logging.getLogger(__name__)

BACKLOG = 1024
# How long the HTTP server may take to finish what it holds, after the drain.
STOP_TIMEOUT_S = 10.0
# How long a worker waits for the one that answers already: the longest start, and one answer.
OTHERS_TIMEOUT_S = 60.0
PROBE_TIMEOUT_S = 2.0


def main(settings: Settings, *, early: bool) -> NoReturn:
    """Serve until told to stop, then end the process.

    `early` listens at once, so that health checks are answered during the start. Beside workers that serve
    already it would take requests from them only to refuse them.
    """
    logs.configure(settings.log_level)
    # Ctrl-C reaches the whole group; the supervisor decides when we stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = asyncio.Runner(loop_factory=uvloop.new_event_loop).run(_run(settings, early))
    logging.shutdown()
    # A thread may still compile or compute for nobody; waiting for it would keep the supervisor waiting.
    os._exit(code)


async def _run(settings: Settings, early: bool) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    _stop_with_parent(loop, stopping)
    try:
        # Late, so that a signal during the slow imports simply ends us.
        from server.app import create_app

        app = create_app(settings)
    except Exception:
        logger.exception("cannot start")
        return CANNOT_START
    server = _server(app, settings)
    stop = asyncio.create_task(stopping.wait())
    async with AsyncExitStack() as stack:
        serving = asyncio.create_task(server.serve(), name="http") if early else None
        starting = asyncio.create_task(stack.enter_async_context(app.lifespan()))
        first = {starting, stop} | ({serving} if serving else set())
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if serving is not None and serving.done():
            return await _end(server, serving)
        code = await _start_result(starting)
        if code is not None:
            return code
        if serving is None:
            joining = asyncio.create_task(_others_ready(settings.host, settings.port))
            await asyncio.wait((joining, stop), return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                return 0
            serving = asyncio.create_task(server.serve(), name="http")
        await asyncio.wait((stop, serving), return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            await _drain(app, settings, stopping)
        return await _end(server, serving)


async def _start_result(starting: asyncio.Task[None]) -> int | None:
    """None when the application runs, else the exit code; a process that ends needs no server closed."""
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    fault = starting.exception()
    if fault is None:
        return None
    from server.errors import NotReady

    if isinstance(fault, NotReady):
        logger.warning("cannot start now", extra={"reason": fault.message})
        return TRY_AGAIN
    logger.error("cannot start", exc_info=fault)
    return CANNOT_START


async def _others_ready(host: str, port: int) -> None:
    """Return when a request to the shared port is answered by a worker that is ready, or by nobody.

    Were we to listen while the early one still starts, clients would take the server for ready and half of
    their requests would be refused. A worker that hangs must not keep us idle, so there is an end to it.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(OTHERS_TIMEOUT_S):
            while not await _is_ready_or_nobody(host, port):
                await asyncio.sleep(0.1)


async def _is_ready_or_nobody(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        return False
    except OSError:
        return True


async def _drain(app: Application, settings: Settings, stopping: asyncio.Event) -> None:
    """Say that we are leaving, keep serving, then let what still runs come to its end."""
    logger.info("draining", extra={"seconds": settings.drain_s})
    app.health.is_draining = True
    stopping.clear()
    # A second signal cuts the drain short.
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), settings.drain_s)
        return
    end = time.monotonic() + settings.request_timeout_s
    while app.in_flight and time.monotonic() < end and not stopping.is_set():
        await asyncio.sleep(0.01)


async def _end(server: Server, serving: asyncio.Task[None]) -> int:
    """Close the doors; 0, or the code for a server that ended by itself."""
    if serving.done():
        logger.error("the HTTP server ended", exc_info=serving.exception())
        return CANNOT_START
    server.stop()  # type: ignore[no-untyped-call]
    with suppress(TimeoutError):
        await asyncio.wait_for(serving, STOP_TIMEOUT_S)
    logger.info("stopped")
    return 0


def _server(app: Application, settings: Settings) -> Server:
    return Server(
        app,
        address=settings.host,
        port=settings.port,
        # Our own start and stop: the server listens before the application is ready.
        interface=Interfaces.ASGINL,
        websockets=False,
        backlog=BACKLOG,
        log_enabled=False,
    )


def _stop_with_parent(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    """Our standard input is a pipe that the supervisor holds: its end means that nobody watches us."""
    if not stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        return

    def ended() -> None:
        if not os.read(sys.stdin.fileno(), 1):
            loop.remove_reader(sys.stdin.fileno())
            stopping.set()

    loop.add_reader(sys.stdin.fileno(), ended)
