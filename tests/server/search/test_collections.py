"""Replicas follow what any worker writes, and a search sees every write that was answered before it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from index import snapshot
from server import errors
from server.deadline import Deadline
from server.search import upkeep
from server.search.catalog import Row
from server.search.collections import ItemState, Loaded
from server.search.features import Described
from server.search.pictures import unpacked
from tests.server.search import pictures
from tests.server.search.conftest import StartWorker
from tests.server.search.worker import Tenant, Worker, eventually

ONE, TWO = (pictures.jpeg(pictures.print_of(seed)) for seed in (1, 2))
NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def state(
    *tags: str, active: bool = True, since: datetime | None = None, until: datetime | None = None
) -> ItemState:
    return ItemState(tags=frozenset(tags), active=active, valid_from=since, valid_to=until)


async def test_two_workers_agree_after_every_write(start_worker: StartWorker) -> None:
    async with start_worker() as first, start_worker() as second:
        here = await first.tenant()
        there = here.at(second)
        collection, token = await here.shelf()
        assert await there.found(token, ONE) == []
        # Create, here and there.
        item, image = await here.reference(collection, 1)
        assert await there.found(token, ONE) == [item["uuid"]]
        other, _ = await there.reference(collection, 2)
        assert await here.found(token, TWO) == [other["uuid"]]
        # Replace.
        await there.ask("PUT", f"image/{image['uuid']}/", files={"file": pictures.jpeg(pictures.print_of(3))})
        assert await here.found(token, ONE) == []
        assert await here.found(token, pictures.jpeg(pictures.print_of(3))) == [item["uuid"]]
        # Rename: the name comes from the row, not from the replica.
        await there.ask("PUT", f"item/{item['uuid']}/", json={"name": "New"})
        answer = await here.search(token, pictures.jpeg(pictures.print_of(3)))
        assert answer.json()["results"][0]["item"]["name"] == "New"
        # Tags.
        tag = await here.make("tag", name="red", collection=collection["uuid"])
        await there.ask("PUT", f"item/{other['uuid']}/", json={"tags": [tag["uuid"]]})
        assert await here.found(token, TWO, tags="red") == [other["uuid"]]
        await here.ask("DELETE", f"tag/{tag['uuid']}/")
        assert await there.found(token, TWO, tags="red") == []
        # Delete.
        await here.ask("DELETE", f"item/{other['uuid']}/")
        assert await there.found(token, TWO) == []
        await there.ask("DELETE", f"collection/{collection['uuid']}/")
        assert (await here.search(token, TWO)).status_code == 403


async def test_a_new_worker_loads_what_is_there_before_it_is_ready(start_worker: StartWorker) -> None:
    async with start_worker() as first:
        tenant = await first.tenant()
        collection, token = await tenant.shelf()
        item, _ = await tenant.reference(collection, 1)
        await tenant.reference(collection, 2)
    async with start_worker() as second:
        assert collection["uuid"] in second.search.collections
        assert len(second.search.collections) == 1
        assert await tenant.at(second).found(token, ONE) == [item["uuid"]]


async def test_a_start_from_a_snapshot_sees_what_changed_since(
    start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_worker() as first:
        tenant = await first.tenant()
        collection, token = await tenant.shelf()
        kept, _ = await tenant.reference(collection, 1)
        replaced, image = await tenant.reference(collection, 2)
        removed, _ = await tenant.reference(collection, 3)
        await tenant.found(token, ONE)
        assert await first.search.collections.save() == {collection["uuid"]: True}
        await tenant.ask(
            "PUT", f"image/{image['uuid']}/", files={"file": pictures.jpeg(pictures.print_of(4))}
        )
        await tenant.ask("DELETE", f"item/{removed['uuid']}/")
        added, _ = await tenant.reference(collection, 5)
    read: list[int] = []

    def counted(row: Row) -> Described:
        read.append(len(row["descriptors"]))
        return unpacked(row)

    monkeypatch.setattr("server.search.collections.unpacked", counted)
    async with start_worker() as second:
        at = tenant.at(second)
        wanted = {1: [kept], 2: [], 3: [], 4: [replaced], 5: [added]}
        for seed, items in wanted.items():
            found = await at.found(token, pictures.jpeg(pictures.print_of(seed)))
            assert found == [item["uuid"] for item in items]
        # Descriptors come from the database for the two images that changed, and for no other.
        assert sorted(size > 0 for size in read) == [False, True, True]


async def test_a_damaged_snapshot_or_one_of_a_newer_database_is_not_used(start_worker: StartWorker) -> None:
    async with start_worker() as first:
        tenant = await first.tenant()
        collection, token = await tenant.shelf()
        item, _ = await tenant.reference(collection, 1)
        await tenant.found(token, ONE)
        await first.search.collections.save()
        folder = first.search.upkeep.folder(collection["uuid"])
        assert first.search.upkeep.check() == {collection["uuid"]: "1 images"}
        replica = first.search.collections._loaded[collection["uuid"]].replica
    for spoil in ("newer", "damaged"):
        if spoil == "newer":
            replica.save(folder, 1000)
            assert first.search.upkeep.save(collection["uuid"], replica, 999)  # there is a newer one
            assert snapshot.newest(folder) == 1000
        else:
            next(folder.glob("*/names")).write_bytes(b"")
        async with start_worker() as second:
            assert await tenant.at(second).found(token, ONE) == [item["uuid"]]
            refused = second.search.upkeep.check()[collection["uuid"]].startswith("refused: names")
            assert refused == (spoil == "damaged")


async def test_many_changes_make_a_snapshot_by_themselves(
    start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "MIN_IMAGES_BEHIND", 2)
    async with start_worker() as worker:
        tenant = await worker.tenant()
        collection, token = await tenant.shelf()
        await tenant.reference(collection, 1)
        await tenant.found(token, ONE)
        await asyncio.sleep(0.5)
        assert worker.search.upkeep.check() == {}
        await tenant.reference(collection, 2)
        await eventually(lambda: worker.search.upkeep.check() == {collection["uuid"]: "2 images"})


async def test_a_worker_follows_without_being_asked(start_worker: StartWorker) -> None:
    async with start_worker() as first, start_worker() as second:
        tenant = await first.tenant()
        collection, token = await tenant.shelf()
        await tenant.at(second).found(token, ONE)
        loaded = await second.search.collections.ready(collection["uuid"], 0, Deadline.after(5))
        await tenant.reference(collection, 1)
        await eventually(lambda: len(loaded.replica) == 1)


async def test_a_deleted_collection_leaves_the_memory_of_every_worker(start_worker: StartWorker) -> None:
    async with start_worker() as first, start_worker() as second:
        tenant = await first.tenant()
        shelves = [await tenant.shelf("Empty"), await tenant.shelf("Full")]
        await tenant.reference(shelves[1][0], 1)
        for collection, token in shelves:
            for worker in (first, second):
                await tenant.at(worker).found(token, ONE)
                assert collection["uuid"] in worker.search.collections
        assert await first.search.collections.save()
        for collection, _ in shelves:
            await tenant.ask("DELETE", f"collection/{collection['uuid']}/")
        await eventually(lambda: len(first.search.collections) + len(second.search.collections) == 0)
        await eventually(lambda: first.search.upkeep.check() == {})


async def test_searches_and_writes_at_once_end_in_the_same_state(start_worker: StartWorker) -> None:
    async with start_worker() as first, start_worker() as second:
        tenant = await first.tenant()
        collection, token = await tenant.shelf()

        async def come_and_go(worker: Worker, seed: int) -> str:
            at = tenant.at(worker)
            item, image = await at.reference(collection, seed)
            await at.ask("DELETE", f"image/{image['uuid']}/")
            await at.upload(item, pictures.jpeg(pictures.print_of(seed)))
            assert await at.found(token, pictures.jpeg(pictures.print_of(seed))) == [item["uuid"]]
            uuid: str = item["uuid"]
            return uuid

        work = [come_and_go(worker, seed) for seed, worker in enumerate((first, second, first, second))]
        items = await asyncio.gather(*work)
        for worker in (first, second):
            for seed, item in enumerate(items):
                assert await tenant.at(worker).found(token, pictures.jpeg(pictures.print_of(seed))) == [item]
            loaded = await worker.search.collections.ready(collection["uuid"], 0, Deadline.after(5))
            assert len(loaded.replica) == 4


async def test_an_inactive_item_or_one_out_of_its_time_is_not_found(tenant: Tenant, worker: Worker) -> None:
    collection, token = await tenant.shelf()
    item, _ = await tenant.reference(collection, 1)

    async def found_with(**columns: object) -> bool:
        assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 2))
        await worker.database.execute(
            f"UPDATE search_item SET {assignments} WHERE id = $1", item["uuid"], *columns.values()
        )
        await tenant.ask("PUT", f"item/{item['uuid']}/", json={})
        return await tenant.found(token, ONE) == [item["uuid"]]

    now = datetime.now(UTC)
    assert not await found_with(active=False)
    assert await found_with(active=True)
    assert not await found_with(valid_from=now + DAY)
    assert await found_with(valid_from=now - DAY, valid_to=now + DAY)
    assert not await found_with(valid_to=now - DAY)
    # Its time may begin without any write.
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    assert not await found_with(valid_from=soon, valid_to=None)
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds())
    assert await tenant.found(token, ONE) == [item["uuid"]]


async def test_a_collection_that_loads_too_slowly_is_late_but_loads_on(
    worker: Worker, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, token = await tenant.shelf()
    collections = worker.search.collections
    gate = asyncio.Event()
    load = collections._load

    async def slow(uuid: str) -> None:
        await gate.wait()
        await load(uuid)

    monkeypatch.setattr(collections, "_load", slow)
    with pytest.raises(errors.DeadlineExceeded):
        await collections.ready(collection["uuid"], 0, Deadline.after(0.05))
    gate.set()
    await eventually(lambda: collection["uuid"] in collections)
    assert await tenant.found(token, ONE) == []


async def test_a_search_that_comes_as_catching_up_ends_starts_another_round(
    worker: Worker, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, token = await tenant.shelf()
    await tenant.make("item", name="early", collection=collection["resource_uri"])
    assert await tenant.found(token, ONE) == []
    collections, follower = worker.search.collections, worker.search.collections._follower
    catch_up, ends = follower.catch_up, asyncio.Event()
    sequence = collections._loaded[collection["uuid"]].sequence

    async def ending(topic: str, after: int) -> tuple[int, list[str]]:
        result = await catch_up(topic, after)
        ends.set()  # whoever waits for it runs once this task is done, and before its callbacks
        return result

    async def writer() -> Loaded:
        await ends.wait()
        return await collections.ready(collection["uuid"], sequence + 1, Deadline.after(5))

    monkeypatch.setattr(follower, "catch_up", ending)
    waiting = asyncio.create_task(writer())
    await asyncio.sleep(0)
    collections.nudge(collection["uuid"])
    await ends.wait()
    await tenant.make("item", name="late", collection=collection["resource_uri"])
    assert (await waiting).sequence == sequence + 1


async def test_a_fault_while_catching_up_reaches_the_search_and_the_next_one_tries_again(
    worker: Worker, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection, token = await tenant.shelf()
    item, _ = await tenant.reference(collection, 1)
    assert await tenant.found(token, ONE) == [item["uuid"]]

    async def lost(*_: object) -> None:
        raise errors.NotReady("The database is not reachable")

    with monkeypatch.context() as broken:
        broken.setattr(worker.search.collections._follower, "catch_up", lost)
        await tenant.ask("DELETE", f"item/{item['uuid']}/")
        answer = await tenant.search(token, ONE)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVER_BUSY")
    assert await tenant.found(token, ONE) == []


def test_a_window_of_validity_is_closed_at_its_start_and_open_at_its_end() -> None:
    assert state().is_visible(NOW)
    assert not state(active=False).is_visible(NOW)
    assert state(since=NOW, until=NOW + DAY).is_visible(NOW)
    assert not state(since=NOW + DAY).is_visible(NOW)
    assert not state(until=NOW).is_visible(NOW)


def test_tags_allow_any_within_a_list_and_all_of_the_lists() -> None:
    loaded = Loaded()
    loaded.set_item("a", state("red", "new"))
    loaded.set_item("b", state("blue"))
    loaded.set_item("c", state())
    assert loaded.allowed(None, None) is None
    assert loaded.allowed(["red", "blue"], None) == {"a", "b"}
    assert loaded.allowed(["red", "blue"], ["new"]) == {"a"}
    assert loaded.allowed(None, []) == set()
    loaded.set_item("a", state("blue"))
    assert loaded.allowed(["red"]) == set()
    assert loaded.allowed(["blue"]) == {"a", "b"}
    loaded.set_item("b", None)
    assert loaded.allowed(["blue"]) == {"a"}
