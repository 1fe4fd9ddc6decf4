"""Questions asked over HTTP, and insights to ask about."""

from typing import Any
from uuid import UUID

import httpx

from server.db import Database
from tests.server.insights import rows

BARCODE = "3250390172185"
NONE = {"count": 0, "questions": [], "status": "no_questions"}


async def ask(http: httpx.AsyncClient, path: str = "", **parameters: Any) -> dict[str, Any]:
    """The body of an answer that must be a 200."""
    answer = await http.get(f"/api/v1/questions{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def add(database: Database, **columns: Any) -> UUID:
    """An open category insight on that product unless told otherwise."""
    return await rows.add_insight(database, **{"barcode": BARCODE, **columns})


async def ids(http: httpx.AsyncClient, path: str = "", **parameters: Any) -> list[UUID]:
    """Which insights are asked, in order."""
    return [UUID(question["insight_id"]) for question in (await ask(http, path, **parameters))["questions"]]
