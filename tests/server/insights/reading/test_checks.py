"""GET /health and GET /users/statistics (contract 1.2.34, 1.2.35)."""

import asyncio

import httpx

from server.db import Database
from server.errors import NotReady
from server.insights.reading.checks import Check, Checks
from tests.server.insights import rows
from tests.server.insights.worker import Worker


async def well() -> str:
    return "OK"


async def hangs() -> str:
    await asyncio.sleep(60)
    return ""


async def lost() -> str:
    raise NotReady("The database is not reachable")


async def leaks() -> str:
    raise RuntimeError("password=hunter2")


async def test_a_server_that_is_well_says_so_in_the_shape_of_the_original(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/health/")
    body = answer.json()
    assert answer.status_code == body["status"] == 200
    assert body["headers"] == {"Content-Type": "application/json"}
    assert list(body["message"]) == ["hostname", "status", "timestamp", "results"]
    assert body["message"]["status"] == "success" and body["message"]["hostname"]
    checks = {result["checker"]: result for result in body["message"]["results"]}
    assert set(checks) == {"database", "job_queue", "product_store"}
    for result in checks.values():
        assert list(result) == ["checker", "output", "passed", "timestamp", "expires", "response_time"]
        assert result["passed"] is True


async def test_a_lost_part_makes_it_500(worker: Worker) -> None:
    await worker.database.close()
    answer = await worker.http.get("/api/v1/health")
    assert answer.status_code == 500
    assert answer.json()["message"]["status"] == "failure" and answer.json()["status"] == 500
    assert all(not result["passed"] for result in answer.json()["message"]["results"])
    # The cheap one asks nobody.
    assert (await worker.http.get("/api/v1/status")).status_code == 200


async def test_no_check_holds_up_or_hides_another_and_none_leaks() -> None:
    names = {"well": well, "hangs": hangs, "lost": lost, "leaks": leaks}
    checks = Checks([Check(name, run) for name, run in names.items()], timeout_s=0.05)
    async with asyncio.timeout(5):
        answer = await checks.run()
    outputs = {result.checker: (result.passed, result.output) for result in answer.message.results}
    assert outputs == {
        "well": (True, "OK"),
        "hangs": (False, "no answer within 0.05 s"),
        "lost": (False, "The database is not reachable"),
        "leaks": (False, "failed, see the server's log"),
    }
    assert answer.status == 500


async def test_a_users_insights_are_counted_whatever_was_answered(
    http: httpx.AsyncClient, database: Database
) -> None:
    for annotation in (1, 0, -1, None):
        await rows.add_insight(database, username="ann é", annotation=annotation)
    await rows.add_insight(database, username="bob", annotation=1)
    for name, number in (("bob", 1), ("ann%20é", 4), ("nobody", 0), ("Bob", 0)):
        answer = await http.get(f"/api/v1/users/statistics/{name}/")
        assert answer.json() == {"count": {"annotations": number}}
    assert (await http.get("/api/v1/users/statistics/a%00")).status_code == 400
