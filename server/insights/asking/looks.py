"""Which state the database is in, asked for many requests at once (see `answer_cache`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from server import db, errors
from server.deadline import Deadline
from server.insights.queries_questions import LOOK

if TYPE_CHECKING:
    from server.insights.reader import Reader
    from server.insights.voter import Voter


class Look(NamedTuple):
    """The name of the state, and whether the voter has ever voted in it."""

    snapshot: str
    has_voted: bool


class Looks:
    """One statement at a time for everybody who waits: whoever comes after it was sent is in the next one."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._waiting: list[tuple[Voter, asyncio.Future[Look]]] = []
        self._task: asyncio.Task[None] | None = None

    async def look(self, voter: Voter, deadline: Deadline) -> Look:
        """The state at a moment between this call and its return; `DeadlineExceeded` when that is too late."""
        future: asyncio.Future[Look] = asyncio.get_running_loop().create_future()
        self._waiting.append((voter, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="looks")
        try:
            async with asyncio.timeout(max(deadline.remaining_s(), 0.001)):
                return await future
        except TimeoutError as late:
            raise errors.DeadlineExceeded("The database did not answer in time") from late

    async def _run(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            try:
                looks = await self._look([voter for voter, _ in asked])
            except Exception as fault:
                for _, future in asked:
                    if not future.done():
                        future.set_exception(fault)
                continue
            for (_, future), look in zip(asked, looks, strict=True):
                if not future.done():
                    future.set_result(look)

    async def _look(self, voters: list[Voter]) -> list[Look]:
        devices = {voter.device_id for voter in voters if voter.username is None}
        users = {voter.username for voter in voters if voter.username is not None}
        deadline = Deadline.after(db.STATEMENT_TIMEOUT_S)
        [row] = await self._reader.fetch(LOOK, [list(devices), list(users)], deadline)
        snapshot, known_devices, known_users = row["snapshot"], set(row["devices"]), set(row["users"])
        return [
            Look(
                snapshot,
                voter.device_id in known_devices if voter.username is None else voter.username in known_users,
            )
            for voter in voters
        ]
