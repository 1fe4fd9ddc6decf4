"""How the server is, and what its users did (contract 1.2.34, 1.2.35)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency as Given
from litestar.params import FromPath

from server.insights import faults
from server.insights.reading.checks import Checks, HealthAnswer
from server.insights.reading.insight_pages import InsightPages
from server.middleware import deadline_of

Asked = Request[Any, Any, Any]


class Contributions(msgspec.Struct, frozen=True):
    """How many insights carry the user's name."""

    annotations: int


class UserStatistics(msgspec.Struct, frozen=True):
    """Zero for a user whom nobody knows."""

    count: Contributions


@get("/api/v1/health", summary="Whether every part is well; 500 where one is not")
async def health(checks: Given[Checks]) -> Response[HealthAnswer]:
    """Asks the parts themselves, each with a time limit."""
    answer = await checks.run()
    return Response(answer, status_code=answer.status, headers={"Cache-Control": "no-store"})


@get("/api/v1/users/statistics/{username:str}", summary="What a user did")
async def statistics(
    request: Asked, username: FromPath[str], insight_pages: Given[InsightPages]
) -> UserStatistics:
    """Insights that the user annotated, whatever the answer was."""
    if "\x00" in username:
        raise faults.invalid("username", "It must not contain null characters.")
    return UserStatistics(Contributions(await insight_pages.annotated_by(username, deadline_of(request))))


HANDLERS = [health, statistics]
