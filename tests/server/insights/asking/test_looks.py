"""One statement tells many requests which state the database is in, and none of them an older one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server import errors
from server.db import Database
from server.deadline import Deadline
from server.insights.asking.looks import Looks
from server.insights.reader import Reader
from server.insights.voter import Credentials, Voter
from tests.server.insights import rows


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with no worker beside it."""
    database = Database(database_url, connections=2)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def reader(database_url: str) -> AsyncIterator[Reader]:
    """A reader of it."""
    reader = Reader(database_url)
    await reader.open()
    yield reader
    await reader.close()


async def test_each_voter_is_told_of_themselves(database: Database, reader: Reader) -> None:
    identity = await rows.add_insight(database)
    await rows.add_vote(database, identity, 1, device_id="phone")
    await rows.add_vote(database, identity, -1, device_id="other", username="jane")
    looks, deadline = Looks(reader), Deadline.after(30)
    voters = [
        Voter("phone"),
        Voter("new"),
        Voter("phone", Credentials("joe")),
        Voter("new", Credentials("jane")),
    ]
    found = await asyncio.gather(*(looks.look(voter, deadline) for voter in voters))
    assert [look.has_voted for look in found] == [True, False, False, True]
    assert len({look.snapshot for look in found}) == 1


async def test_those_who_come_together_share_a_statement(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = 0
    fetch = Reader.fetch

    async def counted(self: Reader, *rest: Any) -> Any:
        nonlocal statements
        statements += 1
        return await fetch(self, *rest)

    monkeypatch.setattr(Reader, "fetch", counted)
    looks, deadline = Looks(reader), Deadline.after(30)
    await asyncio.gather(*(looks.look(Voter(str(number)), deadline) for number in range(50)))
    assert statements == 1


async def test_a_write_before_the_call_is_always_seen(database: Database, reader: Reader) -> None:
    looks, deadline = Looks(reader), Deadline.after(30)
    seen = set()
    # While others keep the statements going.
    crowd = [asyncio.create_task(looks.look(Voter("crowd"), deadline)) for _ in range(20)]
    for _ in range(10):
        seen.add((await looks.look(Voter("phone"), deadline)).snapshot)
        await rows.add_insight(database)
        crowd.append(asyncio.create_task(looks.look(Voter("crowd"), deadline)))
    await asyncio.gather(*crowd)
    assert len(seen) == 10


async def test_a_lost_database_is_told_to_all_and_the_next_look_is_tried(database_url: str) -> None:
    reader = Reader(database_url)
    looks, deadline = Looks(reader), Deadline.after(30)
    found = await asyncio.gather(
        *(looks.look(Voter("phone"), deadline) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(one, errors.NotReady) for one in found)
    await reader.open()
    assert not (await looks.look(Voter("phone"), deadline)).has_voted
    await reader.close()


async def test_one_who_leaves_takes_nobody_along(reader: Reader) -> None:
    looks, deadline = Looks(reader), Deadline.after(30)
    leaving = asyncio.create_task(looks.look(Voter("leaving"), deadline))
    staying = asyncio.create_task(looks.look(Voter("staying"), deadline))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).has_voted is False


async def test_a_look_ends_with_the_deadline_of_who_asked(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(self: Reader, *rest: Any) -> Any:
        await asyncio.sleep(5)

    monkeypatch.setattr(Reader, "fetch", slow)
    with pytest.raises(errors.DeadlineExceeded):
        await Looks(reader).look(Voter("phone"), Deadline.after(0.05))
