"""The checks behind /health: each part is asked, none for longer than it may take (contract 1.2.34)."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from server.errors import AisleError

if TYPE_CHECKING:
    from server.db import Database
    from server.insights.products.products import Products

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0
WAITING_JOBS = "SELECT count(*) FROM pgqueuer WHERE status = 'queued'"


class Check(NamedTuple):
    """A part by name; `run` says how it is, and raises when it is not well."""

    name: str
    run: Callable[[], Awaitable[str]]


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found; times are seconds, since 1970 where they are moments."""

    checker: str
    output: str
    passed: bool
    timestamp: float
    expires: float
    response_time: float


class HealthMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Status is "success" when all passed, else "failure"."""

    hostname: str
    status: str
    timestamp: float
    results: list[CheckResult]


class HealthAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer repeats its own status and headers, as monitors of the original read them."""

    message: HealthMessage
    status: int
    headers: dict[str, str]


class Checks:
    """Runs all checks at once."""

    def __init__(self, checks: Sequence[Check], *, timeout_s: float = TIMEOUT_S) -> None:
        self._checks = tuple(checks)
        self._timeout_s = timeout_s

    async def run(self) -> HealthAnswer:
        """How every part is; never raises."""
        results = await asyncio.gather(*(self._result(check) for check in self._checks))
        is_well = all(result.passed for result in results)
        return HealthAnswer(
            message=HealthMessage(
                hostname=socket.gethostname(),
                status="success" if is_well else "failure",
                timestamp=time.time(),
                results=results,
            ),
            status=200 if is_well else 500,
            headers={"Content-Type": "application/json"},
        )

    async def _result(self, check: Check) -> CheckResult:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                output, passed = await check.run(), True
        except TimeoutError:
            output, passed = f"no answer within {self._timeout_s:g} s", False
        except AisleError as fault:
            output, passed = fault.message, False
        except Exception:
            # Its text may say more than a stranger should know.
            logger.warning("a check failed", exc_info=True, extra={"check": check.name})
            output, passed = "failed, see the server's log", False
        now = time.time()
        return CheckResult(
            checker=check.name,
            output=output,
            passed=passed,
            timestamp=now,
            # Nothing is remembered: the next request asks again.
            expires=now,
            response_time=time.perf_counter() - started,
        )


def own(database: Database, products: Products) -> list[Check]:
    """The checks of the parts that this product cannot do without."""

    async def answers() -> str:
        await database.fetchval("SELECT 1")
        return "OK"

    async def queue() -> str:
        return f"{await database.fetchval(WAITING_JOBS)} jobs wait"

    async def store() -> str:
        await products.get("off", "00000000")
        return "OK"

    return [Check("database", answers), Check("job_queue", queue), Check("product_store", store)]
