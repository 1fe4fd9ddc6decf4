"""Readiness: asked anew each time, with reasons, never raising."""

import asyncio

import pytest

from server import health
from server.health import Health
from server.metrics import Metrics
from tests.conftest import ClientFactory


async def test_a_server_is_not_ready_before_it_started() -> None:
    state = Health()
    state.starting("networks")
    assert await state.reasons() == ["starting: networks"]
    state.is_started = True
    assert await state.reasons() == []
    state.is_draining = True
    assert (await state.readiness()).status == "not ready"


async def test_every_check_that_does_not_hold_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.01)
    state = Health()
    state.is_started = True

    async def yes() -> bool:
        return True

    async def hangs() -> bool:
        await asyncio.sleep(60)
        return True

    def raises() -> bool:
        raise RuntimeError("no")

    state.add("good", lambda: True)
    state.add("good too", yes)
    state.add("bad", lambda: False)
    state.add("hanging", hangs)
    state.add("raising", raises)
    assert await state.reasons() == ["bad", "hanging", "raising"]


async def test_a_check_is_never_cached() -> None:
    state = Health()
    state.is_started = True
    answers = iter([True, False, True])
    state.add("moody", lambda: next(answers))
    assert [await state.reasons() for _ in range(3)] == [[], ["moody"], []]


async def test_the_lag_of_the_loop_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LAG_PERIOD_S", 0.001)
    metrics = Metrics()
    watching = asyncio.create_task(health.watch_lag(metrics))
    async with asyncio.timeout(10):
        while b"aisle_event_loop_lag_seconds_count 0.0" in metrics.render():
            await asyncio.sleep(0.005)
    watching.cancel()


async def test_the_probes_answer(client: ClientFactory) -> None:
    async with client() as http:
        live, ready = await http.get("/health/live"), await http.get("/health/ready")
    assert live.status_code == 200 and live.json() == {"status": "live"}
    assert ready.status_code == 200 and ready.json() == {"status": "ready", "reasons": []}
    assert ready.headers["cache-control"] == "no-store"


async def test_a_lost_database_makes_the_server_not_ready(client: ClientFactory, database_url: str) -> None:
    async with client() as http:
        app = http._transport.app  # type: ignore[attr-defined]
        await app.database.close()
        ready = await http.get("/health/ready")
    assert ready.status_code == 503 and ready.json()["reasons"] == ["database"]
