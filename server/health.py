"""Alive, started, ready: three questions; ready is asked anew every time and never raises."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from litestar import Response, Router, get
from msgspec import Struct

if TYPE_CHECKING:
    from server.metrics import Metrics

logger = logging.getLogger(__name__)

# A claim such as "database": true while it holds.
Check = Callable[[], bool | Awaitable[bool]]
CHECK_TIMEOUT_S = 2.0
LAG_PERIOD_S = 0.1
NO_STORE = {"Cache-Control": "no-store"}


class Liveness(Struct, frozen=True):
    """Said as long as the event loop turns."""

    status: str


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether traffic may come; reasons are names of what is missing."""

    status: str
    reasons: list[str]


class Health:
    """The state of this process: starting, started, draining; and checks that must all hold to be ready."""

    def __init__(self) -> None:
        self.is_started = False
        self.is_draining = False
        self._stage = "starting"
        self._checks: dict[str, Check] = {}

    def add(self, name: str, check: Check) -> None:
        """Demand that something holds before we are ready."""
        self._checks[name] = check

    def starting(self, stage: str) -> None:
        """Name what the start is busy with, for the reasons of readiness."""
        self._stage = f"starting: {stage}"
        logger.info("starting", extra={"stage": stage})

    async def reasons(self) -> list[str]:
        """Why we are not ready; empty when we are."""
        if self.is_draining:
            return ["draining"]
        if not self.is_started:
            return [self._stage]
        names = list(self._checks)
        held = await asyncio.gather(*(_holds(self._checks[name]) for name in names))
        return [name for name, holds in zip(names, held, strict=True) if not holds]

    async def readiness(self) -> Readiness:
        """The answer of /health/ready."""
        reasons = await self.reasons()
        return Readiness(status="not ready" if reasons else "ready", reasons=reasons)


async def _holds(check: Check) -> bool:
    """A check that raises, hangs or says no fails."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            result = check()
            return bool(await result if inspect.isawaitable(result) else result)
    except Exception:
        logger.warning("health check failed", exc_info=True)
        return False


async def watch_lag(metrics: Metrics) -> None:
    """Measure for ever how late the event loop wakes up."""
    while True:
        start = time.perf_counter()
        await asyncio.sleep(LAG_PERIOD_S)
        metrics.loop_lag.observe(max(time.perf_counter() - start - LAG_PERIOD_S, 0.0))


def router(health: Health) -> Router:
    """Probes of load balancers and orchestrators."""

    @get("/live", summary="Is the process alive?")
    async def live() -> Response[Liveness]:
        return Response(Liveness("live"), headers=NO_STORE)

    @get("/ready", summary="May traffic come? 503 with the reasons when not")
    async def ready() -> Response[Readiness]:
        readiness = await health.readiness()
        return Response(readiness, status_code=503 if readiness.reasons else 200, headers=NO_STORE)

    return Router("/health", route_handlers=[live, ready], tags=["operation"])
