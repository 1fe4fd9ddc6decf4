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
from typing import TYPE_CHECKING

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from server import logs
from server.settings import Settings

if TYPE_CHECKING:
    from server.app import Application

logger = logging.getLogger(__name__)

# Exit codes the supervisor tells apart (sysexits.h): starting again would not help, or it might.
CANNOT_START = 78
TRY_AGAIN = 75
BACKLOG = 1024
# How long the HTTP server may take to finish what it holds, after the drain.
STOP_TIMEOUT_S = 10.0


def main(settings: Settings) -> int:
    """Serve until told to stop; the exit code."""
    logs.configure(settings.log_level)
    # Ctrl-C reaches the whole group; the supervisor decides when we stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings))


async def _run(settings: Settings) -> int:
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
    serving = asyncio.create_task(server.serve(), name="http")
    stop = asyncio.create_task(stopping.wait())
    async with AsyncExitStack() as stack:
        # It answers health checks while it starts.
        starting = asyncio.create_task(stack.enter_async_context(app.lifespan()))
        await asyncio.wait((starting, stop, serving), return_when=asyncio.FIRST_COMPLETED)
        code = await _start_result(starting, stop)
        if code is None:
            await asyncio.wait((stop, serving), return_when=asyncio.FIRST_COMPLETED)
            code = 0
            if not serving.done():
                await _drain(app, settings, stopping)
        code = max(code, await _end(server, serving))
    return code


async def _start_result(starting: asyncio.Task[None], stop: asyncio.Task[bool]) -> int | None:
    """None when the application runs, else the exit code."""
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0 if stop.done() else CANNOT_START
    fault = starting.exception()
    if fault is None:
        return None
    from server.errors import NotReady

    if isinstance(fault, NotReady):
        logger.warning("cannot start now", extra={"reason": fault.message})
        return TRY_AGAIN
    logger.error("cannot start", exc_info=fault)
    return CANNOT_START


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
