"""Names and passwords are verified by the product server where the operator wants that (contract 1.0)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server import errors
from server.insights.annotation import credential_check
from server.insights.annotation.credential_check import CredentialCheck, Unverified
from server.insights.products.product_server import ProductServer
from server.insights.voter import Credentials
from server.settings import Settings
from tests.server.insights import product_opener_server, rows, worker
from tests.server.insights.product_opener_server import ProductOpenerServer

ANN = Credentials("ann", "hunter2")
SESSION = "user_session&abc&user_id&ann"


@pytest.fixture
async def opener() -> AsyncIterator[ProductOpenerServer]:
    """A server that knows one user."""
    async with product_opener_server.serve() as server:
        server.passwords["ann"] = "hunter2"
        server.sessions.add(SESSION)
        yield server


@pytest.fixture
async def check(opener: ProductOpenerServer) -> AsyncIterator[CredentialCheck]:
    """A check that asks it."""
    check = CredentialCheck(ProductServer(opener.url, timeout_s=0.2))
    await check.open()
    yield check
    await check.close()


async def test_the_right_password_or_session_passes_and_is_asked_for_once(
    check: CredentialCheck, opener: ProductOpenerServer
) -> None:
    for _ in range(3):
        await check.verify(ANN)
        await check.verify(Credentials("ann", session=SESSION))
    assert opener.logins == 2


async def test_a_wrong_one_is_refused_and_remembered_too(
    check: CredentialCheck, opener: ProductOpenerServer
) -> None:
    wrong = [
        Credentials("ann", "guess"),
        Credentials("bob", "hunter2"),
        Credentials("ann"),
        Credentials("ann", session="user_id&ann"),
    ]
    for _ in range(2):
        for credentials in wrong:
            with pytest.raises(errors.Unauthorised):
                await check.verify(credentials)
    assert opener.logins == len(wrong)
    await check.verify(ANN)


async def test_an_answer_is_forgotten_after_a_while(opener: ProductOpenerServer) -> None:
    check = CredentialCheck(ProductServer(opener.url), remembered_s=0.0)
    await check.open()
    await check.verify(ANN)
    opener.passwords["ann"] = "other"
    with pytest.raises(errors.Unauthorised):
        await check.verify(ANN)
    await check.close()


async def test_a_bounded_number_of_answers_is_remembered(
    check: CredentialCheck, opener: ProductOpenerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credential_check, "MAX_REMEMBERED", 2)
    opener.passwords |= dict.fromkeys("abc", "x")
    for name in "abca":
        await check.verify(Credentials(name, "x"))
    assert opener.logins == 4


@pytest.mark.parametrize("trouble", [302, 500, "slow"])
async def test_without_an_answer_nobody_knows_and_nothing_is_remembered(
    check: CredentialCheck, opener: ProductOpenerServer, trouble: int | str
) -> None:
    opener.trouble = trouble
    with pytest.raises(Unverified):
        await check.verify(ANN)
    opener.trouble = None
    await check.verify(ANN)


async def test_nobody_and_an_operator_who_does_not_mind_need_no_answer(
    check: CredentialCheck, opener: ProductOpenerServer
) -> None:
    await check.verify(None)
    await CredentialCheck(None).verify(Credentials("ann", "guess"))
    assert opener.logins == 0


async def test_a_made_up_user_cannot_decide_where_users_are_verified(
    opener: ProductOpenerServer, database_url: str, tmp_path: Path
) -> None:
    settings = Settings(product_opener_url=opener.url)
    async with worker.start(database_url, tmp_path, settings=settings, verify_credentials=True) as started:
        insight = await rows.add_insight(started.database)
        fields = {"insight_id": str(insight), "annotation": "0"}

        async def sent(password: str) -> tuple[int, object]:
            answer = await started.http.post("/api/v1/insights/annotate", data=fields, auth=("ann", password))
            return answer.status_code, answer.json()

        assert await sent("guess") == (401, {"title": "Invalid user name or password."})
        opener.trouble = 500
        status, answer = await sent("hunter2")
        assert (status, answer["status_code"]) == (200, 10)  # type: ignore[index]
        assert await started.database.fetchval("SELECT annotation FROM product_insight") is None
        opener.trouble = None
        status, answer = await sent("hunter2")
        assert (status, answer["status_code"]) == (200, 1)  # type: ignore[index]
