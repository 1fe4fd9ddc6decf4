"""Taxonomies: look-up by id and name, ancestors, what an import changes and who sees it."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import changes
from server.db import Database
from server.insights import queries_taxonomy
from server.insights.taxonomy import EMPTY, TOPIC, Taxonomies, Taxonomy
from tests.server.insights import rows
from tests.server.insights.conftest import StartWorker
from tests.server.insights.worker import Worker

FOOD: dict[str, dict[str, Any]] = {
    "en:dairies": {"name": {"en": "Dairies", "fr": "Produits laitiers"}},
    "en:yogurts": {
        "name": {"en": "Yogurts", "fr": "Yaourts"},
        "synonyms": {"en": ["Yoghurts"], "fr": ["Yoghourts à boire"]},
        "parents": ["en:dairies"],
        "props": {"agribalyse_food_code": "19590"},
    },
    "fr:yaourts-natures": {"name": {"fr": "Yaourts natures", "xx": "Natural"}, "parents": ["en:yogurts"]},
    "en:soups": {"name": {"en": "Soups"}, "agribalyse_food_code": {"en": "25903"}},
}


def taxonomy(nodes: dict[str, dict[str, Any]]) -> Taxonomy:
    return EMPTY.updated({tag: msgspec.json.encode(node) for tag, node in nodes.items()})


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("en:yogurts", "en:yogurts"),
        ("fr:yaourts", "en:yogurts"),
        ("fr:Yaourts", "en:yogurts"),
        ("en:yoghurts", "en:yogurts"),
        ("fr:yoghourts-a-boire", "en:yogurts"),
        ("de:yaourts", None),
        ("Produits laitiers", "en:dairies"),
        ("natural", "fr:yaourts-natures"),
        ("en:nothing", None),
        ("en:!", None),
        ("", None),
    ],
)
def test_a_node_is_found_by_its_id_or_by_a_name_or_synonym_of_the_language(
    asked: str, found: str | None
) -> None:
    assert taxonomy(FOOD).canonical(asked) == found


def test_a_name_stands_before_a_synonym_of_another_node() -> None:
    nodes: dict[str, dict[str, Any]] = {
        "en:a": {"synonyms": {"en": ["Same"]}},
        "en:b": {"name": {"en": "Same"}},
    }
    assert taxonomy(nodes).canonical("en:same") == "en:b"


def test_ancestors_are_all_nodes_above() -> None:
    assert taxonomy(FOOD).ancestors("fr:yaourts-natures") == {"en:yogurts", "en:dairies"}
    assert taxonomy(FOOD).ancestors("en:unknown") == frozenset()


def test_a_circle_of_parents_ends_and_keeps_one_of_its_nodes() -> None:
    circle = taxonomy({"en:a": {"parents": ["en:b"]}, "en:b": {"parents": ["en:a"]}})
    assert circle.ancestors("en:a") == {"en:b"}
    assert circle.deepest(["en:b", "en:a"]) == ["en:b"]


def test_only_the_deepest_of_a_list_stay() -> None:
    wanted = ["en:dairies", "en:soups", "fr:yaourts-natures", "en:yogurts", "en:soups"]
    assert taxonomy(FOOD).deepest(wanted) == ["en:soups", "fr:yaourts-natures"]


@given(st.lists(st.integers(0, 9), max_size=10), st.dictionaries(st.integers(0, 9), st.integers(0, 9)))
def test_of_any_graph_no_kept_node_is_above_another_and_none_is_lost(
    wanted: list[int], parents: dict[int, int]
) -> None:
    tree = taxonomy({f"en:{child}": {"parents": [f"en:{parent}"]} for child, parent in parents.items()})
    tags = [f"en:{number}" for number in wanted]
    kept = tree.deepest(tags)
    assert not any(one in tree.ancestors(other) for one in kept for other in kept if one != other)
    assert all(tag in kept or any(tag in tree.ancestors(one) for one in kept) for tag in tags)


def test_a_name_is_of_the_language_else_the_international_one() -> None:
    food = taxonomy(FOOD)
    assert food.name("fr:yaourts-natures", "fr") == "Yaourts natures"
    assert food.name("fr:yaourts-natures", "de") == "Natural"
    assert food.name("en:soups", "de") is None
    assert food.name("en:unknown", "en") is None


def test_properties_stand_at_the_top_or_under_props() -> None:
    food = taxonomy(FOOD)
    assert food.property("en:yogurts", "agribalyse_food_code") == "19590"
    assert food.property("en:soups", "agribalyse_food_code") == "25903"
    assert food.property("en:dairies", "agribalyse_food_code") is None
    assert (food.node("en:yogurts") or {})["agribalyse_food_code"] == "19590"
    assert food.node("en:unknown") is None


def test_an_update_replaces_the_names_of_a_node_and_leaves_the_taxonomy_before_as_it_was() -> None:
    before = taxonomy(FOOD)
    after = before.updated({"en:soups": b'{"name":{"en":"Broths"}}'})
    assert (after.canonical("en:broths"), after.canonical("Soups")) == ("en:soups", None)
    assert (before.canonical("en:broths"), before.canonical("Soups")) == (None, "en:soups")


def test_every_name_of_the_public_categories_finds_a_node_that_has_it(shared_data: Any) -> None:
    raw = (shared_data / "taxonomy" / "packaging_shapes.json").read_bytes()
    nodes = msgspec.json.decode(raw)
    shapes = taxonomy(nodes)
    for node in nodes.values():
        for language, name in node["name"].items():
            found = shapes.canonical(f"{language}:{name}")
            assert found is not None
            assert name.lower() in [text.lower() for text in texts(nodes[found], language)]


def texts(node: dict[str, Any], language: str) -> list[str]:
    return [node["name"].get(language, ""), *node.get("synonyms", {}).get(language, ())]


async def put(worker: Worker, admin: dict[str, str], *lines: object, name: str = "categories") -> Any:
    answer = await worker.http.post(
        f"/admin/v1/import/taxonomies?name={name}",
        content=b"\n".join(msgspec.json.encode(line) for line in lines),
        headers=admin,
    )
    return answer.json()


async def test_an_imported_node_is_there_before_the_answer_and_soon_in_other_workers(
    start_worker: StartWorker, admin: dict[str, str]
) -> None:
    async with start_worker() as one, start_worker() as other:
        other_taxonomies = Taxonomies(other.database, poll_s=0.02)
        await other_taxonomies.open()
        report = await put(one, admin, {"id": "en:teas", "name": {"en": "Teas"}})
        assert (report["imported"], report["ids"]) == (1, ["en:teas"])
        assert one.insights.taxonomies.get("categories").canonical("en:Teas") == "en:teas"
        await put(one, admin, {"id": "en:teas", "name": {"en": "Infusions"}})
        assert one.insights.taxonomies.get("categories").canonical("Teas") is None
        async with asyncio.timeout(10):
            while other_taxonomies.get("categories").canonical("infusions") != "en:teas":
                await asyncio.sleep(0.01)
        await other_taxonomies.close()


async def test_a_fault_while_following_is_logged_and_not_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    taxonomies = Taxonomies(database, poll_s=0.01)
    await taxonomies.open()
    assert taxonomies.is_alive
    with monkeypatch.context() as patch:
        patch.setattr(
            queries_taxonomy, "SEQUENCES", "SELECT 'taxonomy:a' AS topic, 'many' AS sequence, $1::text"
        )
        async with asyncio.timeout(10):
            while "could not be followed" not in caplog.text:
                await asyncio.sleep(0.01)
    async with database.transaction() as connection:
        await connection.execute(queries_taxonomy.PUT, "stores", ["xx:lidl"], [{"name": {"xx": "Lidl"}}])
        await changes.append(connection, TOPIC + "stores", ["xx:lidl"])
    async with asyncio.timeout(10):
        while taxonomies.get("stores").canonical("lidl") is None:
            await asyncio.sleep(0.01)
    await taxonomies.close()
    assert not taxonomies.is_alive


async def test_what_is_exported_can_be_imported_again(http: httpx.AsyncClient, admin: dict[str, str]) -> None:
    line = {
        "id": "en:teas",
        "name": {"en": "Teas"},
        "parents": ["en:hot"],
        "props": {"a": "b"},
        "wikidata": "Q1",
    }
    body = msgspec.json.encode(line)
    await http.post("/admin/v1/import/taxonomies?name=labels", content=body, headers=admin)
    named = await http.get("/admin/v1/export/taxonomies?name=labels", headers=admin)
    assert named.json() == line
    everything = await http.get("/admin/v1/export/taxonomies", headers=admin)
    assert everything.json() == line | {"taxonomy": "labels"}
    again = await http.post("/admin/v1/import/taxonomies", content=everything.content, headers=admin)
    assert again.json()["imported"] == 1


async def test_a_bad_node_does_not_stop_the_others(worker: Worker, admin: dict[str, str]) -> None:
    report = await put(
        worker,
        admin,
        {"name": {"en": "No id"}},
        {"id": "en:good", "name": {"en": "Good"}},
        {"id": "en:bad", "name": "Bad"},
        {"id": "en:bad", "parents": [1]},
        {"id": "en:null", "name": {"en": "a\x00b"}},
        {"id": "en:good-too"},
    )
    assert report["imported"] == 2
    assert [error["line"] for error in report["errors"]] == [1, 3, 4, 5]
    unnamed = await put(worker, admin, {"id": "en:x"}, name="")
    assert "taxonomy" in unnamed["errors"][0]["error"]


async def test_a_worker_starts_with_what_the_database_has(start_worker: StartWorker) -> None:
    async with start_worker() as worker:
        await rows.add_node(worker.database, "brands", "xx:lidl", name={"xx": "Lidl"})
        assert worker.insights.taxonomies.get("brands").canonical("lidl") is None
        await worker.insights.taxonomies.read()
        assert worker.insights.taxonomies.get("brands").canonical("lidl") == "xx:lidl"
