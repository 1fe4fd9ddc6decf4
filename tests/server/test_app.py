"""The application as a whole: what it demands, what it opens, what it publishes."""

import msgspec
import pytest

from server.app import create_app
from server.settings import Settings, SettingsError
from tests.conftest import ClientFactory
from tests.postgres_cluster import Cluster


def test_without_a_database_there_is_no_application() -> None:
    with pytest.raises(SettingsError, match="AISLE_DATABASE_URL"):
        create_app(Settings())


async def test_a_database_of_another_version_is_refused(cluster: Cluster, settings: Settings) -> None:
    url = cluster.url(await cluster.create_empty())
    app = create_app(msgspec.structs.replace(settings, database_url=url))
    with pytest.raises(RuntimeError, match=r"lacks 0001_core.*migrate"):
        async with app.lifespan():
            pass
    assert not app.health.is_started and not await app.database.is_healthy()


async def test_a_start_that_fails_closes_what_it_opened(settings: Settings) -> None:
    app = create_app(msgspec.structs.replace(settings, require_gpu=True, providers=("cpu",)))
    with pytest.raises(RuntimeError, match="AISLE_REQUIRE_GPU"):
        async with app.lifespan():
            pass
    assert not await app.database.is_healthy()


async def test_everything_is_closed_at_the_end(settings: Settings) -> None:
    app = create_app(settings)
    async with app.lifespan():
        assert await app.health.reasons() == []
        assert any("stub" in line for line in app.describe())
    assert not app.health.is_started and not app.follower.is_alive and not app.jobs.is_alive
    assert not await app.database.is_healthy() and app.networks.servings == {}


async def test_what_runs_beside_requests_must_run_for_us_to_be_ready(settings: Settings) -> None:
    app = create_app(settings)
    assert not app.insights.is_alive
    async with app.lifespan():
        assert app.insights.is_alive
        await app.insights.taxonomies.close()
        assert await app.health.reasons() == ["insights"]


async def test_the_api_is_published_with_every_part(client: ClientFactory) -> None:
    async with client() as http:
        schema = (await http.get("/schema/openapi.json")).json()
        page = await http.get("/schema")
    paths = set(schema["paths"])
    assert {"/health/ready", "/metrics", "/admin/v1/keys", "/vision/v1/embed", "/v1/search"} <= paths
    assert {"/api/v0/item", "/collections/{collection}/images/{name}"} <= paths
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/search", '{"error":{"code":"METHOD_NOT_ALLOWED","message":'),
        ("DELETE", "/vision/v1/embed", '{"error":{"code":"METHOD_NOT_ALLOWED","message":'),
        ("GET", "/admin/v1/none", '{"error":{"code":'),
    ],
)
async def test_each_product_words_its_own_errors(
    client: ClientFactory, method: str, path: str, body: str
) -> None:
    async with client() as http:
        answer = await http.request(method, path)
    assert answer.text.startswith(body)
    assert ("request_id" in answer.text) is not path.startswith("/v1")
